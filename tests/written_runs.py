"""Run folders that tests write by hand, as `driftseg run` leaves them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

DOMAINS = ("clear", "wet", "clear")
STILL = ("source_only", "norm_statistics", "tent")
"""Methods that draw nothing."""


def write_run(
    out: Path,
    *,
    method: str = "dacs",
    seed: int = 0,
    score: float = 50.0,
    frames: int = 2,
    name: str | None = None,
    state: str | None = None,
    settings: Mapping[str, Any] | None = None,
    environment: Mapping[str, Any] | None = None,
    **of_method: Any,
) -> Path:
    """Three visits of two classes.

    Args:
        out: folder of all runs.
        method: its name.
        seed: of the run.
        score: mIoU in percent of every held-out domain; the stream's is a point or two beside it.
        frames: of each visit.
        name: of the folder.
        state: in status.json; None writes none.
        settings: more of the config.
        environment: more of environment.json.
        of_method: settings of the method.
    """
    run = out / (
        name or f"260102_0304_town2tiny_{method}_mlp_mit_b0_s{seed}_{_five(of_method, settings)}"
    )
    run.mkdir(parents=True)
    config = {
        "name": "tiny", "source_name": "town", "seed": seed,
        "method": {"name": method, **of_method}, **(settings or {}),
    }  # fmt: skip
    visits = [
        {"visit": i, "domain": d, "direction": "backward" if i == 2 else "forward",
         "weather": "as it is", "strength": float(d == "wet"), "frames": frames}
        for i, d in enumerate(DOMAINS)
    ]  # fmt: skip
    schedule = {
        "classes": ["sky", "road"], "label_space": "camvid11", "home": "clear", "visits": visits
    }  # fmt: skip
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    (run / "schedule.json").write_text(json.dumps(schedule))
    known = {"driftseg": "0.1.0", "notes": ["a note"], "depends_on_seed": method not in STILL}
    known |= environment or {}
    (run / "environment.json").write_text(json.dumps(known))
    lines(run / "frames.jsonl", [_frame(i, frames, method, score) for i in range(3 * frames)])
    lines(run / "evaluations.jsonl", [
        {"after_visit": after, "after_domain": "x", "domain": domain, "head": "main", "frames": 2,
         "mean_iou": score + (after == 2) * seed, "mean_accuracy": 1.0, "pixel_accuracy": 1.0,
         "iou": {"road": score, "sky": None}, "reused": False}
        for after in range(-1, 3) for domain in ("clear", "wet")
    ])  # fmt: skip
    if state is not None:
        (run / "status.json").write_text(status_of(state, 3, 3 * frames))
    return run


def status_of(state: str, frames: int, total: int) -> str:
    """What a run's ``status.json`` says."""
    facts = {"run": "0" * 32, "version": "0.1.0", "format": 1, "save": [], "parts": [], "notes": []}
    return json.dumps({"state": state, "frames": frames, "total": total, **facts})


def lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _frame(index: int, frames: int, method: str, score: float) -> dict[str, Any]:
    part = [round(10 * score) + index % 5, round(10 * score) - index % 3]
    return {
        "index": index, "visit": index // frames, "domain": DOMAINS[index // frames],
        "name": f"frame_{index}", "labelled": True, "intersection": part, "union": [1000, 1000],
        "confidence": 0.5, "entropy": 1.0, "trained": method != "source_only", "losses": {},
        "learning_rate": None, "signal": None, "event": None, "plan": None,
        "predict_ms": 10.0, "adapt_ms": 30.0,
    }  # fmt: skip


def _five(*values: Any) -> str:
    return f"{zlib.crc32(repr(values).encode()) % 16**5:05x}"
