"""What the comparison for harm costs `auto`, interleaved with `auto` without it, in one process.

    OMP_WAIT_POLICY=PASSIVE python -m benchmarks.harm_cost [--frames 48]

The bundled model on Town's rain, 256x192, one thread. Each model predicts and learns from each
frame; CPU time of the process, means over the frames after the first eight. A comparison comes
every fourth frame.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import torch

import driftseg
from driftseg.weather import rain

WARM = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=48)
    frames = parser.parse_args().frames
    torch.set_num_threads(1)
    size = [256, 192]
    source = driftseg.load_dataset("town", seed=1, frames=60, every=26, size=size)
    target = driftseg.load_dataset("town", seed=7, frames=frames + WARM, every=5, size=size)
    models = {
        name: driftseg.adapt(driftseg.load_model(), "auto", source=source, guard="off", **settings)
        for name, settings in (("with", {}), ("without", {"harm": None}))
    }
    spent: dict[str, list[float]] = {name: [] for name in models}
    for number in range(frames + WARM):
        scene = target.scene(number)
        image = rain(scene.image, scene.depth, 100.0, camera="town", seed=number)
        for name, model in models.items():
            started = time.process_time()
            model.predict(image)
            model.learn()
            spent[name].append(1000 * (time.process_time() - started))
    means = {name: statistics.fmean(times[WARM:]) for name, times in spent.items()}
    policy = os.environ.get("OMP_WAIT_POLICY")
    print(f"threads 1, OMP_WAIT_POLICY={policy}, {frames} frames; CPU ms a frame: "
          f"{means['with']:.0f} with, {means['without']:.0f} without; "
          f"ratio {means['with'] / means['without']:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
