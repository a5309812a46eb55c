"""driftseg's step against three whole networks' (`plain_step`): bytes, memory, time.

    export OMP_WAIT_POLICY=PASSIVE
    python benchmarks/three_networks.py bytes  [--encoder mit_b5]
    python benchmarks/three_networks.py memory [--encoder mit_b3] [--size 512 512]
    python benchmarks/three_networks.py time   [--encoder mit_b1] [--size 512 512] [--rounds 7]
    python benchmarks/three_networks.py profile [--encoder mit_b1] [--size 512 512]

A frame is the answer, the drift signal and, where it trains, one step; the plain frame's answer and
signal are part of its step, as published. F is `plain_step.plain_forward`: one forward pass of the
published arithmetic. Random weights, noise for images, blocks of random classes for labels; all
variants take turns in one process, and a ratio is the median over rounds of CPU time over the same
round's F. ``memory`` runs every variant in a process of its own, two frames each.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from driftseg.control.budget import Budget, Levels
from driftseg.control.drift import WindowDetector
from driftseg.control.selection import FixedSelector
from driftseg.frame import SourceBatch
from driftseg.learners.parts.confidence import Thresholds
from driftseg.learners.parts.mixing import Mixing
from driftseg.learners.self_training import SelfTraining
from driftseg.learners.settings import Composition, SignalSettings
from driftseg.methods import AdaptiveModel, AfterChange
from driftseg.models.adapters import adapter_spec, attach
from driftseg.models.encoders.mit import MIT_SIZES
from driftseg.models.roles import Roles
from driftseg.models.segmenter import build_segmenter
from driftseg.models.trainable import choices, trainable_names

CLASSES = 19
ADAPTER_WIDTH = 64
MANY = 10**6
EVERYTHING = ("encoder", "head")
ADAPTERS = ("adapters", "head")


class Noise:
    """Frames and labelled source batches of one size, drawn anew each time."""

    def __init__(self, width: int, height: int):
        self._generator = np.random.default_rng(0)
        self._shape = (height, width)

    def image(self) -> np.ndarray:
        """(H, W, 3) uint8."""
        return self._generator.integers(0, 256, (*self._shape, 3), dtype=np.uint8)

    def sample(self) -> SourceBatch:
        """In blocks of 32 x 32 pixels with one class each, some of them without a label."""
        images = torch.from_numpy(self.image()).permute(2, 0, 1)[None].float() / 255
        blocks = self._generator.integers(0, CLASSES + 1, [side // 32 for side in self._shape])
        labels = np.kron(np.where(blocks == CLASSES, 255, blocks), np.ones((32, 32), np.int64))
        return SourceBatch(images, torch.from_numpy(labels)[None])

    def state_dict(self) -> dict[str, Any]:
        """Nothing, since no run goes on from here."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""


def ours(
    encoder: str,
    noise: Noise,
    train: tuple[str, ...],
    *,
    first: int = 1,
    stages: tuple[int, ...] = (1, 2, 3, 4),
    training: bool = True,
    distance: bool = False,
) -> AdaptiveModel:
    """A method whose every stage in ``train`` has learnt before.

    Args:
        encoder: a MiT size.
        noise: where its source batches come from.
        train: the trainable set; adapters are attached if it names them.
        first: n: stages n to 4 of the trainable set and the head learn.
        stages: where adapters sit.
        training: whether its frames train.
        distance: with feature distance, and so with a whole static role.
    """
    torch.manual_seed(0)
    network = build_segmenter(encoder, classes=CLASSES)
    if "adapters" in train:
        spec = adapter_spec("adaptformer", stages=stages, width=ADAPTER_WIDTH)
        attach(network, spec, torch.Generator().manual_seed(0))
    roles = Roles(network, trainable_names(network, train), teacher=True,
                  static="whole" if distance else "early")  # fmt: skip
    step = SelfTraining(
        roles, noise, head_factor=10.0, weight_decay=0.01, teacher_momentum=0.999,
        confidence=Thresholds([0.968]), ignored_rows=(0, 0),
        mixing=Mixing(0.2, True, np.random.default_rng(0)),
        feature_distance_weight=0.005 if distance else 0.0,
        feature_distance_classes=range(CLASSES), dropout_generator=torch.Generator(),
    )  # fmt: skip
    budget = Budget(
        Levels(1.0, 3.0), step=0.1, base_iterations=MANY if training else 1,
        most_iterations=MANY, share_back=(1.0, 1.0), learning_rates=(1e-6, 1e-6),
        mix_ratios=(0.5, 0.5), rate_policy="constant", start_training=training,
    )  # fmt: skip
    modules = choices(network, roles.trainable, fusion=True)
    controller = AfterChange(
        tuple(modules), detector=WindowDetector(window=MANY, rise=1.0, fall=-1.0), budget=budget,
        selector=FixedSelector((first,)), measure=False,
    )  # fmt: skip
    parts = Composition(step, controller, modules)
    return AdaptiveModel(roles, parts, signal=SignalSettings(3))


VARIANTS: dict[str, dict[str, Any]] = {
    "everything, not training": {"train": EVERYTHING, "training": False},
    "everything, n = 1": {"train": EVERYTHING},
    "everything, n = 1, feature distance": {"train": EVERYTHING, "distance": True},
    "everything, n = 4": {"train": EVERYTHING, "first": 4},
    "adapters in all stages, head": {"train": ADAPTERS},
    "adapters in stages 3-4, head": {"train": ADAPTERS, "stages": (3, 4), "first": 3},
}
PLAIN_VARIANTS: dict[str, dict[str, Any]] = {
    "plain, not training": {},
    "plain, n = 1": {"first_stage": 1},
    "plain, n = 4": {"first_stage": 4},
}


def frame_of(name: str, encoder: str, noise: Noise) -> Callable[[], Any]:
    """One frame of a variant, ready to be run again and again."""
    if name in VARIANTS:
        method = ours(encoder, noise, **VARIANTS[name])

        def run() -> None:
            method.predict(noise.image())
            method.learn()

        return run
    from plain_step import PlainStep  # transformers only where it is compared with

    plain = PlainStep(encoder, **PLAIN_VARIANTS[name])

    def run_plain() -> None:
        images, batch = noise.sample().images, noise.sample()
        if name == "plain, not training":
            plain.without_training(images)
        else:
            plain.step(images, batch.images, batch.labels)

    return run_plain


def measure_time(encoder: str, size: tuple[int, int], rounds: int) -> None:
    """CPU time of every variant's frame in F."""
    from plain_step import plain_forward, plain_model

    noise = Noise(*size)
    model, images = plain_model(encoder), noise.sample().images
    frames = {"F": lambda: plain_forward(model, images)}
    frames |= {name: frame_of(name, encoder, noise) for name in [*PLAIN_VARIANTS, *VARIANTS]}
    times: dict[str, list[float]] = {name: [] for name in frames}
    for number in range(rounds + 1):
        for name, run in frames.items():
            started = time.process_time()
            run()
            if number > 0:  # the first round warms up
                times[name].append(time.process_time() - started)
    for name, own in times.items():
        ratios = sorted(a / b for a, b in zip(own, times["F"], strict=True))
        print(
            f"{name:<40}{statistics.median(ratios):6.2f} F  ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


def measure_bytes(encoder: str) -> None:
    """What is held between two frames: weights and buffers, roles, optimiser state, gradients."""
    from plain_step import PlainStep

    noise = Noise(64, 64)
    print(f"{'MB':<34}{'weights':>9}{'roles':>9}{'optimiser':>11}{'gradients':>11}"
          f"{'all':>9}{'of one':>8}")  # fmt: skip
    plain = PlainStep(encoder)
    one = held(plain.student.parameters())
    batch = noise.sample()
    plain.step(noise.sample().images, batch.images, batch.labels)
    first, *others = ([*m.parameters(), *m.buffers()] for m in plain.modules())
    report_bytes("plain, three networks", one, held(first), sum(map(held, others)),
                 plain.optimiser, plain.student.parameters())  # fmt: skip
    for name in ("everything, n = 1", "adapters in all stages, head"):
        method = ours(encoder, noise, **VARIANTS[name])
        method.predict(noise.image())
        method.learn()
        roles = method.roles
        module = roles.network.module
        network = [*module.parameters(), *module.buffers()]
        overlays = sum(roles.overlay_bytes(role) for role in roles.overlays)
        report_bytes(name, one, held(network), overlays, method.learner.optimiser,
                     module.parameters())  # fmt: skip


def held(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def report_bytes(
    name: str, one: int, weights: int, roles: int, optimiser: Any, parameters: Iterable[Tensor]
) -> None:
    state = held(t for values in optimiser.state.values() for t in values.values())
    gradients = held(p.grad for p in parameters if p.grad is not None)
    total = weights + roles + state + gradients
    columns = "".join(
        f"{number / 1e6:>{width}.1f}"
        for number, width in zip((weights, roles, state, gradients, total), (9, 9, 11, 11, 9),
                                 strict=True)
    )  # fmt: skip
    print(f"{name:<34}{columns}{total / one:>8.2f}", flush=True)


def measure_memory(encoder: str, size: tuple[int, int], variants: list[str], threads: int) -> None:
    """Peak resident memory of two frames, each variant in a process of its own."""
    print(f"{'MiB':<40}{'libraries':>10}{'peak':>8}{'of first':>10}{'without libraries':>19}")
    first: tuple[int, int] | None = None
    for name in variants:
        command = [sys.executable, __file__, "peak", "--encoder", encoder, "--variant", name,
                   "--threads", str(threads), "--size", *map(str, size)]  # fmt: skip
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        libraries, peak = (int(word) // 1024 for word in output.split()[-2:])
        first = first or (libraries, peak)
        share = (peak - libraries) / (first[1] - first[0])
        print(f"{name:<40}{libraries:>10}{peak:>8}{peak / first[1]:>10.2f}{share:>19.2f}",
              flush=True)  # fmt: skip


def print_peak(name: str, encoder: str, size: tuple[int, int]) -> None:
    """For `measure_memory`: KiB before anything is built, and at most."""
    if name in PLAIN_VARIANTS:
        import plain_step  # noqa: F401
    libraries = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run = frame_of(name, encoder, Noise(*size))
    for _ in range(2):
        run()
    print(libraries, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


KINDS = {
    "attention": ("scaled_dot_product",),
    "convolutions": ("conv",),
    "matrix products": ("mm", "addmv"),
    "upsampling": ("upsample",),
    "GELU": ("gelu",),
    "norms": ("_norm",),
    "copies": ("copy_",),
    "optimiser": ("adamw",),
}
"""Kinds of operators, each with what their names contain; the first that fits."""


def print_profile(encoder: str, size: tuple[int, int]) -> None:
    """The kinds of operators in which each frame's time goes, in per cent."""
    noise = Noise(*size)
    for name in [*PLAIN_VARIANTS, *VARIANTS]:
        run = frame_of(name, encoder, noise)
        run()
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            run()
        times = dict.fromkeys([*KINDS, "all else"], 0.0)
        for event in profile.key_averages():
            fitting = (k for k, parts in KINDS.items() if any(p in event.key for p in parts))
            times[next(fitting, "all else")] += event.self_cpu_time_total
        total = sum(times.values())
        ordered = sorted(times, key=lambda kind: -times[kind])
        shares = ", ".join(f"{kind} {100 * times[kind] / total:.0f}" for kind in ordered)
        print(f"{name}: {shares}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("bytes", "memory", "time", "profile", "peak"))
    parser.add_argument("--encoder", choices=MIT_SIZES)
    parser.add_argument("--size", type=int, nargs=2, default=(512, 512), help="width height")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--variant", action="append", help="memory: only these, first the base")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    default = {"bytes": "mit_b5", "memory": "mit_b3"}.get(arguments.what, "mit_b1")
    encoder = arguments.encoder or default
    size = (arguments.size[0], arguments.size[1])
    if arguments.what == "peak":
        print_peak(arguments.variant[0], encoder, size)
        return
    print(f"{encoder} {size[0]}x{size[1]}, {arguments.threads} threads, torch {torch.__version__}, "
          f"OMP_WAIT_POLICY={os.environ.get('OMP_WAIT_POLICY')}")  # fmt: skip
    if arguments.what == "time":
        measure_time(encoder, size, arguments.rounds)
    elif arguments.what == "bytes":
        measure_bytes(encoder)
    elif arguments.what == "memory":
        trained = ["plain, n = 1", *(name for name in VARIANTS if "not training" not in name)]
        measure_memory(encoder, size, arguments.variant or trained, arguments.threads)
    else:
        print_profile(encoder, size)


if __name__ == "__main__":
    main()
