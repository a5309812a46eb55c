"""A training step with channels first and channels last, in turn.

OMP_WAIT_POLICY=PASSIVE python benchmarks/memory_format.py [--threads 2] [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from driftseg.models.segmenter import build_segmenter
from driftseg.models.trainable import set_statistics

FORMATS = {"first": torch.contiguous_format, "last": torch.channels_last}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    images = torch.rand((4, 3, 240, 320), generator=torch.Generator().manual_seed(0))
    for encoder in ("efficientnet_lite0", "mit_b0"):
        model = build_segmenter(encoder, classes=11, head_width=128).train()
        set_statistics(model, "update")
        times: dict[str, list[float]] = {name: [] for name in FORMATS}
        for round_ in range(arguments.rounds + 1):
            for name, layout in FORMATS.items():
                model = model.to(memory_format=layout)  # type: ignore[call-overload]
                given = images.contiguous(memory_format=layout)
                started = time.perf_counter()
                model(given).square().mean().backward()
                if round_ > 0:  # the first warms up
                    times[name].append(time.perf_counter() - started)
        medians = {name: statistics.median(own) for name, own in times.items()}
        ratio = medians["first"] / medians["last"]
        print(f"{encoder:<20} first {medians['first']:.2f} s  last {medians['last']:.2f} s  "
              f"{ratio:.2f} x")  # fmt: skip


if __name__ == "__main__":
    main()
