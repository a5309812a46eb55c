"""What a run's folder says of itself: whether it runs, was interrupted, or is finished."""

from __future__ import annotations

import json
import os
import platform
import uuid
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

import driftseg
from driftseg.errors import InputError
from driftseg.runs.lock import is_held
from driftseg.runs.whole import write_whole

STATUS = "status.json"
FORMAT = 1
"""Of run folders; a folder of a later one is refused."""
State = Literal["running", "interrupted", "finished"]


@dataclass(frozen=True)
class Status:
    """How a run stands."""

    state: State
    frames: int
    """Frames recorded."""
    total: int
    """Frames of the stream."""
    run: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Tells this run from every other; its checkpoints carry it."""
    version: str = driftseg.__version__
    """Of driftseg."""
    format: int = FORMAT
    save: tuple[str, ...] = ()
    """What is kept of every frame."""
    reason: str | None = None
    """Why it was interrupted."""
    parts: tuple[dict[str, Any], ...] = ()
    """One a process that worked on it: when, where, from which frame on, and what its checkpoints
    cost, where it could say so at its end."""
    notes: tuple[str, ...] = ()
    """What a reader must know of how it was continued."""

    def begun(self, frame: int) -> Status:
        """Of a run that this process works on, from a frame (counted from 0) on."""
        part = {
            "from_frame": frame, "started": datetime.now().isoformat(timespec="seconds"),
            "pid": os.getpid(), "host": platform.node(), "folder": os.getcwd(),
        }  # fmt: skip
        return replace(self, state="running", reason=None, parts=(*self.parts, part))

    def ended(self, state: State, reason: str | None, facts: dict[str, Any]) -> Status:
        """As this process leaves it, with facts on its work."""
        parts = (*self.parts[:-1], {**self.parts[-1], **facts}) if self.parts else self.parts
        return replace(self, state=state, reason=reason, parts=parts)

    def write(self, folder: Path, *, durable: bool = True) -> None:
        """Puts it into a run's folder.

        Raises:
            OSError: it cannot be written.
        """
        text = json.dumps(asdict(self), indent=1) + "\n"
        write_whole(folder / STATUS, text.encode(), durable=durable)


def read_status(folder: Path) -> Status | None:
    """How a run stands; None of one that was finished before runs said so.

    A run that says that it runs, and that no process holds, was interrupted.

    Raises:
        InputError: the file is damaged, or of a later format.
    """
    status = _read(folder)
    if status is None or status.state != "running" or is_held(folder):
        return status
    status = _read(folder)  # a process says how it ended before it gives the lock back
    if status is None or status.state != "running":
        return status
    return replace(status, state="interrupted", reason="its process ended")


def _read(folder: Path) -> Status | None:
    path = folder / STATUS
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        found = int(values["format"])
        if found > FORMAT:
            raise InputError(
                f"{folder}: expected run format {FORMAT} or older, got {found} (driftseg "
                f"{values.get('version')}). To fix: install that version of driftseg."
            )
        if values["state"] not in get_args(State):
            raise InputError(
                f"{path}: expected a state of {', '.join(get_args(State))}, got "
                f"{values['state']!r}. To fix: use the version of driftseg that made the run."
            )
        for name in ("save", "parts", "notes"):
            values[name] = tuple(values[name])
        return Status(**values)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: expected the status of a run, got a damaged file ({error}). To fix: delete "
            "the run's folder and run again."
        ) from None
