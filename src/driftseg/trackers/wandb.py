"""Weights & Biases: offline by default, so nothing leaves the machine until ``wandb sync``."""

from __future__ import annotations

import netrc
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from driftseg.errors import InputError
from driftseg.trackers.contract import Item, RunFacts, Started, State, TrackerSettings
from driftseg.trackers.wandb_files import last_step


class WandbSettings(TrackerSettings):
    """``wandb sync runs/RUN/wandb/offline-run-*`` uploads a run later."""

    requires: ClassVar = {"wandb": "pip install 'driftseg[wandb]'"}

    kind: Literal["wandb"] = "wandb"
    mode: Literal["offline", "online"] = "offline"
    """online sends to the server at once; run ``wandb login`` before."""
    project: str = "driftseg"
    entity: str | None = None
    """User or team; null is your default."""
    group: str | None = None
    """Runs of one group are shown together."""
    folder: Path | None = None
    """Parent of W&B's folder ``wandb``; null is the run folder."""

    def make(self) -> WandbTracker:
        """The tracker."""
        return WandbTracker(self)


class WandbTracker:
    """One run of W&B; a resumed run has another folder and the same run id.

    Args:
        settings: the section.
    """

    def __init__(self, settings: WandbSettings):
        self._settings = settings
        self._run: Any = None
        self._row: dict[str, Any] = {}
        self._step = 0

    def start(self, run: RunFacts, resumed: str | None) -> Started:
        """The identity is W&B's run id."""
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # before the import
        import wandb

        settings, identity = self._settings, resumed or secrets.token_hex(4)
        if settings.mode == "online" and not _has_key(wandb.setup().settings):
            raise InputError("expected an API key of W&B, got none. To fix: run wandb login")
        root = (settings.folder or run.folder).absolute()
        root.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=settings.project, entity=settings.entity, group=settings.group,
            id=identity, name=run.name, config=dict(run.config), resume="allow",
            tags=sorted({tag[:64] for tag in run.tags.values() if tag}), dir=str(root),
            settings=wandb.Settings(
                mode=settings.mode, silent=True, console="off", reinit="create_new",
                x_disable_stats=True, disable_code=True, disable_git=True,
            ),
        )  # fmt: skip
        last = None
        if resumed is not None and settings.mode == "online":
            last = self._run.step - 1
        elif resumed is not None:
            last = last_step(root, identity)
        where = self._run.url if settings.mode == "online" else self._run.settings.sync_dir
        return Started(identity, _within(str(where), run.folder), last_step=last)

    def send(self, items: Sequence[Item]) -> None:
        """Logs a step when the next one comes, because W&B takes each step only once."""
        import wandb

        for item in items:
            if item.kind == "final":
                self._run.summary.update(dict(item.numbers))
                continue
            if item.step != self._step:
                self._log()
            self._step = item.step
            self._row |= {**item.numbers, **item.texts}
            self._row |= {name: wandb.Image(image) for name, image in item.pictures.items()}

    def _log(self) -> None:
        if self._row:
            self._run.log(self._row, step=self._step, commit=True)
        self._row = {}

    def end(self, state: State) -> None:
        """Ends the run; an exit code other than 0 marks a run that is not finished."""
        if self._run is not None:
            self._log()
            self._run.finish(exit_code=0 if state == "finished" else 1)


def _has_key(settings: Any) -> bool:
    """Whether W&B has a key for its server; without one it asks in the terminal."""
    if settings.api_key or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    try:
        hosts = netrc.netrc(os.environ.get("NETRC"))
    except (OSError, netrc.NetrcParseError):
        return False
    return hosts.authenticators(urlsplit(str(settings.base_url)).hostname or "") is not None


def _within(path: str, folder: Path) -> str:
    """A path relative to the run folder, which is renamed later; other paths stay the same."""
    return str(Path(path).relative_to(folder)) if path.startswith(f"{folder}{os.sep}") else path
