"""Runs of a few seconds, as configs say them."""

from __future__ import annotations

from pathlib import Path

SIZE = [96, 64]


def tiny_values(checkpoint: Path, out: Path) -> dict:
    """A run config of a few seconds on a checkpoint."""
    return {
        "name": "tiny",
        "source_name": "town",
        "checkpoint": str(checkpoint),
        "source": {"kind": "town", "seed": 1, "frames": 4, "every": 20, "size": SIZE},
        "target": {"kind": "town", "seed": 2, "frames": 8, "every": 5, "size": SIZE},
        "evaluation": {"kind": "town", "seed": 3, "frames": 1, "every": 9, "size": SIZE},
        "schedule": [
            {"name": "clear", "frames": 2},
            {"name": "wet", "rain": 100, "frames": 2},
            {"name": "clear", "frames": 2},
        ],
        "camera": "town",
        "method": {"name": "dacs"},
        "replay": {"capacity": 4, "minimum_share": 0.004},
        "pictures": 1,
        "out": str(out),
        "threads": 1,
    }
