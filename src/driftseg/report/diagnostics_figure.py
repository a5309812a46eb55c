"""Confidence and entropy of every role and head over frames, if a run recorded them."""

from __future__ import annotations

import numpy as np

from driftseg.report.plots import (
    WIDTH,
    as_svg,
    finish,
    ribbon_height,
    shade_domains,
    stacked,
    title,
)
from driftseg.runs.record import Run

ROLES = {
    "student": ("#0a6ebd", "-", "student"),
    "teacher": ("#d98200", "-", "teacher"),
    "static": ("#5b6672", "-", "static"),
    "static_early": ("#5b6672", ":", "static, early head"),
}
"""Colour, line and name of the entries of a diagnosis."""


def has_diagnostics(run: Run) -> bool:
    """Whether any frame holds a diagnosis."""
    return any(frame.get("diagnostics") for frame in run.frames)


def diagnostics_figure(run: Run, width: float = WIDTH) -> str:
    """Two plots over frames, one line per role."""
    looked = [frame for frame in run.frames if frame.get("diagnostics")]
    at = [frame["index"] for frame in looked]
    figure, (ribbon, *rows) = stacked([ribbon_height(run.visits, width), 1.3, 1.3], width)
    shade_domains(ribbon, rows, run.visits)
    for axes, measure, name in zip(
        rows, ("confidence", "entropy"), ("confidence", "entropy, nats"), strict=True
    ):
        for role, (colour, style, label) in ROLES.items():
            rows_of_role = [frame["diagnostics"].get(role) or {} for frame in looked]
            values = np.array([row.get(measure) for row in rows_of_role], dtype=np.float64)
            if np.isfinite(values).any():
                axes.plot(at, values, color=colour, ls=style, lw=1.3, label=label)
        finish(axes, legend=False)
        title(axes, name, handles=None if axes is rows[0] else ())
    rows[-1].set_xlabel("frame", fontsize=9)
    return as_svg(figure)
