"""A picture of a comparison: all runs and means, and differences with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from driftseg.report.comparison import Comparison
from driftseg.report.comparison_words import title_of
from driftseg.report.plots import SOFT, WIDTH, colour_of, finish

SMALL = 8.5
"""Font size of all texts except group names."""
ROW, REST = 0.34, 0.7
"""Height in inches per group, and for title and axis."""


def comparison_figure(comparison: Comparison, width: float = WIDTH) -> Figure:
    """One row of plots per number with differences; without any, one row of the first number."""
    numbers = comparison.tested or comparison.numbers[:1]
    sides = 2 if comparison.differences else 1
    height = len(numbers) * (REST + ROW * len(comparison.rows))
    figure = Figure(figsize=(width, height), layout="constrained")
    plots = figure.subplots(len(numbers), sides, squeeze=False, sharey="row")
    for line, number in zip(plots, numbers, strict=True):
        _means(line[0], comparison, number)
        if sides == 2:
            _differences(line[1], comparison, number)
    if comparison.differences:
        figure.supxlabel(_lines(comparison), fontsize=SMALL, color=SOFT)
    return figure


def _means(axes: Axes, comparison: Comparison, number: str) -> None:
    """One dot per run; mean and standard deviation over seeds."""
    for index, row in enumerate(comparison.rows):
        values = [value for value in row.numbers[number].values if math.isfinite(value)]
        if not values:
            continue
        spread = type(row.numbers[number])(tuple(values))
        colour = colour_of(index)
        axes.plot(values, [index] * len(values), "o", color=colour, ms=5, alpha=0.45, mew=0)
        axes.errorbar(
            spread.mean, index, xerr=spread.deviation if len(values) > 1 else None, fmt="|",
            color=colour, ms=15, mew=2.2, elinewidth=1.6,
        )  # fmt: skip
    axes.set_yticks(range(len(comparison.rows)), [row.label for row in comparison.rows])
    axes.set_ylim(len(comparison.rows) - 0.5, -0.5)
    axes.margins(x=0.1)
    axes.set_xlabel(title_of(number, comparison), fontsize=SMALL)
    _clean(axes)


def _differences(axes: Axes, comparison: Comparison, number: str) -> None:
    """Difference and interval; grey if it is not significant."""
    found = {each.label: each for each in comparison.of(number)}
    axes.axvline(0, color=SOFT, lw=0.9)
    for index, row in enumerate(comparison.rows):
        each = found.get(row.label)
        if each is None or not each.values:
            continue
        sure = each.verdict in ("better", "worse")
        colour = colour_of(index) if sure else "#a9b1ba"
        lines: Mapping[str, float] = {"over_frames": 5.5, "over_seeds": 1.8}
        for name, thick in lines.items():
            interval = getattr(each, name)
            if interval is not None:
                axes.plot(
                    [interval.low, interval.high], [index, index], color=colour, lw=thick,
                    alpha=0.3 if name == "over_frames" else 1.0, solid_capstyle="butt",
                )  # fmt: skip
        axes.plot(each.mean, index, "o", color=colour, ms=6)
        if not sure:
            axes.annotate(
                each.verdict, (each.mean, index), xytext=(0, 6), textcoords="offset points",
                ha="center", fontsize=7.5, color=SOFT,
            )  # fmt: skip
    axes.margins(x=0.18)
    stills = list(dict.fromkeys(each.against for each in found.values()))
    against = f"against {stills[0]}" if len(stills) == 1 else ""
    axes.set_xlabel(f"difference {against}".strip(), fontsize=SMALL)
    axes.tick_params(axis="y", length=0)
    _clean(axes)


def _lines(comparison: Comparison) -> str:
    """The legend of the marks."""
    told = ["left: a dot a run, mean and standard deviation"]
    if any(each.over_seeds for each in comparison.differences):
        told.append("thin line: 95 % over seeds")
    if any(each.over_frames for each in comparison.differences):
        told.append("wide line: 95 % over frames")
    return "; ".join(told)


def _clean(axes: Axes) -> None:
    finish(axes, legend=False)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color="#e3e6ea", lw=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.tick_params(axis="x", labelsize=SMALL)
