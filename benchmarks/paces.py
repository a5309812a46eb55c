"""Accuracy against the pace of the stream, on Town: ``python -m benchmarks.paces``.

It measures the cost of a learning step of every method, relative to an answer of the source model,
and runs every method at every pace with these costs. Both tables are for docs/protocols.md.
A part of them: ``python -m benchmarks.paces tent --paces 1 --cost tent=1.5``, with known costs.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from pathlib import Path
from typing import Any

from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.evaluation.pace import pace_counts, summed
from driftseg.report.summary import stream_scores
from driftseg.runs.build import build
from driftseg.runs.record import read_run
from driftseg.runs.run import run

METHODS = ("source_only", "norm_statistics", "tent", "dacs", "restyled_replay", "auto")
PACES = (None, 0.25, 1.0)
SIZE = [256, 192]
WARM, TIMED = 2, 15


def config(method: str, out: Path, pace: dict[str, Any] | None = None) -> RunConfig:
    """A run on the bundled model."""
    settings: dict[str, Any] = {"name": method}
    if method == "dacs":
        settings |= {"head_factor": 1, "confidence": {"threshold": 0.8}}  # as examples/town_storm
    values = {
        "name": "paces",
        "source_name": "town",
        "source": {"kind": "town", "seed": 1, "frames": 60, "every": 26, "size": SIZE},
        "target": {"kind": "town", "seed": 7, "frames": 60, "every": 5, "size": SIZE},
        "schedule": [
            {"name": "clear", "frames": 10},
            {"name": "storm", "rain": 100, "wet_road": 1, "frames": 30},
            {"name": "night", "night": 1, "frames": 20},
        ],
        "camera": "town",
        "method": settings,
        "replay": {"capacity": 60, "temperature": 0.05, "minimum_share": 0.004},
        "diagnostics_every": 0,
        "threads": 1,
        "out": str(out),
        "pace": pace,
    }
    return check(values, RunConfig, where="paces")


def learning_cost(method: str, out: Path) -> tuple[float, float, float]:
    """Ms of an answer of the source model, of answer and step, and the step in such answers.

    CPU time of one thread, the shortest of several frames: other processes disturb it least.
    """
    plain, whole = build(config("source_only", out)), build(config(method, out))
    rows = []
    try:
        for frame in [*itertools.islice(whole.stream, WARM + TIMED)]:  # rendered before the clock
            started = time.process_time()
            plain.model.predict(frame.image)
            between = time.process_time()
            whole.model.predict(frame.image)
            whole.model.learn()
            rows.append((1000 * (between - started), 1000 * (time.process_time() - between)))
    finally:
        plain.data.close()
        whole.data.close()
    answer, all_of_it = (min(column) for column in zip(*rows[WARM:], strict=True))
    return answer, all_of_it, round(max(0.0, all_of_it / answer - 1), 1)


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("methods", nargs="*", default=METHODS)
    parser.add_argument("--paces", nargs="*", type=float, default=PACES)
    parser.add_argument("--cost", action="append", default=[], help="METHOD=LEARN, not measured")
    parser.add_argument("--policy", default="answer")
    given = parser.parse_args()
    costs = {name: float(cost) for name, cost in (each.split("=") for each in given.cost)}
    with tempfile.TemporaryDirectory() as place:
        out = Path(place)
        print("| method | answer of the source model, ms | answer and step, ms | `costs.learn` |")
        print("|---|---|---|---|")
        for method in given.methods:
            if method in costs:
                continue
            answer, whole, costs[method] = learning_cost(method, out)
            if method == "source_only":
                costs[method] = 0.0  # it has no step; what was measured is noise
            print(f"| {method} | {answer:.0f} | {whole:.0f} | {costs[method]} |", flush=True)
        print("\n| method | pace | clear | storm | night | learnt from | late | dropped |")
        print("|---|---|---|---|---|---|---|---|")
        for method, pace in itertools.product(given.methods, given.paces):
            print(row(method, pace, costs[method], given.policy, out), flush=True)


def row(method: str, pace: float | None, cost: float, policy: str, out: Path) -> str:
    """A run as a row."""
    section = {"relative": pace, "policy": policy, "costs": {"learn": cost}}
    found = read_run(run(config(method, out, None if pace is None else section)))
    scores = " | ".join(f"{score:.1f}" for score in stream_scores(found))
    counts = pace_counts(found.frames, len(found.visits))
    learnt = sum(frame["trained"] for frame in found.frames)
    late, dropped = (0, 0) if counts is None else (summed(counts).late, summed(counts).dropped)
    told = "waits" if pace is None else f"{pace:g}"
    return f"| {method} | {told} | {scores} | {learnt} | {late} | {dropped} |"


if __name__ == "__main__":
    main()
