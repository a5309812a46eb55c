"""The GPU check: the tests marked gpu, then a table of times and memory.

    make gpu                                   # on a machine with a CUDA device
    python -m benchmarks.gpu --device cpu --size 128 96 --encoders mit_b0 --seconds 1

Nothing is downloaded; weights are random. Put what it prints, with the device's name, into
docs/performance.md. Rows that fail say why, and the others go on. `--seconds` is spent on each row,
so that the whole takes under six minutes.

Columns: frames per second, the peak of the device's memory, and how often the host waits for the
device in one frame of predict and learn (profiler). Below each table: the source lines that wait
(torch's sync debug mode). `three whole networks` is the plain step that driftseg is compared with:
student, teacher and static model are deep copies of the same module.
"""

from __future__ import annotations

import argparse
import copy
import cProfile
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

import driftseg
from driftseg.labels import CITYSCAPES19
from driftseg.learners.parts.classmix import choose_classes, paste
from driftseg.models.checkpoints import save_checkpoint
from driftseg.models.segmenter import build_segmenter

ROOT = Path(__file__).parents[1]
ENCODERS = ("mit_b0", "mit_b1", "mit_b5", "efficientnet_lite0")
ADAPTERS = {"kind": "convolution", "where": "stage"}
METHODS: dict[str, dict[str, Any]] = {
    "predict": {"method": "source_only"},
    "predict and drift signal": {
        "method": {"name": "hamlet", "compat": "published",
                   "detector": {"window": 8, "rise": 1e6, "fall": -1e6}},
    },
    "tent": {"method": "tent"},
    "training frames of HAMLET (DACS)": {"method": "dacs"},
    "restyled replay, everything": {"method": "restyled_replay"},
    "restyled replay, adapters and head": {
        "method": {"name": "restyled_replay", "train": ["adapters", "head"]}, "adapters": ADAPTERS,
    },
}  # fmt: skip


class Clock:
    """Seconds, after the device has done its work; and its peak of memory."""

    def __init__(self, device: str, seconds: float):
        self._cuda, self._seconds = device.startswith("cuda"), seconds

    def wait(self) -> None:
        """Until the device has done its work."""
        if self._cuda:
            torch.cuda.synchronize()

    def rate(self, frame: Callable[[], object]) -> tuple[float, float]:
        """(frames per second, peak in MiB or nan), after two frames of warming up."""
        for _ in range(2):
            frame()
        self.wait()
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()
        count, started = 0, time.perf_counter()
        while (spent := time.perf_counter() - started) < self._seconds or count < 2:
            frame()
            self.wait()
            count += 1
        peak = torch.cuda.max_memory_allocated() / 2**20 if self._cuda else float("nan")
        return count / spent, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", type=int, nargs=2, default=(1024, 512), help="width height")
    parser.add_argument("--encoders", nargs="+", default=ENCODERS)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each row")
    parser.add_argument("--no-tests", action="store_true")
    parser.add_argument(
        "--profile",
        action="store_true",
        help="instead of the tables: where a frame's time goes, method by method",
    )
    given = parser.parse_args()
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("no CUDA device; --device cpu tries the script itself")
    name = torch.cuda.get_device_name() if given.device.startswith("cuda") else "CPU"
    print(f"{name}, torch {torch.__version__}, {given.size[0]}x{given.size[1]}")
    passed = 0 if given.no_tests else tests(given.device)
    clock = Clock(given.device, given.seconds)
    with tempfile.TemporaryDirectory() as folder:
        for encoder in given.encoders:
            if given.profile:
                profiles(encoder, Path(folder), given.device, tuple(given.size), clock)
                continue
            table(encoder, Path(folder), given.device, tuple(given.size), clock)
    sys.exit(passed)


def tests(device: str) -> int:
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider",
               str(ROOT / "tests" / "gpu")]  # fmt: skip
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, "DRIFTSEG_DEVICE": device}, check=False
    ).returncode


def random_model(encoder: str, folder: Path, size: tuple[int, int]) -> tuple[Path, np.ndarray]:
    path = folder / f"{encoder}.safetensors"
    torch.manual_seed(0)
    network = build_segmenter(encoder, classes=19, head_width=256)
    save_checkpoint(path, network, encoder=encoder, head_width=256,
                    label_space=CITYSCAPES19.name, classes=CITYSCAPES19.classes)  # fmt: skip
    return path, np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)


def table(encoder: str, folder: Path, device: str, size: tuple[int, int], clock: Clock) -> None:
    path, image = random_model(encoder, folder, size)
    print(f"\n| {encoder} | frames/s | peak, MiB | waits |\n|---|---|---|---|")
    places: dict[str, str] = {}
    for name, frame, counted in rows(path, image, device):
        try:
            rate, peak = clock.rate(frame)
            syncs = ""
            if counted and device.startswith("cuda"):
                syncs, places[name] = str(waits(frame)), where_it_waits(frame)
            print(f"| {name} | {rate:.2f} | {peak:.0f} | {syncs} |", flush=True)
        except Exception as error:  # a row that fails must not end the check
            print(
                f"| {name} | failed: {type(error).__name__}: {str(error)[:120]} | | |", flush=True
            )
        if device.startswith("cuda"):
            torch.cuda.empty_cache()
    print("".join(f"\nwaits of {name}: {lines}" for name, lines in places.items()), flush=True)


def profiles(encoder: str, folder: Path, device: str, size: tuple[int, int], clock: Clock) -> None:
    """Per row that learns: the frame, the device's busy time, and what the host spends it on."""
    path, image = random_model(encoder, folder, size)
    for name, frame, counted in rows(path, image, device):
        if not counted and not name.startswith("three"):
            continue
        rate, _ = clock.rate(frame)
        activities = [torch.profiler.ProfilerActivity.CPU]
        if device.startswith("cuda"):
            activities.append(torch.profiler.ProfilerActivity.CUDA)
        with torch.profiler.profile(activities=activities) as events:
            frame()
            clock.wait()
        averages = events.key_averages()
        busy = sum(event.self_device_time_total for event in averages) / 1e3
        launches = sum(event.count for event in averages if event.key == "cudaLaunchKernel")
        print(f"\n## {encoder}, {name}: {1e3 / rate:.0f} ms a frame, device busy {busy:.0f} ms, "
              f"{launches} kernels")  # fmt: skip
        for title, key in (("host", "self_cpu_time_total"), ("device", "self_device_time_total")):
            heavy = sorted(averages, key=lambda event: -getattr(event, key))[:8]
            print(f"{title}: " + ", ".join(
                f"{event.key[:40]} {getattr(event, key) / 1e3:.1f} ms x{event.count}"
                for event in heavy))  # fmt: skip
        print(f"python: {functions(frame, clock)}", flush=True)


def functions(frame: Callable[[], object], clock: Clock, top: int = 14) -> str:
    """The functions in which one frame spends most time itself, by cProfile."""
    profile = cProfile.Profile()
    profile.enable()
    frame()
    clock.wait()
    profile.disable()
    spent = sorted(profile.getstats(), key=lambda entry: -entry.inlinetime)[:top]
    return ", ".join(
        f"{code if isinstance(code := entry.code, str) else code.co_qualname}"
        f" {entry.inlinetime * 1e3:.1f} ms x{entry.callcount}"
        for entry in spent
    )


Row = tuple[str, Callable[[], object], bool]


def rows(path: Path, image: np.ndarray, device: str) -> Iterator[Row]:
    yield from forward_rows(path, image, device)
    source = [(image, (image[..., 0] % 19).astype(np.uint8)) for _ in range(4)]
    yield "three whole networks, training", three_networks(path, source[0], image, device), False
    for name, settings in METHODS.items():
        learns = settings["method"] not in ("source_only", "tent")
        yield name, lazily(path, image, device, settings, source if learns else None), True


def forward_rows(path: Path, image: np.ndarray, device: str) -> Iterator[Row]:
    """The network alone, in several precisions and layouts."""
    batch = torch.from_numpy(image).permute(2, 0, 1)[None].float().div(255).to(device)
    kind = torch.device(device).type

    def plain(channels_last: bool = False, compiled: bool = False, mixed: bool = False):
        network = driftseg.load_model(path, device=device).network.module.eval()
        images = batch
        if channels_last:
            network = network.to(memory_format=torch.channels_last)
            images = batch.contiguous(memory_format=torch.channels_last)
        call = torch.compile(network) if compiled else network

        def frame() -> object:
            with torch.inference_mode(), torch.autocast(kind, torch.bfloat16, enabled=mixed):
                return call(images)

        return frame

    for name, settings in (
        ("forward pass, float32", {}), ("forward pass, bfloat16", {"mixed": True}),
        ("forward pass, channels last", {"channels_last": True}),
        ("forward pass, bfloat16, channels last", {"channels_last": True, "mixed": True}),
        ("forward pass, torch.compile, bfloat16", {"compiled": True, "mixed": True}),
    ):  # fmt: skip
        yield name, plain(**settings), False


def lazily(
    path: Path, image: np.ndarray, device: str, settings: dict[str, Any], source: Any
) -> Callable[[], object]:
    """One frame of predict and learn; the adaptation is made by its first call."""
    made: list[Any] = []

    def frame() -> object:
        if not made:
            model = driftseg.load_model(path, device=device)
            made.append(driftseg.adapt(model, source=source, **settings))
        answer = made[0].predict(image)
        made[0].learn()
        return answer

    return frame


def three_networks(path: Path, source: Any, image: np.ndarray, device: str) -> Callable[[], object]:
    """DACS on three deep copies, all trained: answer, pseudo-labels, two losses, one step."""
    generator = np.random.default_rng(0)
    made: list[Any] = []

    def batch(picture: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(picture).to(device).permute(2, 0, 1)[None].float() / 255

    def make() -> None:
        student = driftseg.load_model(path, device=device).network.module.eval().requires_grad_()
        teacher, static = (copy.deepcopy(student).requires_grad_(False) for _ in range(2))
        made.extend((student, teacher, static, torch.optim.AdamW(student.parameters(), lr=6e-5)))

    def frame() -> object:
        if not made:
            make()
        student, teacher, static, optimiser = made
        images, pictures = batch(image), batch(source[0])
        labels = torch.from_numpy(source[1])[None].long().to(device)
        size = labels.shape[1:]
        with torch.no_grad():
            answer = upsampled(student(images), size).argmax(1).cpu()
            static(images)
            for slow, fast in zip(teacher.parameters(), student.parameters(), strict=True):
                slow.lerp_(fast, 0.001)
            sure, pseudo = upsampled(teacher(images), size).softmax(1).max(1)
            weights = (sure >= 0.968).float().mean().expand(sure.shape)
        chosen = choose_classes(labels, ratio=0.5, generator=generator)
        mixed = paste(pictures, labels, images, pseudo, weights, classes=chosen)
        loss = F.cross_entropy(upsampled(student(pictures), size), labels)
        each = F.cross_entropy(
            upsampled(student(mixed.images), size), mixed.labels, reduction="none"
        )
        loss = loss + (each * mixed.weights).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return answer

    return frame


def upsampled(logits: torch.Tensor, size: torch.Size) -> torch.Tensor:
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


def where_it_waits(frame: Callable[[], object]) -> str:
    """The lines of Python in which one frame waits for the device, with how often."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            frame()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    lines = Counter(
        f"{Path(one.filename).name}:{one.lineno}"
        for one in found
        if "synchroni" in str(one.message)
    )
    return ", ".join(f"{line} x{count}" for line, count in lines.most_common()) or "none"


def waits(frame: Callable[[], object]) -> int:
    """How often the host waits for the device in one frame."""
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        frame()
    return sum(
        event.count
        for event in profile.key_averages()
        if event.key in ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
    )


if __name__ == "__main__":
    main()
