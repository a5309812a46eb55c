"""driftseg weather in this process, or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from commands import driftseg

ENVIRONMENT = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}


def weather(
    *arguments: object, before: Callable[[], None] | None = None, here: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """A process of its own only where something is to be done ``before`` in it."""
    if before is None:
        return driftseg(Path.cwd() if here is None else here, "weather", *arguments)
    return subprocess.run(
        [sys.executable, "-m", "driftseg", "weather", *map(str, arguments)],
        capture_output=True, text=True, timeout=300, env=ENVIRONMENT, check=False,
        preexec_fn=before, cwd=here,
    )  # fmt: skip


def pictures(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.png") if not path.name.startswith(".")]
