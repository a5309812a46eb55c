"""Frames a second of Town, and images a second of rain on it, on one core.

    python benchmarks/town_speed.py [--size 320 240]

CPU time of this one process, so a busy machine does not flatter or hurt much; medians of rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time

import cv2
import numpy as np

from driftseg.town.town import Town
from driftseg.weather.camera import TOWN
from driftseg.weather.rain import rain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs=2, default=(320, 240))
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    size = (arguments.size[0], arguments.size[1])
    cv2.setNumThreads(1)
    town = Town(seed=5, size=size)
    town.render(0)
    rates = []
    for round_ in range(arguments.rounds):
        started = time.process_time()
        for step in range(60):
            town.render(round_ * 600 + step * 7)
        rates.append(60 / (time.process_time() - started))
    print(f"Town {size[0]}x{size[1]}: {statistics.median(rates):.1f} frames/s "
          f"(rounds {min(rates):.1f} to {max(rates):.1f})")  # fmt: skip
    scene = town.render(130)
    assert scene.depth is not None
    for rate in (25, 100, 200):
        times = []
        for _ in range(arguments.rounds):
            started = time.process_time()
            for seed in range(10):
                rain(scene.image, scene.depth, rate, np.random.default_rng(seed), camera=TOWN)
            times.append(10 / (time.process_time() - started))
        print(f"rain {rate} mm/h: {statistics.median(times):.1f} images/s")


if __name__ == "__main__":
    main()
