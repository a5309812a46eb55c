"""Accuracy against the pace of the stream, on Town: ``python -m benchmarks.paces``.

It measures what an answer and a learning step of every method cost, relative to an answer of the
source model, and runs every method at every pace with these costs. Both tables are for
docs/protocols.md. A part of them, with known costs of answer and step:
``python -m benchmarks.paces tent --paces 1 --cost tent=1,1.5``.
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


Costs = tuple[float, float]
"""Of an answer and of a learning step, in answers of the source model."""


def measured(method: str, out: Path) -> tuple[float, float, Costs]:
    """Ms of an answer of the source model, of answer and step of the method, and its costs.

    CPU time of one thread, the shortest of several frames: other processes disturb it least. A
    method that learns from some of the frames is timed on these.
    """
    plain, whole = build(config("source_only", out)), build(config(method, out))
    rows: list[tuple[float, float, float]] = []
    steps: list[tuple[float, float, float]] = []
    try:
        for frame in [*itertools.islice(whole.stream, WARM + TIMED)]:  # rendered before the clock
            started = time.process_time()
            plain.model.predict(frame.image)
            between = time.process_time()
            whole.model.predict(frame.image)
            answered = time.process_time()
            learnt = whole.model.learn().trained
            ended = time.process_time()
            rows.append((between - started, answered - between, ended - between))
            if learnt:
                steps.append(rows[-1])
    finally:
        plain.data.close()
        whole.data.close()
    columns = zip(*(steps[WARM:] or rows[WARM:]), strict=True)
    source, answer, all_of_it = (1000 * min(column) for column in columns)
    predict = max(1.0, round(answer / source, 1))
    return source, all_of_it, (predict, round(max(0.0, all_of_it / source - predict), 1))


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("methods", nargs="*", default=METHODS)
    parser.add_argument("--paces", nargs="*", type=float, default=PACES)
    parser.add_argument(
        "--cost", action="append", default=[], help="METHOD=PREDICT,LEARN: not measured"
    )
    parser.add_argument("--policy", default="answer")
    given = parser.parse_args()
    costs: dict[str, Costs] = {}
    for each in given.cost:
        name, _, numbers = each.partition("=")
        predict, learn = map(float, numbers.split(","))
        costs[name] = (predict, learn)
    with tempfile.TemporaryDirectory() as place:
        out = Path(place)
        print(
            "| method | answer of the source model, ms | answer and step, ms | `costs.predict` "
            "| `costs.learn` |"
        )
        print("|---|---|---|---|---|")
        for method in given.methods:
            if method in costs:
                continue
            answer, whole, costs[method] = measured(method, out)
            if method == "source_only":
                costs[method] = (1.0, 0.0)  # it has no step; what was measured is noise
            predict, learn = costs[method]
            print(f"| {method} | {answer:.0f} | {whole:.0f} | {predict} | {learn} |", flush=True)
        print("\n| method | pace | clear | storm | night | learnt from | late | dropped |")
        print("|---|---|---|---|---|---|---|---|")
        for method, pace in itertools.product(given.methods, given.paces):
            print(row(method, pace, costs[method], given.policy, out), flush=True)


def row(method: str, pace: float | None, costs: Costs, policy: str, out: Path) -> str:
    """A run as a row."""
    told = {"predict": costs[0], "learn": costs[1]}
    section = {"relative": pace, "policy": policy, "costs": told}
    found = read_run(run(config(method, out, None if pace is None else section)))
    scores = " | ".join(f"{score:.1f}" for score in stream_scores(found))
    counts = pace_counts(found.frames, len(found.visits))
    learnt = sum(frame["trained"] for frame in found.frames)
    late, dropped = (0, 0) if counts is None else (summed(counts).late, summed(counts).dropped)
    speed = "waits" if pace is None else f"{pace:g}"
    return f"| {method} | {speed} | {scores} | {learnt} | {late} | {dropped} |"


if __name__ == "__main__":
    main()
