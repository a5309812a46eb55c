"""Wall time of `driftseg run` over the time of its method: what reading and rendering add.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/wall_time.py [--data CAMVID] [--threads 1]

Each row is one run in this process: source_only, tent and dacs on Town's storm, and on CamVid's
where `--data` gives its folder. `method` is the time of predict, learn and the answers of
evaluations; `run` is the time of the whole loop, from the first evaluation to the last, without
building. `in turn` reads and renders each frame when it is asked for.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import driftseg
from driftseg.config.loading import load
from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.methods.adaptive import AdaptiveModel
from driftseg.runs import build, loop
from driftseg.runs import run as runs

METHODS = ("source_only", "tent", "dacs")
EXAMPLES = Path(driftseg.__file__).parent / "examples"


class Stopwatch:
    """Adds up the seconds of calls."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, call: Any) -> Any:
        """The same call, counted."""

        def timed(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            try:
                return call(*arguments, **named)
            finally:
                self.seconds += time.perf_counter() - started

        return timed


def config(world: str, method: str, out: Path, data: Path | None, frames: int, threads: int) -> Any:
    values = load(EXAMPLES / f"{world}_storm.yaml")
    values |= {
        "method": {"name": method}, "adapters": None, "out": str(out), "threads": threads,
        "schedule": {"preset": "storm", "frames": frames},
    }  # fmt: skip
    for key in ("calibration", "checkpoint", "model"):  # the bundled model, on either world
        values.pop(key, None)
    return check(values, RunConfig, where=world, data=data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--frames", type=int, default=12, help="of each visit")
    given = parser.parse_args()
    print("| world | method | method, s | run, s | ratio | ratio, in turn |")
    print("|---|---|---|---|---|---|")
    for world in ("town", *(("camvid",) if given.data else ())):
        for method in METHODS:
            found = {}
            for ahead in (build.AHEAD, 0):
                build.AHEAD = ahead
                found[ahead] = measured(world, method, given)
            build.AHEAD = max(found)
            (work, whole), (plain, slow) = found[max(found)], found[0]
            print(f"| {world} | {method} | {work:.1f} | {whole:.1f} | {whole / work:.2f} "
                  f"| {slow / plain:.2f} |", flush=True)  # fmt: skip


def measured(world: str, method: str, given: argparse.Namespace) -> tuple[float, float]:
    work, whole = Stopwatch(), Stopwatch()
    names = ("predict", "learn", "answers")
    kept = {name: getattr(AdaptiveModel, name) for name in names}
    play = loop.play
    for name, call in kept.items():
        setattr(AdaptiveModel, name, work.timed(call))
    runs.play = whole.timed(play)
    try:
        with tempfile.TemporaryDirectory() as out:
            runs.run(config(world, method, Path(out), given.data, given.frames, given.threads))
    finally:
        runs.play = play
        for name, call in kept.items():
            setattr(AdaptiveModel, name, call)
    return work.seconds, whole.seconds


if __name__ == "__main__":
    main()
