"""What adapting costs: every method's frame against the source model's, interleaved.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/method_speed.py [--frames 20] [--threads 2]

On the bundled MiT-B0 and Town frames of 256x192. All methods see the same frame one after another,
so a machine that slows down slows all of them; a ratio is the median over frames.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from importlib.resources import as_file, files

import torch

from driftseg.runs.builder import build
from driftseg.runs.config import RunConfig
from driftseg.runs.reading import read_config

METHODS = {
    "source_only": "method={name: source_only}",
    "tent": "method={name: tent}",
    "dacs, everything trained": "method={name: dacs}",
    "dacs, train: [encoder.stage4, head]": "method={name: dacs, train: [encoder.stage4, head]}",
    "dacs, train: [head]": "method={name: dacs, train: [head]}",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"{arguments.threads} threads, OMP_WAIT_POLICY={os.environ.get('OMP_WAIT_POLICY')}")
    with as_file(files("driftseg") / "assets" / "town_storm.yaml") as path:
        parts = {
            name: build(read_config(path, RunConfig, changes=[change, "replay.capacity=20"]))
            for name, change in METHODS.items()
        }
    stream = iter(parts["source_only"].stream)
    times: dict[str, list[float]] = {name: [] for name in METHODS}
    for number in range(arguments.frames + 1):
        image = next(stream).image
        for name, part in parts.items():
            started = time.perf_counter()
            part.method.predict(image)
            part.method.adapt()
            if number > 0:  # the first frame warms up
                times[name].append(time.perf_counter() - started)
    plain = times["source_only"]
    for name, own in times.items():
        ratios = [a / b for a, b in zip(own, plain, strict=True)]
        roles = parts[name].method.roles
        overlays = sum(roles.overlay_bytes(role) for role in roles.overlays) / 1e6
        print(f"{name:<38} {statistics.median(ratios):5.2f} x  overlays {overlays:5.1f} MB")


if __name__ == "__main__":
    main()
