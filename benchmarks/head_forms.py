"""Times the head's published form against the re-associated one, interleaved in one process.

Run: python benchmarks/head_forms.py [--rounds 15] [--size 512] [--threads 1]

Published: embed each level, upsample, concatenate, 1x1 convolution (SegFormer, section 3.2).
Re-associated: the two matrices of each level multiplied first, applied at the level's own
resolution (`driftseg.models.heads`). Both forms share parameters here; "eval" is a forward pass
without gradients, "train" a forward and backward pass with dropout and batch statistics. A ratio
above 1 says how many times faster the re-associated form is; it is the median of the ratios of
neighbouring runs, so a machine that slows down slows both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from driftseg.models.encoders.mit import MIT_SIZES, MitSize
from driftseg.models.heads import MlpHead

CLASSES = 19
STRIDES = (4, 8, 16, 32)


def published(head: MlpHead, levels: Sequence[Tensor]) -> Tensor:
    """The published form on the parameters of a re-associated head."""
    size = levels[0].shape[-2:]
    embedded = []
    for level, embed in zip(levels, head.embed, strict=True):
        tokens = embed(level.flatten(2).transpose(1, 2))
        grid = tokens.transpose(1, 2).reshape(level.shape[0], head.width, *level.shape[-2:])
        if grid.shape[-2:] != size:
            grid = F.interpolate(grid, size=size, mode="bilinear", align_corners=False)
        embedded.append(grid)
    x = F.relu(head.norm(head.fuse(torch.cat(embedded, dim=1))))
    return head.classifier(F.dropout2d(x, head.dropout, head.training))


def multiply_adds(size: MitSize, side: int) -> tuple[int, int]:
    """Of one image of side x side pixels: published form, re-associated form.

    Bilinear upsampling counts four a pixel and channel; norm, ReLU and biases are left out.
    """
    width = size.head_width
    pixels = [(side // stride) ** 2 for stride in STRIDES]
    finest = pixels[0]
    classify = finest * width * CLASSES
    upsampled = 4 * finest * width * (len(STRIDES) - 1)
    embed = sum(p * c * width for p, c in zip(pixels, size.channels, strict=True))
    fuse = finest * len(STRIDES) * width * width
    products = sum(width * width * c for c in size.channels)
    return embed + upsampled + fuse + classify, products + embed + upsampled + classify


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(name: str, side: int, rounds: int, training: bool) -> str:
    """One line of the table."""
    size = MIT_SIZES[name]
    generator = torch.Generator().manual_seed(0)
    head = MlpHead(size.channels, width=size.head_width, classes=CLASSES).train(training)
    head.norm.statistics = "batch" if training else "stored"
    levels = [
        torch.randn((1, channels, side // stride, side // stride), generator=generator)
        for channels, stride in zip(size.channels, STRIDES, strict=True)
    ]
    for level in levels:
        level.requires_grad_(training)

    def run(form: Callable[[MlpHead, Sequence[Tensor]], Tensor]) -> None:
        with torch.set_grad_enabled(training):
            logits = form(head, levels)
            if training:
                head.zero_grad(set_to_none=True)
                logits.square().mean().backward()

    def ours(head: MlpHead, levels: Sequence[Tensor]) -> Tensor:
        return head(levels)

    for form in (published, ours):
        run(form)
    pairs = [(seconds(lambda: run(published)), seconds(lambda: run(ours))) for _ in range(rounds)]
    before = statistics.median(pair[0] for pair in pairs)
    after = statistics.median(pair[1] for pair in pairs)
    ratios = sorted(first / second for first, second in pairs)
    middle, low, high = statistics.median(ratios), ratios[0], ratios[-1]
    return (
        f"{name:<9}{'train' if training else 'eval':<14}{before * 1e3:>9.1f}{after * 1e3:>15.1f}"
        f"{middle:>9.2f}  ({low:.2f} to {high:.2f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--size", type=int, default=512, help="side of the image in pixels")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    policy = os.environ.get("OMP_WAIT_POLICY", "not set")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, OMP_WAIT_POLICY {policy}")
    print(f"one image of {arguments.size} x {arguments.size} pixels, {CLASSES} classes, float32")
    print("\nmultiply-adds (10^9)   published  re-associated    ratio")
    for name in ("mit_b0", "mit_b2"):
        first, second = multiply_adds(MIT_SIZES[name], arguments.size)
        print(f"{name:<23}{first / 1e9:>9.2f}{second / 1e9:>15.2f}{first / second:>9.2f}")
    print("\nmedian milliseconds    published  re-associated    ratio  (smallest to largest)")
    for name in ("mit_b0", "mit_b2"):
        for training in (False, True):
            print(compare(name, arguments.size, arguments.rounds, training), flush=True)


if __name__ == "__main__":
    main()
