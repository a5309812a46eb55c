"""Finds the state from which a training continues, and whether it is lengthened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from driftseg.errors import InputError, commas
from driftseg.models.norm import BatchNorm
from driftseg.training.folder import TrainingFolder
from driftseg.training.recipe import Recipe

LENGTHS = {"main": "steps", "early_head": "early_head_steps"}


@dataclass(frozen=True)
class Found:
    """A state to continue from."""

    state: dict[str, Any]
    told: str
    """Where it continues, as text for people."""
    outdated: tuple[str, ...] = ()
    """Phases whose results are made again; they are removed when the training begins."""


def find_state(folder: TrainingFolder, recipe: Recipe, phases: Sequence[str]) -> Found | None:
    """The state that this recipe continues from; None for a new training.

    A longer recipe continues the phase with more steps. Later phases are made again.

    Args:
        folder: of the training.
        recipe: of the new call.
        phases: of the recipe, in order.

    Raises:
        InputError: the folder holds a training with other settings, a longer one, or one that
            is finished.
    """
    current = next((name for name in ("state", "early_head", "main") if folder.has(name)), None)
    if current is None:
        if (folder.path / "last.safetensors").exists():
            raise InputError(
                f"{folder.path}: expected an unfinished training, got a finished one without a "
                "state to lengthen it from. To fix: set another out, or delete this folder"
            )
        return None
    state = folder.state(current)
    lengths = _lengths(folder, state, recipe)
    phase = phases[min(state["phase"], len(phases) - 1)]
    outdated: tuple[str, ...] = ()
    if phase != "main" and "main" in phases and lengths["main"][1] > lengths["main"][0]:
        if not folder.has("main"):
            raise InputError(
                f"{folder.path}: expected finished_main.pt to lengthen the training from, got no "
                "such file. To fix: set another out"
            )
        state, phase, outdated = folder.state("main"), "main", ("early_head",)
    elif current != "state" and phase == phases[-1] and lengths[phase][1] == lengths[phase][0]:
        raise InputError(
            f"{folder.path}: expected an unfinished training, got a finished one. To fix: set "
            "another out, delete this folder, or lengthen the training with --set "
            f"{LENGTHS[phase]}=N, N above {lengths[phase][0]}"
        )
    return Found(state, _told(phase, state["step"], *lengths[phase]), outdated)


def inexact(model: nn.Module, before: int, now: int) -> str:
    """A note if batch normalisation sees other parts of a batch than before.

    Args:
        model: prepared for the phase that continues.
        before: images that it saw at once.
        now: images that it sees at once.
    """
    if before == now or not any(
        isinstance(module, BatchNorm) and module.statistics == "update"
        for module in model.modules()
    ):
        return ""
    return f"; not exactly: batch normalisation sees {now} images at once, before {before}"


def _told(phase: str, step: int, before: int, now: int) -> str:
    told = f"continues in phase {phase} after step {step} of {now}"
    if now > before:
        told += (
            f"; lengthened from {before} steps: the learning rate follows the schedule of {now} "
            "steps from here on"
        )
    return told


def _lengths(
    folder: TrainingFolder, state: dict[str, Any], recipe: Recipe
) -> dict[str, tuple[int, int]]:
    """Steps of each phase, before and now.

    Raises:
        InputError: other settings differ, or a phase is shortened.
    """
    before = json.loads(state["recipe"])
    now = json.loads(json.dumps(asdict(recipe)))
    begun_late = not before["steps"] and recipe.steps > 0
    other = [
        key for key in now
        if now[key] != before.get(key) and (key not in LENGTHS.values() or begun_late)
    ]  # fmt: skip
    if other:
        raise InputError(
            f"{folder.path}: expected an unfinished training with the same settings, got other "
            f"values of {commas(other)}. To fix: set another out, or delete this folder"
        )
    for key in LENGTHS.values():
        if now[key] < before[key]:
            raise InputError(
                f"{folder.path}: expected {key} of at least {before[key]}, as the training there "
                f"has, got {now[key]}. To fix: set {key}={before[key]} or more, or another out"
            )
    return {phase: (before[key], now[key]) for phase, key in LENGTHS.items()}
