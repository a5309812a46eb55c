"""What a hostile stream does to a model that learns, with and without the guard.

OMP_WAIT_POLICY=PASSIVE python -m benchmarks.hostile --frames 2000 --csv hostile.csv

Town drives through storms, in a cycle: clear, rain, night, heavy rain, fog. After each comes a
stretch in which the camera sees nothing: black, frozen, inverted, blurred, noisy or overexposed
frames, or a lens cap (dark with sensor noise) of ``--cap`` frames. The model with the guard and the
one without see the same frames in turn in one process, so their times compare; they are CPU times,
which other programs disturb least. The last stretch is clear. Scores are mIoU in percent on clear
held-out frames. Methods have their defaults; "x 10" has ten times the learning rate.
`python -m benchmarks.hostile_picture` draws the CSV.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import torch

import driftseg
from driftseg.api.online import OnlineModel
from driftseg.evaluation.confusion import Score
from driftseg.frame import Image
from driftseg.town.scenes import TownScenes
from driftseg.weather import fog, night, rain

WEATHER = ("clear", "rain", "night", "heavy rain", "fog")
HOSTILE = ("black", "frozen", "inverted", "blur", "noise", "overexposed", "lens cap")
ADAPTERS = {
    "adapters": {"kind": "convolution", "ratio": 0.25}, "train": ["adapters", "head"],
    "learning_rate": 1.5e-4, "head_factor": 1,
}  # fmt: skip
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "norm_statistics": ("norm_statistics", {}),
    "alpha_bn": ("alpha_bn", {}),
    "tent": ("tent", {}),
    "tent, running": ("tent", {"norm_statistics": "running"}),
    "tent, running, x 10": ("tent", {"norm_statistics": "running", "learning_rate": 1e-4}),
    "eata": ("eata", {}),
    "eata x 10": ("eata", {"learning_rate": 2.5e-3}),
    "sar": ("sar", {}),
    "sar x 10": ("sar", {"learning_rate": 2.5e-3}),
    "rdumb": ("rdumb", {}),
    "asr": ("asr", {}),
    "asr x 10": ("asr", {"learning_rate": 1e-4}),
    "roid": ("roid", {}),
    "roid x 10": ("roid", {"learning_rate": 2.5e-3}),
    "rotta": ("rotta", {}),
    "rotta x 10": ("rotta", {"learning_rate": 1e-2}),
    "cotta": ("cotta", {}),
    "cotta x 10": ("cotta", {"learning_rate": 7.5e-5}),
    "vida": ("vida", {}),
    "vida x 10": ("vida", {"learning_rate": 3e-4}),
    "rmt": ("rmt", {}),
    "rmt x 10": ("rmt", {"learning_rate": 1e-2}),
    "dacs": ("dacs", {}),
    "dacs x 10": ("dacs", {"learning_rate": 1.5e-4}),
    "mic": ("mic", {}),
    "restyled_replay": ("restyled_replay", ADAPTERS),
    "auto": ("auto", ADAPTERS),
}
SOURCE = 60
LABELLED = ("rmt", "dacs", "mic", "restyled_replay", "auto")
REPLAY = {"capacity": SOURCE, "temperature": 0.05, "minimum_share": 0.004}


def main() -> None:
    """Plays every method and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[*METHODS])
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--stretch", type=int, default=40, help="frames of a stretch")
    parser.add_argument("--cap", type=int, help="frames of a lens cap; as a stretch if not given")
    parser.add_argument("--minutes", type=float, default=1e9, help="at most, of a method")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 192), help="width height")
    parser.add_argument("--pool", type=int, default=40, help="scenes, again and again")
    parser.add_argument("--held-out", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--csv", type=Path, default=Path("hostile.csv"))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    cv2.setNumThreads(given.threads)
    size = (given.size[0], given.size[1])
    pool = rendered(size, given.pool)
    town = TownScenes(seed=8, frames=given.held_out, every=47, size=size)
    held_out = [town.scene(index) for index in range(len(town))]
    rows: list[dict[str, Any]] = []
    print(
        f"{size[0]}x{size[1]}, {given.threads} thread(s), wait policy "
        f"{os.environ.get('OMP_WAIT_POLICY')}, stretches of {given.stretch} frames\n"
    )
    print(
        "| method | guard | frames | start | lowest | end | learnt | refused | brought back "
        "| CPU ms a frame | cost of the guard | RSS, MB per 1000 frames |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for name in given.methods:
        rows += play(name, pool, held_out, given, size)
        with given.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)


def rendered(size: tuple[int, int], scenes: int) -> dict[str, list[Image]]:
    """Every scene in every weather, so that rendering takes no time from the models."""
    town = TownScenes(seed=7, frames=scenes, every=5, size=size)
    found: dict[str, list[Image]] = {name: [] for name in WEATHER}
    for index in range(scenes):
        scene = town.scene(index)
        image, depth = scene.image, scene.depth
        found["clear"].append(image)
        found["rain"].append(rain(image, depth, 50.0, camera="town", seed=index))
        found["heavy rain"].append(rain(image, depth, 200.0, camera="town", seed=index))
        found["night"].append(night(image, depth, 1.0, camera="town", seed=index))
        found["fog"].append(fog(image, depth, 60.0, camera="town", seed=index))
    return found


def spoilt(kind: str, image: Image, generator: np.random.Generator) -> Image:
    """The frame as a hostile stretch shows it."""
    if kind == "black":
        return np.zeros_like(image)
    if kind == "inverted":
        return np.asarray(255 - image, dtype=np.uint8)
    if kind == "blur":
        return np.asarray(cv2.GaussianBlur(image, (0, 0), image.shape[1] / 40), dtype=np.uint8)
    if kind == "lens cap":
        drawn = generator.normal(3, 2, image.shape)
        return np.asarray(drawn.clip(0, 255), dtype=np.uint8)
    if kind == "noise":
        drawn = generator.normal(0, 80, image.shape)
        return np.asarray((image + drawn).clip(0, 255), dtype=np.uint8)
    if kind == "overexposed":
        return np.asarray((3.0 * image).clip(0, 255), dtype=np.uint8)
    return image


def stretches() -> Iterator[str]:
    """Weather and hostile stretches in turn, without an end."""
    for weather, hostile in zip(itertools.cycle(WEATHER), itertools.cycle(HOSTILE), strict=False):
        yield weather
        yield hostile


class Side:
    """One of the two models, and what is known of it."""

    def __init__(self, method: str, guard: str, size: tuple[int, int]):
        source = driftseg.load_dataset("town", seed=1, frames=SOURCE, every=86, size=size)
        name, settings = METHODS[method]
        if name in LABELLED:
            settings = {"replay": REPLAY, **settings}
        self.model: OnlineModel = driftseg.adapt(
            driftseg.load_model(), name, source=source, guard=guard, **settings
        )
        self.guard = guard
        self.ms: list[float] = []
        self.learnt: list[bool] = []
        self.refused = self.back = 0

    def frame(self, image: Image) -> None:
        """Predicts and learns."""
        started = time.process_time()
        self.model.predict(image)
        done = self.model.learn()
        self.ms.append(1000 * (time.process_time() - started))
        self.learnt.append(done.trained)
        told = done.guard or {}
        self.refused += "unusable" in told
        self.back += "collapse" in told

    def row(self, method: str, frames: int, after: str, held_out: list[Any]) -> dict[str, Any]:
        """How things stand."""
        return {
            "method": method, "guard": self.guard, "frames": frames, "after": after,
            "clear_miou": round(self.score(held_out), 2),
            "rss_mb": round(psutil.Process().memory_info().rss / 2**20, 1),
            "median_ms": round(float(np.median(self.ms[-50:])), 1), "learnt": sum(self.learnt),
            "refused": self.refused, "brought_back": self.back,
        }  # fmt: skip

    def score(self, held_out: list[Any]) -> float:
        """Of the student, mIoU on clear frames, with the statistics that it has."""
        adaptive, found = self.model._adaptive, Score(len(self.model.classes))
        assert adaptive is not None
        for scene in held_out:
            found.add(adaptive.answers(scene.image)["main"], scene.label)
        return 100 * found.mean_iou()


def play(
    name: str,
    pool: dict[str, list[Image]],
    held_out: list[Any],
    given: argparse.Namespace,
    size: tuple[int, int],
) -> list[dict[str, Any]]:
    """One method; its rows for the CSV, and two lines of the table."""
    sides = [Side(name, guard, size) for guard in ("off", "on")]
    generator, rows = np.random.default_rng(0), []
    kinds, number, ended = stretches(), 0, False
    end = time.perf_counter() + 60 * given.minutes
    while not ended:
        ended = number + given.stretch >= given.frames or time.perf_counter() > end
        kind = "clear" if ended else next(kinds)
        scenes = pool.get(kind, pool["clear"])
        still = scenes[number % len(scenes)]
        for _ in range((given.cap if kind == "lens cap" else None) or given.stretch):
            image = still if kind == "frozen" else scenes[number % len(scenes)]
            image = spoilt(kind, image, generator)
            for side in sides if number % 2 else sides[::-1]:
                side.frame(image)
            number += 1
            if number == 1:
                rows += [side.row(name, number, "start", held_out) for side in sides]
        rows += [side.row(name, number, kind, held_out) for side in sides]
    tell(name, sides, rows, number)
    return rows


def tell(name: str, sides: list[Side], rows: list[dict[str, Any]], frames: int) -> None:
    """A line of each side."""
    both = [
        (off, on)
        for off, on, a, b in zip(
            sides[0].ms, sides[1].ms, sides[0].learnt, sides[1].learnt, strict=True
        )
        if a == b
    ][10:]  # the first frames warm up, and prepare the probes
    late = [(row["frames"], row["rss_mb"]) for row in rows if row["frames"] > frames / 2]
    slope = float("nan")
    if len(late) > 3:
        at, megabytes = np.array(late, dtype=np.float64).T
        slope = 1000 * float(np.polyfit(at, megabytes, 1)[0])
    for side in sides:
        scores = [row["clear_miou"] for row in rows if row["guard"] == side.guard]
        cost = ""
        if side.guard == "on" and both:
            ratio = np.mean([on for _, on in both]) / np.mean([off for off, _ in both])
            cost = f"{100 * (ratio - 1):+.1f} % ({len(both)} frames)"
        cells = [
            name, side.guard, frames, f"{scores[0]:.1f}", f"{min(scores):.1f}",
            f"{scores[-1]:.1f}", sum(side.learnt), side.refused, side.back,
            f"{np.median(side.ms):.0f}", cost, f"{slope:+.1f}",
        ]  # fmt: skip
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
