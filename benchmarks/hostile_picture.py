"""Draws what `python -m benchmarks.hostile` wrote: scores on clear frames, memory, and time.

python -m benchmarks.hostile_picture hostile.csv docs/pictures/hostile.png
python -m benchmarks.hostile_picture hostile_long.csv docs/pictures/hostile_long.png --resources
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLOURS = {"off": "#c2410c", "on": "#1d4ed8"}
MEASURES = {
    "clear_miou": "mIoU on clear frames, %",
    "rss_mb": "memory of the process, MB",
    "median_ms": "CPU time of a frame, ms",
}


def main() -> None:
    """One small plot a method, or one row of three a method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--resources", action="store_true", help="also memory and time")
    given = parser.parse_args()
    with given.csv.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    methods = list(dict.fromkeys(row["method"] for row in rows))
    measures = list(MEASURES) if given.resources else ["clear_miou"]
    columns = 3 if given.resources else min(4, len(methods))
    panels = [(method, measure) for method in methods for measure in measures]
    lines = -(-len(panels) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(3.2 * columns, 2.1 * lines), squeeze=False,
        sharey=not given.resources, layout="constrained",
    )  # fmt: skip
    for axis in axes.flat[len(panels) :]:
        axis.axis("off")
    for axis, (method, measure) in zip(axes.flat, panels, strict=False):
        for guard, colour in COLOURS.items():
            of = [row for row in rows if (row["method"], row["guard"]) == (method, guard)]
            of = of[1:] if measure == "median_ms" else of  # the first frame prepares itself
            axis.plot(
                [int(row["frames"]) for row in of], [float(row[measure]) for row in of],
                color=colour, label=f"guard {guard}", linewidth=1.4,
                linestyle="-" if guard == "on" else "--",
            )  # fmt: skip
        axis.set_title(method, fontsize=9)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.25)
        if given.resources or axis in axes[:, 0]:
            axis.set_ylabel(MEASURES[measure], fontsize=7)
    for axis in axes.flat[: len(panels)]:  # shared axes: only after every line is drawn
        axis.set_ylim(bottom=0)
    for axis in axes[-1]:
        axis.set_xlabel("frames", fontsize=7)
    axes[0][0].legend(fontsize=7, loc="lower left")
    figure.savefig(given.picture, dpi=110)
    print(given.picture)


if __name__ == "__main__":
    main()
