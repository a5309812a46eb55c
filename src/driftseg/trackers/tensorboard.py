"""TensorBoard: event files in the run folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import yaml

from driftseg.trackers.contract import Item, RunFacts, Started, State, TrackerSettings

FOLDER = "tensorboard"
FILES = "events.out.tfevents.*"


class TensorboardSettings(TrackerSettings):
    """Look at the files with ``tensorboard --logdir runs``."""

    requires: ClassVar = {"tensorboard": "pip install 'driftseg[tensorboard]'"}

    kind: Literal["tensorboard"] = "tensorboard"
    folder: Path | None = None
    """Event files go to a subfolder with the run's name; null is ``tensorboard`` in the run
    folder."""

    def make(self) -> TensorboardTracker:
        """The tracker."""
        return TensorboardTracker(self.folder)


class TensorboardTracker:
    """Writes event files.

    Args:
        folder: of all runs; None writes into the run folder.
    """

    def __init__(self, folder: Path | None = None):
        self._folder = folder
        self._writer: Any = None
        self._step = 0

    def start(self, run: RunFacts, resumed: str | None) -> Started:
        """The identity is the folder's path within the run folder, or the whole path."""
        from torch.utils.tensorboard import SummaryWriter

        identity = FOLDER if self._folder is None else str((self._folder / run.name).absolute())
        path = run.folder / (resumed or identity)
        known = {} if resumed is None else last_steps(path)
        _wait_for_a_later_name(path)
        self._writer = SummaryWriter(str(path))
        if resumed is None:
            settings = yaml.safe_dump(dict(run.config), sort_keys=False)
            tags = "\n".join(f"* {name}: {value}" for name, value in run.tags.items())
            self._writer.add_text("config", "    " + settings.replace("\n", "\n    "), 0)
            self._writer.add_text("tags", tags, 0)
            self._writer.flush()
        last = None if resumed is None else max(known.values(), default=-1)
        return Started(resumed or identity, resumed or identity, known, last)

    def send(self, items: Sequence[Item]) -> None:
        """Writes the items; the files have them at the return."""
        for item in items:
            self._step = max(self._step, item.step)
            for name, value in item.numbers.items():
                self._writer.add_scalar(name, value, item.step)
            for name, text in item.texts.items():
                self._writer.add_text(name, text, item.step)
            for name, picture in item.pictures.items():
                self._writer.add_image(name, picture, item.step, dataformats="HWC")
        self._writer.flush()

    def end(self, state: State) -> None:
        """Writes the state as the text ``state``."""
        if self._writer is not None:
            self._writer.add_text("state", state, self._step)
            self._writer.close()


def _wait_for_a_later_name(folder: Path) -> None:
    """Waits for a new second: names start with it, and their order is the order of reading."""
    newest = max((int(path.name.split(".")[3]) for path in folder.glob(FILES)), default=0)
    for _ in range(20):
        if int(time.time()) > newest:
            break
        time.sleep(0.1)


def last_steps(folder: Path) -> dict[str, int]:
    """The last step of every name in a folder of event files."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    found: dict[str, int] = {}
    for path in sorted(folder.glob(FILES)):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                name = value.tag.removesuffix("/text_summary")
                found[name] = max(found.get(name, -1), event.step)
    return found
