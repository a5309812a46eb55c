"""What saving labels and overlays costs the frames of a drive, and whether its memory stays flat.

OMP_WAIT_POLICY=PASSIVE python benchmarks/saving_cost.py [--size 640 384] [--threads 1]
OMP_WAIT_POLICY=PASSIVE python benchmarks/saving_cost.py --memory --size 320 192 --frames 2000

The bundled model predicts and learns (TENT) on frames of Town, in blocks with and without saving,
in turn. A block with saving ends when its last frame is handed over; the files that are still to be
written then are waited for outside of the timing, and told as the rest.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import psutil
import torch

import driftseg
from driftseg.saving.saver import Saver
from driftseg.saving.shots import Shot
from driftseg.town.town import Town


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs=2, default=(640, 384), help="width height")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--block", type=int, default=20, help="frames of a block")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--memory", action="store_true", help="resident memory over many frames")
    parser.add_argument("--frames", type=int, default=2000, help="of --memory")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    policy = os.environ.get("OMP_WAIT_POLICY")
    width, height = given.size
    print(f"{width}x{height}, {given.threads} threads, OMP_WAIT_POLICY={policy}")
    town = Town(seed=3, size=(width, height))
    images = [town.render(9 * number).image for number in range(20)]
    model = driftseg.load_model()
    adapter = driftseg.adapt(model, "tent")

    def saver(folder: str, number: int) -> Saver:
        return Saver(
            Path(folder) / str(number), ["labels", "overlays"], classes=model.classes,
            colours=model.colours,
        )  # fmt: skip

    def frame(number: int, to: Saver | None) -> None:
        image = images[number % len(images)]
        answer = adapter.predict(image)
        adapter.learn()
        if to is not None:
            to.put(Shot(number, f"{number:06d}", image, answer.label))

    with tempfile.TemporaryDirectory() as folder:
        if given.memory:
            memory(given.frames, frame, saver(folder, 0))
            return
        ratios, rests = [], []
        for number in range(given.rounds + 1):
            seconds = []
            for to in (None, saver(folder, number)):
                started = time.perf_counter()
                for index in range(given.block):
                    frame(index, to)
                seconds.append(time.perf_counter() - started)
                if to is not None:
                    started = time.perf_counter()
                    to.close()
                    rests.append(time.perf_counter() - started)
            if number > 0:  # the first round warms up
                ratios.append(seconds[1] / seconds[0])
        per_frame = 1000 * seconds[0] / given.block
        print(f"a frame takes {per_frame:.0f} ms without saving; with labels and overlays "
              f"{statistics.median(ratios):.3f} x (from {min(ratios):.3f} to {max(ratios):.3f}); "
              f"the rest {1000 * statistics.median(rests):.0f} ms a block")  # fmt: skip


def memory(frames: int, frame, to: Saver) -> None:  # type: ignore[no-untyped-def]
    process, step = psutil.Process(), max(1, frames // 10)
    for number in range(frames):
        frame(number, to)
        if (number + 1) % step == 0:
            print(f"{number + 1} frames: {process.memory_info().rss / 2**20:.0f} MiB")
    to.close()


if __name__ == "__main__":
    main()
