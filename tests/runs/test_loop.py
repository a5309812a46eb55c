"""What a person who watches a run is told."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.runs.loop import Moment
from driftseg.runs.run import run


def test_frames_a_second_are_those_that_were_played(
    tiny_run: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame that cannot be read takes no time, so it is none of them."""
    (tmp_path / "drive").mkdir()
    for number in range(6):
        path = tmp_path / "drive" / f"{number}.png"
        Image.fromarray(np.full((64, 96, 3), 30 * number, np.uint8)).save(path)
    for broken in (1, 2):
        (tmp_path / "drive" / f"{broken}.png").write_bytes(b"no picture")
    values = {
        **tiny_run, "target": {"kind": "folder", "root": str(tmp_path / "drive")},
        "source": None, "evaluation": None, "method": {"name": "source_only"},
        "schedule": [{"name": "here", "frames": 6}], "corrupt_share": 0.5,
    }  # fmt: skip
    monkeypatch.setattr(  # a second between any two readings: two a frame
        "driftseg.runs.pacing.device_clock", lambda device: itertools.count().__next__
    )
    seen: list[Moment] = []
    run(check(values, RunConfig, where="test"), seen.append)
    told = [(moment.frame, moment.frames_per_second) for moment in seen]
    assert told == [(1, 0.5), (4, 0.5), (5, 0.5), (6, 0.5)]
