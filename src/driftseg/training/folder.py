"""Files of a training on disk: checkpoints, log, and states to continue from."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from driftseg.errors import InputError
from driftseg.models.checkpoints import save_checkpoint
from driftseg.models.segmenter import Segmenter


class TrainingFolder:
    """The folder of one training. One process writes into it.

    ``best.safetensors`` and ``last.safetensors`` (with .json), ``log.jsonl``; ``state.pt`` while
    the training is unfinished; ``finished_main.pt`` and ``finished_early_head.pt``, the states at
    the end of each phase, from which a training can be lengthened.

    Args:
        path: made at the first write.
        facts: of the model, for `save_checkpoint`.
        half: whether checkpoints store matrices in 16 bits.
    """

    def __init__(self, path: Path, facts: dict[str, Any], *, half: bool):
        self.path = path
        self._facts = facts
        self._half = half

    def checkpoint(self, names: Sequence[str], model: Segmenter, extra: dict[str, Any]) -> None:
        """Writes the checkpoints ``best``, ``last``, or both."""
        for name in names:
            save_checkpoint(
                self.path / f"{name}.safetensors", model, half=self._half, extra=extra,
                **self._facts,
            )  # fmt: skip

    def log(self, row: dict[str, Any]) -> None:
        """Adds a line to the log."""
        with (self.path / "log.jsonl").open("a") as log:
            log.write(json.dumps(row) + "\n")

    def save(self, state: dict[str, Any]) -> None:
        """Writes the state of an unfinished training, completely or not at all."""
        _write(state, self._place("state"))

    def finish(self, phase: str) -> None:
        """Keeps the state at the end of a phase."""
        if self.has("state"):
            os.replace(self._place("state"), self._place(phase))

    def unfinish(self, phases: Sequence[str]) -> None:
        """Removes the results of later phases."""
        for name in (*phases, "state"):
            self._place(name).unlink(missing_ok=True)

    def has(self, name: str) -> bool:
        """Whether a state exists: ``state`` of an unfinished training, or a finished phase."""
        return self._place(name).is_file()

    def state(self, name: str) -> dict[str, Any]:
        """Reads a state from disk.

        Raises:
            InputError: the file is damaged.
        """
        return _read(self._place(name))

    def _place(self, name: str) -> Path:
        file = "state.pt" if name == "state" else f"finished_{name}.pt"
        return self.path / file


def _write(state: dict[str, Any], path: Path) -> None:
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def _read(path: Path) -> dict[str, Any]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict):
            raise KeyError("state")
    except (pickle.UnpicklingError, EOFError, KeyError, RuntimeError, OSError) as error:
        raise InputError(
            f"{path}: expected a readable training state, got a damaged file "
            f"({type(error).__name__}). To fix: delete {path.parent} to start again"
        ) from None
    return state
