"""Lines of a record, made without a run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from driftseg.trackers.contract import Item
from driftseg.trackers.naming import Namer
from driftseg.trackers.session import start_trackers

CLASSES = ("road", "sky + cloud", "car")
DOMAINS = ("clear", "rain+fog", "clear")
FRAMES = 4
"""A visit."""


def frame_row(index: int, **changes: Any) -> dict[str, Any]:
    visit = index // FRAMES
    event = {"direction": "away", "value": 0.5, "reference": 0.25, "level": 1}
    row = {
        "index": index, "visit": visit, "domain": DOMAINS[visit], "name": f"f{index}",
        "labelled": True, "intersection": [index, 1, 0], "union": [2 * index + 2, 4, 0],
        "confidence": 0.5, "entropy": None, "trained": index % 2 == 0,
        "losses": {"source": 1.0 / (index + 1)}, "learning_rate": 1e-4, "signal": 0.1 * index,
        "event": event if index == FRAMES else None,
        "detector": {"name": "window", "level": 0, "mean": None},
        "plan": {"skipped": None, "module": 2, "costs_ms": {"1": 3.5}}, "bank": None,
        "predict_ms": 20.0, "adapt_ms": 30.0,
        "diagnostics": {"student": {"confidence": 0.75, "entropy": 1.0}, "static": None},
    }  # fmt: skip
    return {**row, **changes}


def score_row(after: int, domain: str, head: str = "main") -> dict[str, Any]:
    return {
        "after_visit": after, "after_domain": "start" if after < 0 else DOMAINS[after],
        "domain": domain, "head": head, "frames": 2, "mean_iou": 50.0 + after,
        "mean_accuracy": 60.0, "pixel_accuracy": None,
        "iou": {name: 40.0 + after for name in CLASSES}, "reused": False,
    }  # fmt: skip


def scores(after: int) -> list[dict[str, Any]]:
    return [
        score_row(after, domain, head)
        for domain in ("clear", "rain+fog")
        for head in ("main", "early")
    ]


def lines_of_a_run() -> list[tuple[str, dict[str, Any]]]:
    """All lines in the order of a run, with the file that each belongs to."""
    every = [("evaluations", row) for row in scores(-1)]
    for visit in range(len(DOMAINS)):
        every += [("frames", frame_row(visit * FRAMES + i)) for i in range(FRAMES)]
        every += [("evaluations", row) for row in scores(visit)]
    return every


def visits() -> list[dict[str, Any]]:
    directions = ("forward", "forward", "backward")
    return [
        {"visit": i, "domain": domain, "direction": way, "frames": FRAMES}
        for i, (domain, way) in enumerate(zip(DOMAINS, directions, strict=True))
    ]


def write_folder(folder: Path, lines: list[tuple[str, dict[str, Any]]] | None = None) -> Path:
    """A run folder that holds some lines of a run."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"name": "storm", "seed": 1, "method": {"name": "dacs", "train": ["head"]}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    told = {"classes": CLASSES, "home": "clear", "visits": visits()}
    (folder / "schedule.json").write_text(json.dumps(told))
    for name in ("frames", "evaluations"):
        text = "".join(json.dumps(row) + "\n" for where, row in lines or () if where == name)
        (folder / f"{name}.jsonl").write_text(text)
    return folder


def feed(trackers: Any, lines: list[tuple[str, dict[str, Any]]], pictures: bool = False) -> None:
    """Tells trackers of lines, and of a picture at the last frame of each visit."""
    image = np.full((4, 6, 3), 200, np.uint8)
    for where, row in lines:
        (trackers.frame if where == "frames" else trackers.evaluation)(row)
        if pictures and where == "frames" and row["index"] % FRAMES == FRAMES - 1:
            trackers.pictures(row["domain"], {"input": image, "prediction": image // 2})


def two_sessions(
    settings: list[Any], folder: Path, *, until: int, checkpoint: int, pictures: bool = False
) -> list[Any]:
    """A run that stops after some lines and is resumed at a checkpoint before; both sessions."""
    lines = lines_of_a_run()
    first = start_trackers(settings, write_folder(folder), name="a_run", tags={"seed": "seed 1"})
    feed(first, lines[:until], pictures)
    assert first.end("interrupted") == []
    kept = [line for line in lines[:until] if line in lines[:checkpoint]]
    second = start_trackers(settings, write_folder(folder, kept))
    feed(second, lines[checkpoint:], pictures)
    assert second.end("finished") == []
    return [first, second]


def expected() -> dict[str, list[tuple[int, float]]]:
    """Every series of a run that was not interrupted."""
    namer = Namer(visits(), "clear", len(CLASSES))
    items: list[Item] = []
    for where, row in lines_of_a_run():
        items += namer.frame(row) if where == "frames" else namer.evaluation(row)
    items += namer.final()
    found: dict[str, list[tuple[int, float]]] = {}
    for item in items:
        for name, value in item.numbers.items():
            found.setdefault(name, []).append((item.step, value))
    return found


KILLED = """
import os, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from record_rows import feed, lines_of_a_run, write_folder
from driftseg.trackers.session import start_trackers
from driftseg.trackers.table import TRACKERS
settings = TRACKERS.find(sys.argv[3]).model_validate_json(sys.argv[4])
folder = write_folder(Path(sys.argv[2]))
trackers = start_trackers([settings], folder, name="a_run")
lines = lines_of_a_run()[:14]
for line in lines:
    feed(trackers, [line])
    time.sleep(0.002)
until = time.monotonic() + 100
while not trackers._couriers[0].sent and time.monotonic() < until:
    time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_and_resumed(settings: Any, folder: Path, checkpoint: int = 9) -> None:
    """A first session is killed with some of its lines sent; a second one ends the run."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(folder), settings.kind,
         settings.model_dump_json()],
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    lines = lines_of_a_run()
    write_folder(folder, lines[:checkpoint])
    second = start_trackers([settings], folder)
    feed(second, lines[checkpoint:])
    assert second.end("finished") == []
