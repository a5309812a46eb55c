"""What adapting costs: every method's frame against the source model's, interleaved.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/method_speed.py [--encoder mit_b0] [--size 256 192]
                                                              [--frames 12] [--threads 2]

Random weights, Town frames. All methods see the same frame one after another, so a machine that
slows down slows all of them; a ratio is the median over frames. Beside it what is trained, and the
memory held between two frames beside the network itself: roles and the optimiser's moments.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.labels import CAMVID11
from driftseg.methods import AdaptiveModel
from driftseg.models.checkpoints import save_checkpoint
from driftseg.models.encoders import ENCODERS
from driftseg.models.segmenter import build_segmenter
from driftseg.runs.build import build

TOKENS = [{"kind": "adaptformer", "ratio": 0.25}, {"kind": "bottleneck"}, {"kind": "lora"},
          {"kind": "convpass"}, {"kind": "convolution", "where": "stage"}]  # fmt: skip
MAPS = [{"kind": "convolution", "ratio": 0.25}, {"kind": "convolution", "where": "stage"},
        {"kind": "bottleneck", "where": "stage", "ratio": 0.25}]  # fmt: skip
LEARNERS: dict[str, dict[str, Any]] = {
    "dacs": {"name": "dacs"},
    "restyled_replay": {"name": "restyled_replay", "restylings": ["bands", "texture"]},
    "replay_only": {"name": "replay_only"},
}
WIDTH = 128
DETECTOR = {"window": 8, "rise": 0.1, "fall": -0.1, "source_level": 1.0, "far_level": 2.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", choices=ENCODERS, default="mit_b0")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 192), help="width height")
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    policy = os.environ.get("OMP_WAIT_POLICY")
    print(f"{arguments.encoder} {arguments.size[0]}x{arguments.size[1]}, "
          f"{arguments.threads} threads, OMP_WAIT_POLICY={policy}")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "random.safetensors"
        torch.manual_seed(0)
        network = build_segmenter(arguments.encoder, classes=len(CAMVID11), head_width=WIDTH)
        save_checkpoint(
            checkpoint, network, encoder=arguments.encoder, head_width=WIDTH,
            label_space=CAMVID11.name, classes=CAMVID11.classes,
        )  # fmt: skip
        parts = {
            name: build(check(values, RunConfig, where=name))
            for name, values in rows(checkpoint, arguments)
        }
    stream = iter(parts["source_only"].stream)
    times: dict[str, list[float]] = {name: [] for name in parts}
    for number in range(arguments.frames + 1):
        image = next(stream).image
        for name, part in parts.items():
            started = time.perf_counter()
            part.model.predict(image)
            part.model.learn()
            if number > 0:  # the first frame warms up
                times[name].append(time.perf_counter() - started)
    plain = times["source_only"]
    print(f"{'':<44} {'frame':>6}  {'trained':>10}  {'beside the network':>18}")
    for name, own in times.items():
        ratio = statistics.median(a / b for a, b in zip(own, plain, strict=True))
        method = parts[name].model
        print(f"{name:<44} {ratio:6.2f}  {trained(method):>10,}  {beside(method) / 1e6:15.1f} MB")


def rows(checkpoint: Path, arguments: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """The table's rows, each with its run."""
    town = {"kind": "town", "every": 13, "size": list(arguments.size)}
    base = {
        "name": "town", "checkpoint": str(checkpoint), "source": {**town, "seed": 1, "frames": 20},
        "target": {**town, "seed": 7, "frames": arguments.frames + 1}, "threads": arguments.threads,
        "schedule": [{"name": "rain100", "rain": 100}], "camera": "town",
        "replay": {"capacity": 20, "minimum_share": 0.004},
    }  # fmt: skip
    for name in ("source_only", "norm_statistics", "tent"):
        yield name, {**base, "method": {"name": name}}
    kinds = MAPS if arguments.encoder.startswith("efficientnet") else TOKENS
    frozen = {"train": ["adapters", "head"]}
    for name, method in LEARNERS.items():
        yield f"{name}, everything", {**base, "method": method}
        for kind in kinds:
            told = f"{name}, {kind['kind']} per {kind.get('where', 'block')}, head"
            yield told, {**base, "method": {**method, **frozen}, "adapters": kind}
        yield f"{name}, head", {**base, "method": {**method, "train": ["head"]}}
    learner = {**LEARNERS["restyled_replay"], **frozen}
    for name in ("lae", "bank"):
        method = {"name": name, "learner": learner, "detector": DETECTOR}
        yield f"{name}, {kinds[0]['kind']} per block, head", {
            **base, "method": method, "adapters": kinds[0],
        }  # fmt: skip


def trained(method: AdaptiveModel) -> int:
    """Numbers that learn."""
    parameters = dict(method.roles.network.module.named_parameters())
    return sum(parameters[name].numel() for name in method.roles.trainable)


def beside(method: AdaptiveModel) -> int:
    """Bytes of roles and of the optimiser's moments."""
    roles = sum(method.roles.overlay_bytes(role) for role in method.roles.overlays)
    optimiser = getattr(method.learner, "optimiser", None)
    if optimiser is None:
        return roles
    moments = [t for state in optimiser.state.values() for t in state.values()]
    return roles + sum(t.numel() * t.element_size() for t in moments)


if __name__ == "__main__":
    main()
