"""The report's plots as SVG inside the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from driftseg.report.plots import (
    MARKERS,
    WIDTH,
    as_svg,
    colour_of,
    finish,
    new_figure,
    ribbon_height,
    shade_domains,
    smooth,
    stacked,
    title,
    visit_ticks,
)
from driftseg.report.summary import (
    Floats,
    Group,
    home_scores,
    stream_scores,
    visit_scores,
)


def held_out_figure(groups: Sequence[Group], width: float = WIDTH) -> str:
    """MIoU of each visit's domain on held-out frames, right after that visit."""
    return _visits(groups, [group.curve(visit_scores) for group in groups], width)


def stream_figure(groups: Sequence[Group], width: float = WIDTH) -> str:
    """MIoU of each visit's predictions on the stream, made before learning."""
    return _visits(groups, [group.curve(stream_scores) for group in groups], width)


def forgetting_figure(groups: Sequence[Group], width: float = WIDTH) -> str:
    """The home domain's held-out score through the run."""
    figure, axes = new_figure(2.9, width)
    run = groups[0].runs[0]
    names = ["start", *(visit["domain"] for visit in run.visits)]
    for index, group in enumerate(groups):
        _line(axes, np.arange(len(names)), group.curve(home_scores), index, group.label)
    visit_ticks(axes, names)
    axes.set_xlabel("after the visit to")
    axes.set_ylabel(f"mIoU on {run.home}, %")
    finish(axes)
    return as_svg(figure)


def frames_figure(groups: Sequence[Group], width: float = WIDTH) -> str:
    """Confidence, entropy and summed loss of every frame, smoothed."""
    run = groups[0].runs[0]
    figure, (ribbon, *rows) = stacked([ribbon_height(run.visits, width), 1.3, 1.3, 1.3], width)
    for index, group in enumerate(groups):
        frames = group.runs[0].frames
        series = (
            [f["confidence"] for f in frames],
            [f["entropy"] for f in frames],
            [sum(_losses(f["losses"])) if f["losses"] else np.nan for f in frames],
        )
        at = np.array([f["index"] for f in frames])
        for axes, values in zip(rows, series, strict=True):
            line = smooth(np.array(values, dtype=np.float64))
            if not np.all(np.isnan(line)):
                axes.plot(at, line, color=colour_of(index), lw=1.4)
        if group.runs[0].part is not None and len(at):
            _end(rows, float(at[-1]), group.runs[0].state, colour_of(index))
    shade_domains(ribbon, rows, run.visits)
    for axes, name in zip(rows, ("confidence", "entropy, nats", "loss"), strict=True):
        finish(axes, legend=False)
        title(axes, name, handles=())
    rows[-1].set_xlabel("frame")
    return as_svg(figure)


def _end(rows: Sequence[Axes], at: float, state: str, colour: str) -> None:
    """Marks the last frame of an unfinished run."""
    for axes in rows:
        axes.axvline(at, color=colour, lw=1.0, ls=(0, (1, 2)))
    rows[0].annotate(f" {state}", (at, 0.97), xycoords=("data", "axes fraction"), fontsize=8,
                     va="top", color=colour)  # fmt: skip


def _losses(losses: dict[str, float]) -> list[float]:
    return [
        value
        for name, value in losses.items()
        if name != "pseudo_label_weight" and value is not None
    ]


def _visits(groups: Sequence[Group], curves: Sequence[Floats], width: float) -> str:
    if curves[0].shape[1] == 1:
        return _bars(groups, curves, width)
    figure, axes = new_figure(3.4, width)
    visits = groups[0].runs[0].visits
    for index, (group, curve) in enumerate(zip(groups, curves, strict=True)):
        _line(axes, np.arange(len(visits)), curve, index, group.label)
    visit_ticks(axes, [visit["domain"] for visit in visits])
    home = [i for i, visit in enumerate(visits) if visit["direction"] == "backward"]
    if home:
        axes.axvspan(home[0] - 0.5, len(visits) - 0.5, color="#000000", alpha=0.04, lw=0)
        axes.annotate("way home", (home[0] - 0.4, 0.02), xycoords=("data", "axes fraction"),
                      fontsize=8, color="#777777")  # fmt: skip
    axes.set_xlim(-0.5, len(visits) - 0.5)
    axes.set_ylabel("mIoU, %")
    finish(axes)
    return as_svg(figure)


def _bars(groups: Sequence[Group], curves: Sequence[Floats], width: float) -> str:
    """A single visit: one bar per method, with its spread over seeds."""
    figure, axes = new_figure(0.7 + 0.42 * len(groups), width)
    for index, curve in enumerate(curves):
        values = curve[:, 0]
        spread = values.std(ddof=1) if len(values) > 1 else None
        axes.barh(index, values.mean(), xerr=spread, height=0.62, color=colour_of(index))
        if not np.isnan(values).any():
            axes.annotate(f" {values.mean():.1f}", (values.max(), index), va="center", fontsize=9)
    axes.set_yticks(range(len(groups)), [group.label for group in groups])
    axes.invert_yaxis()
    axes.margins(x=0.08)
    axes.set_xlabel(f"mIoU in {groups[0].runs[0].visits[0]['domain']}, %")
    finish(axes, legend=False)
    axes.grid(axis="y", visible=False)
    return as_svg(figure)


def _line(axes: Axes, at: npt.NDArray[Any], curve: Floats, index: int, label: str) -> None:
    """Mean over seeds with a band of one standard deviation."""
    middle = curve.mean(axis=0)
    colour = colour_of(index)
    # Each later line is thinner, so overlapping lines stay visible.
    axes.plot(at, middle, color=colour, marker=MARKERS[index % len(MARKERS)],
              ms=max(7.0 - index, 4.0), lw=max(3.0 - 0.7 * index, 1.2), label=label)  # fmt: skip
    if len(curve) > 1:
        spread = curve.std(axis=0, ddof=1)
        axes.fill_between(at, middle - spread, middle + spread, color=colour, alpha=0.18, lw=0)
