"""Labels from scores: torch's argmax against the indices of max, interleaved.

OMP_WAIT_POLICY=PASSIVE python benchmarks/labels_speed.py [--size 320 240] [--threads 1]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import torch

from driftseg.learners.answering import most_probable


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs=2, default=(320, 240), help="width height")
    parser.add_argument("--classes", type=int, nargs="+", default=(11, 19))
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    width, height = arguments.size
    policy = os.environ.get("OMP_WAIT_POLICY")
    print(f"{width}x{height}, {arguments.threads} threads, OMP_WAIT_POLICY={policy}")
    for classes in arguments.classes:
        scores = torch.randn(1, classes, height, width)
        ratios = []
        for number in range(arguments.rounds + 1):
            started = time.perf_counter()
            plain = scores.argmax(dim=1)
            middle = time.perf_counter()
            ours = most_probable(scores)
            ended = time.perf_counter()
            assert torch.equal(plain, ours)
            if number > 0:  # the first round warms up
                ratios.append((middle - started) / (ended - middle))
        print(f"{classes} classes: argmax takes {statistics.median(ratios):.1f} x as long "
              f"(from {min(ratios):.1f} to {max(ratios):.1f})")  # fmt: skip


if __name__ == "__main__":
    main()
