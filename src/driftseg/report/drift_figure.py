"""One picture of a run that explains the decisions of the method."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from driftseg.report.drift import SKIPS, STAGES, changes_of, detection_of, plan_of, running_scores
from driftseg.report.plots import (
    SOFT,
    Floats,
    as_svg,
    finish,
    ribbon_height,
    shade_domains,
    stacked,
    title,
)
from driftseg.report.summary import has_labels
from driftseg.runs.record import Run

AWAY, BACK = "#c4472b", "#0a6ebd"
WAYS = {"away": (AWAY, "^"), "back": (BACK, "v")}
"""Colour and marker of a detected change."""
TRAINED = "#008a5e"
SKIPPED = {"deadline": "#d98200", "not finite": "#c4472b", "paused": "#b4478f"}
RUNNING = 15
"""Frames in the window of speed and score."""


@dataclass(frozen=True)
class Panel:
    """One plot of the stack."""

    height: float
    """Inches."""
    draw: Callable[[Axes], None]


def drift_figure(run: Run, source: Run | None = None) -> str:
    """Signal, detector, training and scores over frames; plots without data are left out.

    Args:
        run: with a signal.
        source: a run without learning, to compare the score.
    """
    panels = [Panel(2.6, lambda axes: _signal(axes, run)), Panel(0.2, lambda a: _trained(a, run))]
    if _any(_column(run, "learning_rate")):
        panels.append(Panel(0.65, lambda axes: _learning_rate(axes, run)))
    if any(plan_of(frame, "module") is not None for frame in run.frames):
        panels.append(Panel(0.75, lambda axes: _modules(axes, run)))
    if _any(_planned(run, "iterations_left")):
        panels.append(Panel(0.65, lambda axes: _left(axes, run)))
    if _any(_planned(run, "mix_ratio")):
        panels.append(Panel(0.65, lambda axes: _mix(axes, run)))
    panels.append(Panel(0.8, lambda axes: _speed(axes, run)))
    if has_labels(run):
        panels.append(Panel(1.2, lambda axes: _score(axes, run, source)))
    figure, (ribbon, *rows) = stacked([ribbon_height(run.visits), *(p.height for p in panels)])
    shade_domains(ribbon, rows, run.visits)
    for axes, panel in zip(rows, panels, strict=True):
        panel.draw(axes)
        axes.tick_params(labelsize=8)
        if axes is not rows[0]:
            _events(axes, run, marked=False)
    rows[-1].set_xlabel("frame", fontsize=9)
    return as_svg(figure)


def _signal(axes: Axes, run: Run) -> None:
    at, signal = _at(run), _column(run, "signal")
    mean, reference = _detector(run, "mean"), _detector(run, "reference")
    axes.plot(at, signal, color="#8d98a5", lw=0.7, alpha=0.8)
    handles: list[Any] = [Line2D([], [], color="#8d98a5", lw=0.9, label="single frame")]
    if _any(mean):
        axes.plot(at, _broken(mean, run), color="#1c2530", lw=1.5)
        ends = _window_ends(run)
        axes.plot(at[ends], mean[ends], "o", color="#1c2530", ms=3.4)
        handles.append(Line2D([], [], color="#1c2530", lw=1.5, label="window mean"))
    if _any(reference):
        rise, fall = reference + _detector(run, "rise"), reference + _detector(run, "fall")
        axes.plot(at, reference, color=TRAINED, lw=1.3)
        handles.append(Line2D([], [], color=TRAINED, lw=1.3, label="reference"))
        if _any(rise) and _any(fall):
            axes.fill_between(at, fall, rise, color=TRAINED, alpha=0.16, lw=0, step="mid")
            handles.append(Patch(color=TRAINED, alpha=0.25, lw=0, label="no change detected"))
    for change in changes_of(run):
        axes.axvline(change.frame, ymin=0.955, ymax=1.0, color="#1c2530", lw=2, zorder=5)
    _events(axes, run, marked=True)
    handles += [
        Line2D([], [], color=colour, marker=marker, ms=5, lw=1.3, label=way)
        for way, (colour, marker) in WAYS.items()
    ]
    handles.append(Line2D([], [], color=SOFT, lw=1.1, ls=(0, (2, 2)), label="false alarm"))
    finish(axes, legend=False)
    title(axes, "drift signal", handles=handles)


def _events(axes: Axes, run: Run, *, marked: bool) -> None:
    """Detected changes as vertical lines, dashed for false alarms."""
    detection = detection_of(run)
    false = {*detection.early, *detection.repeats}
    answers = [answer.event for answer in detection.answers if answer.event is not None]
    for event in (*answers, *false):
        colour, marker = WAYS[event.way]
        style = (0, (2, 2)) if event in false else "-"
        axes.axvline(event.frame, color=colour, lw=1.3 if marked else 0.7, ls=style, zorder=4,
                     alpha=1.0 if marked else 0.7)  # fmt: skip
        if marked:
            axes.plot(event.frame, 0.0, marker=marker, ms=6, color=colour, clip_on=False,
                      transform=axes.get_xaxis_transform(), zorder=6)  # fmt: skip


def _trained(axes: Axes, run: Run) -> None:
    skipped = [plan_of(frame, "skipped") for frame in run.frames]
    trained = [bool(frame["trained"]) for frame in run.frames]
    axes.broken_barh(_spans(run, trained), (0, 1), color=TRAINED, lw=0)
    handles = [Patch(color=TRAINED, lw=0, label="yes")]
    for reason in SKIPS:
        here = [s == reason and not t for s, t in zip(skipped, trained, strict=True)]
        if any(here):
            axes.broken_barh(_spans(run, here), (0, 1), color=SKIPPED[reason], lw=0)
            handles.append(Patch(color=SKIPPED[reason], lw=0, label=f"skipped: {reason}"))
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    title(axes, "learnt from the frame", handles=handles)


def _learning_rate(axes: Axes, run: Run) -> None:
    rate = _column(run, "learning_rate")
    power = math.floor(math.log10(np.nanmax(rate))) if np.nanmax(rate) > 0 else 0
    _steps(axes, _at(run), rate / 10.0**power, "#7a5195")
    axes.set_ylim(bottom=0)
    title(axes, f"learning rate, $10^{{{power}}}$", handles=())


def _modules(axes: Axes, run: Run) -> None:
    """One row per stage, filled at frames where it was trained."""
    chosen = [plan_of(f, "module") if f["trained"] else None for f in run.frames]
    for stage in range(1, STAGES + 1):
        here = [module is not None and module <= stage for module in chosen]
        axes.broken_barh(_spans(run, here), (stage - 0.4, 0.8), color="#d98200", lw=0)
    axes.set_ylim(0.4, STAGES + 0.6)
    axes.set_yticks(range(1, STAGES + 1))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    title(axes, "stages trained", handles=())


def _left(axes: Axes, run: Run) -> None:
    left = _planned(run, "iterations_left")
    axes.fill_between(_at(run), 0, left, color="#17a2b8", alpha=0.35, lw=0, step="mid")
    axes.set_ylim(bottom=0)
    finish(axes, legend=False)
    title(axes, "iterations left", handles=())


def _mix(axes: Axes, run: Run) -> None:
    mix = _planned(run, "mix_ratio")
    _steps(axes, _at(run), mix, "#b4478f")
    low, high = float(np.nanmin(mix)), float(np.nanmax(mix))
    axes.set_ylim(low - 0.05, high + 0.05)
    title(axes, "mix ratio", handles=())


def _speed(axes: Axes, run: Run) -> None:
    """Frames per second without the first frame, which includes the warm-up."""
    took = np.array([frame["predict_ms"] + frame["adapt_ms"] for frame in run.frames])[1:]
    total = np.concatenate([[0.0], np.cumsum(took)])
    ends = np.arange(1, len(total))
    starts = np.maximum(ends - RUNNING, 0)
    speed = 1000 * (ends - starts) / (total[ends] - total[starts])
    axes.plot(_at(run)[1:], speed, color="#0a6ebd", lw=1.2)
    axes.set_ylim(bottom=0)
    finish(axes, legend=False)
    title(axes, f"frames/s over the last {RUNNING} frames", handles=())


def _score(axes: Axes, run: Run, source: Run | None) -> None:
    if source is not None:
        axes.plot(_at(source), running_scores(source, RUNNING), color="#8d98a5", lw=1.1,
                  label="source_only")  # fmt: skip
    axes.plot(_at(run), running_scores(run, RUNNING), color=TRAINED, lw=1.4, label=run.method)
    finish(axes, legend=False)
    title(axes, f"stream mIoU in %, last {RUNNING} frames of the visit")


def _steps(axes: Axes, at: Floats, values: Floats, colour: str) -> None:
    axes.plot(at, values, color=colour, lw=1.3, drawstyle="steps-mid")
    finish(axes, legend=False)


def _at(run: Run) -> Floats:
    return np.array([frame["index"] for frame in run.frames], dtype=np.float64)


def _column(run: Run, name: str) -> Floats:
    return np.array([frame.get(name) for frame in run.frames], dtype=np.float64)


def _planned(run: Run, name: str) -> Floats:
    return np.array([plan_of(frame, name) for frame in run.frames], dtype=np.float64)


def _detector(run: Run, name: str) -> Floats:
    rows = [frame.get("detector") or {} for frame in run.frames]
    return np.array([row.get(name) for row in rows], dtype=np.float64)


def _any(values: Floats) -> bool:
    return bool(np.isfinite(values).any())


def _window_ends(run: Run) -> list[int]:
    """Frames at which a window ends and is compared; the next frame starts a new window."""
    filled = _detector(run, "filled")
    return [i for i in range(len(filled) - 1) if filled[i + 1] < filled[i]]


def _broken(mean: Floats, run: Run) -> Floats:
    """The mean of a window, hidden while the window is less than a third full."""
    filled, window = _detector(run, "filled"), _detector(run, "window")
    return np.where(filled * 3 < window, np.nan, mean)


def _spans(run: Run, here: Sequence[bool]) -> list[tuple[float, float]]:
    """Start and length of every run of consecutive selected frames."""
    spans: list[tuple[float, float]] = []
    for frame, meant in zip(run.frames, here, strict=True):
        start = frame["index"] - 0.5
        if not meant:
            continue
        if spans and spans[-1][0] + spans[-1][1] == start:
            spans[-1] = (spans[-1][0], spans[-1][1] + 1)
        else:
            spans.append((start, 1))
    return spans
