"""How long `driftseg runs` takes in a folder of many runs: ``python -m benchmarks.runs_index``.

The folders are made by hand: 220 frames, 11 visits and 11 classes each, as large as those of the
Town storm. Every listing is a process of its own, as a user starts it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import yaml

from driftseg.finding.folders import run_folders
from driftseg.finding.index import FILE
from driftseg.runs.record import config_hash

METHODS = ("source_only", "tent", "dacs", "restyled_replay")
DOMAINS = ("clear", "rain25", "rain50", "rain75", "rain100", "rain200")
VISITS = (*DOMAINS, *DOMAINS[-2::-1])
FRAMES, CLASSES = 20, tuple(f"class{i}" for i in range(11))


def make(folder: Path, number: int) -> None:
    """One run; seeds, methods and learning rates differ."""
    draw = np.random.default_rng(number)
    method, seed = METHODS[number % len(METHODS)], number // len(METHODS)
    config = {
        "name": "storm", "source_name": "town", "seed": seed,
        "method": {"name": method, **{f"setting_{i}": i / 7 for i in range(25)}},
        "target": {"kind": "town", "frames": 220, "size": [256, 128]},
        "replay": {f"setting_{i}": i for i in range(8)},
    }  # fmt: skip
    serial = f"260101_{number // 60 % 24:02d}{number % 60:02d}_town2storm_{method}_mlp_mit_b0"
    run = folder / f"{serial}_s{seed}_{config_hash(config)}"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (run / "environment.json").write_text(json.dumps({"driftseg": "0.1.0", "notes": []}))
    visits = [
        {"visit": i, "domain": d, "weather": d, "strength": 0.0, "frames": FRAMES,
         "direction": "forward" if i < len(DOMAINS) else "backward"}
        for i, d in enumerate(VISITS)
    ]  # fmt: skip
    schedule = {"classes": CLASSES, "label_space": "town", "home": "clear", "visits": visits}
    (run / "schedule.json").write_text(json.dumps(schedule))
    for name, rows in (("frames", _frames(draw, method)), ("evaluations", _evaluations(draw))):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (run / f"{name}.jsonl").write_text(text)


def _frames(draw: np.random.Generator, method: str) -> Iterator[dict[str, object]]:
    for index in range(FRAMES * len(VISITS)):
        union = draw.integers(500, 9000, len(CLASSES))
        part = (union * draw.uniform(0.3, 0.9)).astype(int)
        yield {
            "index": index, "visit": index // FRAMES, "domain": VISITS[index // FRAMES],
            "name": f"frame_{index:06d}", "labelled": True, "intersection": part.tolist(),
            "union": union.tolist(), "confidence": draw.random(), "entropy": draw.random(),
            "trained": method != "tent", "losses": {"source": draw.random()},
            "learning_rate": 1e-5, "signal": None, "event": None, "plan": None,
            "predict_ms": 10 * draw.random(), "adapt_ms": 50 * draw.random(),
        }  # fmt: skip


def _evaluations(draw: np.random.Generator) -> Iterator[dict[str, object]]:
    for after in range(-1, len(VISITS)):
        for domain in DOMAINS:
            for head in ("main", "early"):
                yield {
                    "after_visit": after, "after_domain": domain, "domain": domain, "head": head,
                    "frames": 10, "mean_iou": 100 * draw.random(), "mean_accuracy": 50.0,
                    "pixel_accuracy": 50.0, "iou": dict.fromkeys(CLASSES, draw.random()),
                    "reused": False,
                }  # fmt: skip


@dataclass(frozen=True)
class Time:
    """Seconds on the clock and of the CPU; others who use the machine lengthen only the first."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:.2f} s, CPU {self.cpu:.2f} s"


def listed(folder: Path, *options: str) -> Time:
    """Time of one ``driftseg runs``."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "driftseg", "runs", str(folder), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Time(wall, cpu)


def looked(folder: Path) -> Time:
    """Time of looking at all files, without the index."""
    cpu, began = time.process_time(), time.perf_counter()
    run_folders(folder)
    return Time(time.perf_counter() - began, time.process_time() - cpu)


def median(work: Callable[[], Time], rounds: int) -> Time:
    """Of some rounds."""
    found = [work() for _ in range(rounds)]
    return Time(
        statistics.median(each.wall for each in found),
        statistics.median(each.cpu for each in found),
    )


def main() -> None:
    """Makes the folders, lists them, removes them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="folder for the runs, kept for another time")
    given = parser.parse_args()
    folder = given.keep or Path(tempfile.mkdtemp())
    try:
        for number in range(len(list(folder.glob("26*"))), given.runs):
            make(folder, number)
        past = time.time() - 3600
        for path in folder.glob("26*/*"):
            os.utime(path, (past, past))
        (folder / FILE).unlink(missing_ok=True)
        measure(folder, given.rounds)
    finally:
        if given.keep is None:
            shutil.rmtree(folder)


def measure(folder: Path, rounds: int) -> None:
    """Prints all times."""
    size = sum(file.stat().st_size for file in next(folder.glob("26*")).glob("*.*"))
    count = len(list(folder.glob("26*")))
    print(f"{count} runs of {size / 2**10:.0f} KiB")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"first listing, everything is read: {listed(folder)}")
    print(f"index: {(folder / FILE).stat().st_size / 2**20:.1f} MiB")
    for options in (
        [], ["--limit", "0"], ["method=dacs", "over_all_visits>5", "--sort", "forgotten"],
        ["--csv"], ["--json"],
    ):  # fmt: skip
        told = median(partial(listed, folder, *options), rounds)
        print(f"driftseg runs {' '.join(options)}: {told}", flush=True)
    print(f"looking at all files alone: {median(partial(looked, folder), rounds)}")
    for run in sorted(folder.glob("26*"))[:10]:
        (run / "notes.json").write_text(json.dumps({"tags": ["x"], "notes": []}))
    print(f"after 10 runs have changed: {listed(folder)}")


if __name__ == "__main__":
    main()
