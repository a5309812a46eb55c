"""A picture of the share of every class in a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from driftseg.labels import Colour

WIDTH = 9.0
"""Inches."""
SMALLEST = 1e-3
"""Percent at the left edge: a class with less, or none, has a number and no bar."""


@dataclass(frozen=True)
class Bar:
    """One class."""

    name: str
    colour: Colour
    share: float
    """Share of all pixels with a class, 0 to 1."""
    scenes: int
    """Number of scenes with the class."""


def class_shares_figure(bars: Sequence[Bar], *, title: str, scenes: int) -> Figure:
    """One bar per class on a logarithmic axis, to show rare classes.

    Args:
        bars: in the label space's order, drawn from top to bottom.
        title: above it.
        scenes: number of counted labels.
    """
    figure = Figure(figsize=(WIDTH, 1.2 + 0.28 * len(bars)), layout="constrained")
    axes = figure.subplots()
    for row, bar in enumerate(bars):
        percent = 100 * bar.share
        colour = tuple(value / 255 for value in bar.colour)
        if percent > SMALLEST:
            axes.barh(row, percent - SMALLEST, left=SMALLEST, color=colour, edgecolor="#1c2530",
                      lw=0.5, height=0.7)  # fmt: skip
        told = f"{percent:.3g} %, in {bar.scenes} of {scenes}" if bar.share > 0 else "none"
        axes.annotate(
            told, (max(percent, SMALLEST), row), xytext=(4, 0), textcoords="offset points",
            va="center", fontsize=8, color="#1c2530",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(SMALLEST, 1500)
    axes.set_xticks([0.001, 0.01, 0.1, 1, 10, 100], ["0.001", "0.01", "0.1", "1", "10", "100"])
    axes.minorticks_off()
    axes.set_yticks(range(len(bars)), [bar.name for bar in bars])
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.set_xlabel("share of labelled pixels, % (logarithmic)")
    axes.set_title(title, loc="left", fontsize=10)
    axes.grid(axis="x", color="#e3e6ea", lw=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure
