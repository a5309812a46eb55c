"""What each restyling costs, Town restyled to Town in rain, in turn.

The reference of those that match softness is soft, so that there is something to do.

python benchmarks/restyle_speed.py [--size 320 240] [--rounds 15]
"""

from __future__ import annotations

import argparse
import statistics
import time

import cv2
import numpy as np

from driftseg.learners.parts.restyle import RESTYLINGS, combined
from driftseg.town.town import Town
from restyle_contact_sheet import rained_on

LISTS = {**{name: [name] for name in RESTYLINGS}, "all three": ["histogram", "blur", "texture"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs=2, default=(320, 240), help="width height")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    size = tuple(arguments.size)
    source = Town(seed=1, size=size).render(130).image
    reference = rained_on(Town(seed=7, size=size).render(40), 200.0, "town")
    soft = cv2.GaussianBlur(reference, (0, 0), 1.0)
    times: dict[str, list[float]] = {name: [] for name in LISTS}
    for number in range(arguments.rounds + 1):
        for name, names in LISTS.items():
            restyle, generator = combined(names), np.random.default_rng(number)
            wanted = soft if {"blur", "texture"}.intersection(names) else reference
            started = time.perf_counter()
            restyle(source, wanted, generator)
            if number > 0:  # the first round warms up
                times[name].append(1000 * (time.perf_counter() - started))
    print(f"{size[0]}x{size[1]}, one thread, ms")
    for name, taken in times.items():
        print(f"{name:12}{statistics.median(taken):7.1f} ({min(taken):.1f} to {max(taken):.1f})")


if __name__ == "__main__":
    main()
