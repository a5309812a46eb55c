"""What a record keeps of a stream that did not wait, beside its frames."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from driftseg.evaluation.pace import pace_counts, summed
from driftseg.runs.record import plain
from driftseg.runs.whole import write_whole
from driftseg.stream.pace import PaceSettings

PACE = "pace.json"
"""The counts of frames per visit, and the time between two frames."""


def write_pace(
    folder: Path, pace: PaceSettings, told: dict[str, Any], schedule: list[dict[str, Any]]
) -> Iterator[str]:
    """Counts the recorded frames into `PACE`; yields lines for a person.

    Args:
        folder: of the run.
        pace: of its config.
        told: of the run's pacing.
        schedule: of the run.
    """
    with (folder / "frames.jsonl").open(encoding="utf-8") as lines:
        counts = pace_counts([json.loads(line) for line in lines], len(schedule))
    if counts is None:
        return
    visits = [
        {"visit": visit["visit"], "domain": visit["domain"], **asdict(count)}
        for visit, count in zip(schedule, counts, strict=True)
    ]
    text = json.dumps(plain({**told, "visits": visits}), indent=1, allow_nan=False)
    write_whole(folder / PACE, (text + "\n").encode())
    for visit, count in zip(schedule, counts, strict=True):
        yield f"visit {visit['visit']} {visit['domain']}: {count}"
    yield f"pace {pace}: {summed(counts)}"
