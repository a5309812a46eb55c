"""The report's plots, as SVG that lives inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from driftseg.report.summary import (
    Floats,
    Group,
    home_scores,
    stream_scores,
    visit_scores,
)

COLOURS = ("#5f6b76", "#d98200", "#0a6ebd", "#008a5e", "#b4478f", "#7a5195", "#8c564b", "#17a2b8")
"""Told apart by colour-blind readers too (after Okabe and Ito); grey comes first."""
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")


def colour_of(index: int) -> str:
    """Of the n-th method."""
    return COLOURS[index % len(COLOURS)]


def held_out_figure(groups: Sequence[Group]) -> str:
    """MIoU of each visit's domain on held-out frames, right after that visit."""
    return _visits(groups, [group.curve(visit_scores) for group in groups])


def stream_figure(groups: Sequence[Group]) -> str:
    """MIoU of each visit's predictions on the stream, made before learning."""
    return _visits(groups, [group.curve(stream_scores) for group in groups])


def forgetting_figure(groups: Sequence[Group]) -> str:
    """The home domain's held-out score through the run."""
    figure, axes = _new(2.9)
    run = groups[0].runs[0]
    names = ["start", *(visit["domain"] for visit in run.visits)]
    for index, group in enumerate(groups):
        _line(axes, np.arange(len(names)), group.curve(home_scores), index, group.label)
    axes.set_xticks(range(len(names)), names)
    axes.set_xlabel("after the visit to")
    axes.set_ylabel(f"mIoU on {run.home}, %")
    _finish(axes)
    return _svg(figure)


def frames_figure(groups: Sequence[Group]) -> str:
    """Confidence, entropy and summed loss of every frame, smoothed."""
    figure = Figure(figsize=(9, 5.2), layout="constrained")
    rows = figure.subplots(3, 1, sharex=True)
    run = groups[0].runs[0]
    names = ("confidence", "entropy, nats", "loss")
    for index, group in enumerate(groups):
        frames = group.runs[0].frames
        series = (
            [f["confidence"] for f in frames],
            [f["entropy"] for f in frames],
            [sum(_losses(f["losses"])) if f["losses"] else np.nan for f in frames],
        )
        at = np.array([f["index"] for f in frames])
        for axes, values in zip(rows, series, strict=True):
            smooth = _smooth(np.array(values, dtype=np.float64))
            if not np.all(np.isnan(smooth)):
                axes.plot(at, smooth, color=colour_of(index), lw=1.4, label=group.label)
    starts = np.cumsum([0, *(visit["frames"] for visit in run.visits)])
    for axes, name in zip(rows, names, strict=True):
        axes.set_ylabel(name)
        for i, visit in enumerate(run.visits):
            if i % 2:
                axes.axvspan(starts[i], starts[i + 1], color="#000000", alpha=0.04, lw=0)
            if axes is rows[0]:
                axes.annotate(
                    visit["domain"], ((starts[i] + starts[i + 1]) / 2, 1.02), ha="center",
                    xycoords=("data", "axes fraction"), fontsize=8, color="#555555",
                )  # fmt: skip
        axes.set_xlim(0, max(int(starts[-1]), 1))
        _finish(axes, legend=axes is rows[1])
    rows[-1].set_xlabel("frame")
    return _svg(figure)


def _losses(losses: dict[str, float]) -> list[float]:
    return [
        value
        for name, value in losses.items()
        if name != "pseudo_label_weight" and value is not None
    ]


def _visits(groups: Sequence[Group], curves: Sequence[Floats]) -> str:
    if curves[0].shape[1] == 1:
        return _bars(groups, curves)
    figure, axes = _new(3.4)
    visits = groups[0].runs[0].visits
    for index, (group, curve) in enumerate(zip(groups, curves, strict=True)):
        _line(axes, np.arange(len(visits)), curve, index, group.label)
    axes.set_xticks(range(len(visits)), [visit["domain"] for visit in visits])
    home = [i for i, visit in enumerate(visits) if visit["direction"] == "backward"]
    if home:
        axes.axvspan(home[0] - 0.5, len(visits) - 0.5, color="#000000", alpha=0.04, lw=0)
        axes.annotate("way home", (home[0] - 0.4, 0.02), xycoords=("data", "axes fraction"),
                      fontsize=8, color="#777777")  # fmt: skip
    axes.set_xlim(-0.5, len(visits) - 0.5)
    axes.set_ylabel("mIoU, %")
    _finish(axes)
    return _svg(figure)


def _bars(groups: Sequence[Group], curves: Sequence[Floats]) -> str:
    """A single visit: one bar a method, with its spread over seeds."""
    figure, axes = _new(0.7 + 0.42 * len(groups))
    for index, curve in enumerate(curves):
        values = curve[:, 0]
        spread = values.std(ddof=1) if len(values) > 1 else None
        axes.barh(index, values.mean(), xerr=spread, height=0.62, color=colour_of(index))
        axes.annotate(f" {values.mean():.1f}", (values.max(), index), va="center", fontsize=9)
    axes.set_yticks(range(len(groups)), [group.label for group in groups])
    axes.invert_yaxis()
    axes.margins(x=0.08)
    axes.set_xlabel(f"mIoU in {groups[0].runs[0].visits[0]['domain']}, %")
    _finish(axes, legend=False)
    axes.grid(axis="y", visible=False)
    return _svg(figure)


def _line(axes: Axes, at: npt.NDArray[Any], curve: Floats, index: int, label: str) -> None:
    """Mean over seeds with a band of one standard deviation."""
    middle = curve.mean(axis=0)
    colour = colour_of(index)
    axes.plot(at, middle, color=colour, marker=MARKERS[index % len(MARKERS)], ms=5, lw=1.8,
              label=label)  # fmt: skip
    if len(curve) > 1:
        spread = curve.std(axis=0, ddof=1)
        axes.fill_between(at, middle - spread, middle + spread, color=colour, alpha=0.18, lw=0)


def _smooth(values: Floats, width: int = 7) -> Floats:
    if len(values) < width:
        return values
    padded = np.pad(values, width // 2, mode="edge")
    return np.asarray(np.convolve(padded, np.ones(width) / width, mode="valid"), np.float64)


def _new(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(9, height), layout="constrained")
    return figure, figure.subplots()


def _finish(axes: Axes, *, legend: bool = True) -> None:
    axes.grid(axis="y", color="#e3e6ea", lw=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if legend and axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9)


def _svg(figure: Figure) -> str:
    """A data address that an <img> can show."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
