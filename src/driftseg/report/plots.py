"""Common parts of the report's pictures: colours, axes, the ribbon of domains, SVG."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]

COLOURS = ("#5f6b76", "#d98200", "#0a6ebd", "#008a5e", "#b4478f", "#7a5195", "#8c564b", "#17a2b8")
"""Colours that colour-blind readers can distinguish (after Okabe and Ito); grey is first."""
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")
SOFT = "#5b6672"
"""Colour of annotations."""
RAIN = "#3d5a80"
ROOM_FOR_NAMES = 70
"""Largest number of letters in a legend inside a plot."""
WIDTH, NARROW = 9.0, 4.2
"""Width in inches of pictures on a wide page and on a phone; the page scales them a little."""


@dataclass(frozen=True)
class Picture:
    """One picture for two page widths, as addresses of SVGs."""

    wide: str
    narrow: str


def picture(draw: Callable[[float], str]) -> Picture:
    """Draws a picture for both widths; ``draw`` takes inches."""
    return Picture(draw(WIDTH), draw(NARROW))


def width_of(axes: Axes) -> float:
    """Width in inches of the picture of a plot."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return float(figure.get_figwidth())


def colour_of(index: int) -> str:
    """Colour of the n-th method."""
    return COLOURS[index % len(COLOURS)]


def new_figure(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """A picture of one plot."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def stacked(heights: Sequence[float], width: float = WIDTH) -> tuple[Figure, list[Axes]]:
    """A picture of plots with a common time axis, one below the other; sizes in inches."""
    figure = Figure(figsize=(width, sum(heights) + 0.3 * len(heights)), layout="constrained")
    rows = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)
    return figure, list(rows[:, 0])


def finish(axes: Axes, *, legend: bool = True) -> None:
    """Sets grid, spines and, if lines have names, the legend."""
    axes.grid(axis="y", color="#e3e6ea", lw=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    names = axes.get_legend_handles_labels()[1] if legend else []
    if sum(map(len, names)) > ROOM_FOR_NAMES * width_of(axes) / WIDTH:
        _legend_below(axes, names)
    elif names:
        axes.legend(frameon=False, fontsize=9)


def _legend_below(axes: Axes, names: Sequence[str]) -> None:
    """Puts the legend below the plot, whose height stays; inside, it would cover lines."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    columns = max(1, int(width_of(axes) / (0.075 * max(map(len, names)) + 0.6)))
    figure.set_figheight(figure.get_figheight() + 0.2 * math.ceil(len(names) / columns))
    figure.legend(loc="outside lower left", ncols=columns, frameon=False, fontsize=9)


def visit_ticks(axes: Axes, names: Sequence[str]) -> None:
    """Names of visits below a plot; many names are vertical."""
    crowded = 0.11 * sum(map(len, names)) > 0.88 * width_of(axes)
    axes.set_xticks(range(len(names)), names, rotation=90 if crowded else 0)


def title(axes: Axes, text: str, *, handles: Sequence[Any] | None = None) -> None:
    """The title of a plot of a stack, above it on the left, followed by its legend."""
    axes.set_title(text, loc="left", fontsize=9, color="#1c2530", pad=4)
    shown = axes.get_legend_handles_labels()[0] if handles is None else handles
    if shown:
        after = (0.07 * len(text) + 0.2) / width_of(axes)
        axes.legend(
            handles=list(shown), loc="lower left", bbox_to_anchor=(after, 1.0), frameon=False,
            ncols=len(shown), fontsize=8, borderaxespad=0.1, handlelength=1.3,
            handletextpad=0.5, columnspacing=1.2,
        )  # fmt: skip


def smooth(values: Floats, width: int = 7) -> Floats:
    """Running mean of the same length; too few values stay unchanged."""
    if len(values) < width:
        return values
    padded = np.pad(values, width // 2, mode="edge")
    return np.asarray(np.convolve(padded, np.ones(width) / width, mode="valid"), np.float64)


def as_svg(figure: Figure) -> str:
    """A data URL for an <img>."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def strength_of(visit: Mapping[str, Any]) -> float | None:
    """Extinction of a visit's rendered weather in 1/km, 0 without any; None in old records."""
    strength = visit.get("strength")
    return None if strength is None else float(strength)


def shade_domains(ribbon: Axes, rows: Sequence[Axes], visits: Sequence[Mapping[str, Any]]) -> None:
    """Bands of the true domains behind all plots, with names in a ribbon; darker is stronger.

    Args:
        ribbon: a flat plot of the stack for the names.
        rows: every other plot of the stack.
        visits: the schedule.
    """
    edges = np.cumsum([0, *(visit["frames"] for visit in visits)])
    shades = _shades(visits)
    fits = _names_fit(visits, width_of(ribbon))
    for visit, start, end, shade in zip(visits, edges, edges[1:], shades, strict=False):
        ribbon.axvspan(start, end, color=RAIN, alpha=min(1.0, 0.06 + 1.6 * shade), lw=0)
        for axes in rows:
            axes.axvspan(start, end, color=RAIN, alpha=0.42 * shade, lw=0, zorder=0)
            axes.axvline(end, color="#c3cad3", lw=0.6, zorder=0.5)
        ribbon.annotate(
            visit["domain"], ((start + end) / 2, 0.5), xycoords=("data", "axes fraction"),
            ha="center", va="center", fontsize=8.5 if fits else 7, rotation=0 if fits else 90,
            color="#ffffff" if shade > 0.3 else "#1c2530",
        )  # fmt: skip
    ribbon.set_xlim(0, max(int(edges[-1]), 1))
    ribbon.set_yticks([])
    ribbon.tick_params(axis="x", bottom=False, labelbottom=False)
    for spine in ribbon.spines.values():
        spine.set_visible(False)


def ribbon_height(visits: Sequence[Mapping[str, Any]], width: float = WIDTH) -> float:
    """Height in inches for the names: vertical names need more."""
    if _names_fit(visits, width):
        return 0.24
    return 0.1 + 0.07 * max(len(visit["domain"]) for visit in visits)


def _names_fit(visits: Sequence[Mapping[str, Any]], width: float) -> bool:
    """Whether every name is narrower than its band; a letter is about 0.085 inches wide."""
    frame = 0.88 * width / max(sum(visit["frames"] for visit in visits), 1)
    return all(0.085 * len(visit["domain"]) <= frame * visit["frames"] for visit in visits)


def _shades(visits: Sequence[Mapping[str, Any]]) -> list[float]:
    """Opacity 0 to 0.5 by the weather's strength; alternating if no visit has weather."""
    strengths = [strength_of(visit) or 0.0 for visit in visits]
    most = max(strengths)
    if most == 0:
        return [0.12 * (number % 2) for number in range(len(visits))]
    return [0.5 * strength / most for strength in strengths]
