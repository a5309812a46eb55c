"""The README's picture: what the demo's model answers before and after adaptation.

    driftseg demo --out runs
    python benchmarks/effect_picture.py runs docs/pictures/effect.png

Shown is the last frame of the visits to rain and to night. Labels are answered before learning from
the frame; the source model never learns.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from driftseg.runs.record import Run, read_run

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.patches import Patch

DOMAINS = {"storm": "rain, 100 mm/h", "night": "night"}
BEFORE, AFTER = "source_only", "auto"


def read(run: Run, domain: str, kind: str) -> np.ndarray:
    visit = next(i for i, visit in enumerate(run.visits) if visit["domain"] == domain)
    path = run.picture(visit, domain, 0, kind)
    assert path is not None, f"{run.path} keeps no picture of {domain}"
    return np.asarray(Image.open(path).convert("RGB"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("picture", type=Path)
    given = parser.parse_args()
    found = [read_run(path) for path in sorted(given.runs.iterdir()) if path.is_dir()]
    runs = {run.method: run for run in found}
    columns = (
        ("camera", AFTER, "input"), ("without adaptation", BEFORE, "prediction"),
        ("with adaptation", AFTER, "prediction"), ("truth", AFTER, "truth"),
    )  # fmt: skip
    figure, axes = plt.subplots(2, 4, figsize=(12.0, 5.1), dpi=100)
    for row, (domain, name) in zip(axes, DOMAINS.items(), strict=True):
        for axis, (title, method, kind) in zip(row, columns, strict=True):
            axis.imshow(read(runs[method], domain, kind), interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            if domain == next(iter(DOMAINS)):
                axis.set_title(title, fontsize=12)
        row[0].set_ylabel(name, fontsize=12)
    first = found[0]
    patches = [
        Patch(color=np.array(colour) / 255, label=name)
        for name, colour in zip(first.classes, first.colours, strict=True)
    ]
    figure.legend(
        handles=patches, loc="lower center", ncols=len(patches), fontsize=8, frameon=False
    )
    figure.subplots_adjust(left=0.03, right=0.995, top=0.94, bottom=0.06, wspace=0.03, hspace=0.04)
    figure.savefig(given.picture)


if __name__ == "__main__":
    main()
