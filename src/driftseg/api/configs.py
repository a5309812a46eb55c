"""Configs looked at: as they are resolved, what differs from the defaults, and their schema."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from driftseg.config.differences import Difference, differences
from driftseg.config.keys import Command, command_of
from driftseg.config.loading import load
from driftseg.config.reading import check_data_is_used, read_config
from driftseg.config.run import RunConfig
from driftseg.config.schema import schema_of
from driftseg.config.train import TrainConfig
from driftseg.runs.rehearsal import Rehearsal, rehearse

__all__ = ["Difference", "Rehearsal", "check_data", "different", "rehearse", "resolved", "schema"]

KINDS: dict[Command, type[RunConfig] | type[TrainConfig]] = {
    "run": RunConfig,
    "train": TrainConfig,
}


def check_data(
    path: Path, command: Command, changes: Sequence[str] | None, data: Path | None
) -> None:
    """Refuses a ``--data`` that no section of a config takes.

    Raises:
        InputError: none takes it.
    """
    if data is not None:
        check_data_is_used(path, KINDS[command], changes=changes or (), data=data)


def resolved(path: Path, changes: Sequence[str], data: Path | None) -> dict[str, Any]:
    """A run's or a training's config with all its defaults, as plain values.

    Raises:
        InputError: a key or a value is wrong.
    """
    return _read(path, changes, data).model_dump(mode="json")


def different(path: Path, changes: Sequence[str], data: Path | None) -> list[Difference]:
    """What a run's or a training's config has that is not the default.

    Raises:
        InputError: a key or a value is wrong.
    """
    return differences(_read(path, changes, data))


def _read(path: Path, changes: Sequence[str], data: Path | None) -> RunConfig | TrainConfig:
    command = command_of(load(path)) or "run"
    check_data(path, command, changes, data)
    return read_config(path, KINDS[command], changes=changes, data=data)


def schema(command: Command) -> dict[str, Any]:
    """A JSON schema of a command's config, for editors."""
    return schema_of(KINDS[command])
