"""Reads the transaction log of a W&B run with W&B's own messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from driftseg.trackers.wandb_files import messages


def records(path: Path) -> Iterator[Any]:
    from wandb.proto import wandb_internal_pb2

    for data in messages(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        yield record


def _values(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def history(path: Path) -> list[dict[str, Any]]:
    return [_values(each.history.item) for each in records(path) if each.HasField("history")]


def facts(path: Path) -> dict[str, Any]:
    """Of the run, its config, and its last summary."""
    run = next(each.run for each in records(path) if each.HasField("run"))
    summary: dict[str, Any] = {}
    for each in records(path):
        if each.HasField("summary"):
            summary |= _values(each.summary.update)
    exits = [each.exit.exit_code for each in records(path) if each.HasField("exit")]
    return {
        "id": run.run_id, "project": run.project, "name": run.display_name,
        "tags": [*run.tags], "config": _values(run.config.update), "summary": summary,
        "exits": exits,
    }  # fmt: skip


def series(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Of all sessions of a run folder, in order of their start; no pictures, no texts."""
    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.glob("wandb/offline-run-*/run-*.wandb")):
        for row in history(path):
            for name, value in row.items():
                if not name.startswith(("_", "pictures/")) and not isinstance(value, str):
                    found.setdefault(name, []).append((row["_step"], value))
    return found
