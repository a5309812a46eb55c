"""Records of drifts that tests need, written as a run writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from driftseg.runs.record import Run, read_run
from driftseg.runs.writing import new_record

VISIT = 10
RAINS = {"clear": "as it is", "wet": "rain 50 mm/h", "storm": "rain 200 mm/h"}
STRENGTHS = {"clear": 0.0, "wet": 4.3, "storm": 10.9}
DOMAINS = ("clear", "wet", "storm", "clear")
WINDOW = 4


def detector(index: int, name: str = "window") -> dict[str, Any]:
    """A window that begins anew every fourth frame."""
    windowed = name == "window"
    return {
        "name": name, "mean": 1.0 + index / 50 if windowed else None,
        "reference": 1.0 if windowed and index >= WINDOW else None,
        "rise": 0.2 if windowed else None, "fall": -0.2 if windowed else None,
        "level": 0, "filled": index % WINDOW + 1, "window": WINDOW,
    }  # fmt: skip


def plan(index: int, skipped: str | None = None) -> dict[str, Any]:
    """Module 1 on every other frame, module 3 on the rest."""
    return {
        "iterations_left": 40 - index, "mix_ratio": 0.5, "module": 1 + 2 * (index % 2),
        "histogram": {"1": 0.1, "2": 0.0, "3": -0.1, "4": 0.0},
        "costs_ms": {"1": 9.0, "2": 7.0, "3": 5.0, "4": 3.0}, "skipped": skipped,
    }  # fmt: skip


def event(direction: str) -> dict[str, Any]:
    """A detected change."""
    return {"direction": direction, "value": 1.5, "reference": 1.0, "level": 1}


def drift_run(
    out: Path,
    method: str = "hamlet",
    *,
    seed: int = 0,
    events: Mapping[int, str] | None = None,
    skipped: Mapping[int, str] | None = None,
    name: str = "window",
    scores: Mapping[str, Sequence[float]] | None = None,
    digest: str = "weights",
    early: bool = False,
    diagnostics: bool = False,
    calibration: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
) -> Run:
    """Four visits of ten frames through a writer.

    Args:
        out: folder of the run.
        method: its name; ``hamlet`` has signal, detector and plan.
        seed: of the run.
        events: direction of the detected change by frame.
        skipped: reason by frame.
        name: the detector's.
        scores: held-out mIoU by domain, before the first frame and after every visit.
        digest: of the weights.
        early: whether the early head was scored, too, at half of the scores.
        diagnostics: whether every fifth frame looked at the roles.
        calibration: what was measured before the stream.
        config: more settings.
    """
    writer = new_record(
        out, f"{method}_{seed}_{name}",
        config={"name": "tiny", "seed": seed, "method": {"name": method}, **(config or {})},
        environment={"notes": [], "weights_digest": digest}, classes=("sky", "road"),
        label_space="camvid11", home="clear",
        schedule=[
            {"visit": i, "domain": d, "weather": RAINS[d], "strength": STRENGTHS[d],
             "frames": VISIT,
             "direction": "forward" if i < 3 else "backward"}
            for i, d in enumerate(DOMAINS)
        ],
    )  # fmt: skip
    if calibration is not None:
        writer.calibration(calibration)
    for index in range(VISIT * len(DOMAINS)):
        writer.frame(
            _row(index, method, name, events or {}, skipped or {}, diagnostics=diagnostics)
        )
    for domain, values in (scores or {}).items():
        for after, value in enumerate(values, start=-1):
            for head in ("main", "early") if early else ("main",):
                writer.evaluation(
                    {"after_visit": after, "after_domain": "x", "domain": domain, "head": head,
                     "frames": 2, "mean_iou": value / (1 + (head == "early")), "mean_accuracy": 1.0,
                     "pixel_accuracy": 1.0, "iou": {"road": value, "sky": None}, "reused": False}
                )  # fmt: skip
    return read_run(writer.finish())


def _row(
    index: int,
    method: str,
    name: str,
    events: Mapping[int, str],
    skipped: Mapping[int, str],
    *,
    diagnostics: bool,
) -> dict[str, Any]:
    drifting = method == "hamlet"
    row: dict[str, Any] = {
        "index": index, "visit": index // VISIT, "domain": DOMAINS[index // VISIT],
        "name": str(index), "labelled": True,
        "intersection": np.array([5, 10 + index // VISIT]), "union": np.array([10, 20]),
        "confidence": 0.5, "entropy": 1.0,
        "trained": method != "source_only" and index not in skipped,
        "losses": {}, "learning_rate": 3e-5 if drifting else None,
        "signal": 1.0 + index / 50 if drifting else None,
        "event": event(events[index]) if index in events else None,
        "detector": detector(index, name) if drifting else None,
        "plan": plan(index, skipped.get(index)) if drifting else None,
        "predict_ms": 10.0, "adapt_ms": 30.0,
    }  # fmt: skip
    if diagnostics:
        look = {"confidence": 0.8, "entropy": 0.4}
        row["diagnostics"] = (
            {"student": look, "teacher": None, "static": look, "static_early": look}
            if index % 5 == 0
            else None
        )
    return row
