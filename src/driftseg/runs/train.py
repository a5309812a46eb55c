"""Trains a source model from a train config."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from driftseg.config.train import TrainConfig
from driftseg.errors import InputError
from driftseg.images.listing import told_unread
from driftseg.labels.spaces import OWN
from driftseg.models.checkpoints import LoadReport
from driftseg.replay.replay import build_replay
from driftseg.runs.classes import with_classes
from driftseg.scenes.dataset import unread_of
from driftseg.scenes.sizes import check_least, squeezed
from driftseg.training.precision import check_precision
from driftseg.training.processes import ALONE, Processes, check_batch, device_of
from driftseg.training.recipe import Execution, Recipe
from driftseg.training.source import SourceTraining

FREE = {"out", "threads", "device", "accumulate", "steps", "early_head_steps"}
"""Settings that may change when a training continues. A later check allows only more steps."""


def build_training(
    config: TrainConfig, processes: Processes = ALONE, *, write: bool = True
) -> tuple[SourceTraining, list[LoadReport]]:
    """Reads the data, builds the model, and continues a training in ``out``.

    Args:
        config: of the training.
        processes: that train together.
        write: whether to make ``out`` and write the config into it.

    Returns:
        The training, and a load report of each file of weights in the config.

    Raises:
        InputError: a part of the config cannot be used.
    """
    training, reports = processes.agreed(lambda: _built(config, processes))
    processes.agreed(lambda: _take_up(training, config))
    if write:
        if processes.first:
            config.out.mkdir(parents=True, exist_ok=True)
            text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
            (config.out / "config.yaml").write_text(text, encoding="utf-8")
        processes.wait()
        processes.agreed(lambda: _check_shared(config.out))
    return training, reports


def _built(config: TrainConfig, processes: Processes) -> tuple[SourceTraining, list[LoadReport]]:
    use_threads(config.threads)
    device = use_device(device_of(config.device, processes))
    check_precision(config.precision, device)
    check_batch(config.sampling.batch_size, processes, config.accumulate)
    torch.manual_seed(config.seed)
    data = with_classes(config.data, config.classes).make()
    validation = with_classes(config.validation, config.classes).make()
    if data.label_space != validation.label_space:
        raise InputError(
            f"validation: expected labels in the label space of data, {data.label_space.title}, "
            f"got {validation.label_space.title}. To fix: set the same label_space in both"
        )
    model, reports = config.model.make(classes=len(data.label_space))
    for section, dataset in (("data", data), ("validation", validation)):
        for told in filter(None, (told_unread(unread_of(dataset)), squeezed(dataset))):
            if processes.first:
                warnings.warn(f"{section}: {told}", stacklevel=4)
    size = config.data.frame_size(data)
    check_least(data, range(len(data)), size, why="the first image has", section="data")
    batches = build_replay(
        data,
        config.sampling,
        config.augmentation,
        size=size,
        capacity=len(data),
        generator=np.random.default_rng(config.seed),
    )
    training = SourceTraining(
        model.to(device),
        Recipe(
            steps=config.steps,
            early_head_steps=config.early_head_steps if config.model.early_head else 0,
            early_head_rare_classes=config.early_head_rare_classes,
            train=tuple(config.train),
            learning_rate=config.learning_rate,
            head_factor=config.head_factor,
            weight_decay=config.weight_decay,
            warm_up=config.warm_up,
            class_weight=config.class_weight,
            validate_every=config.validate_every,
            choose=config.choose,
            half=config.half,
        ),
        batches=batches,
        validation=validation,
        frequencies=batches.frequencies,
        facts={
            "encoder": config.model.encoder,
            "head_width": model.head.width,
            "label_space": data.label_space.name,
            "classes": data.label_space.classes,
            "colours": data.label_space.colours if data.label_space.name == OWN else (),
        },
        out=config.out,
        generator=torch.Generator().manual_seed(config.seed),
        execution=Execution(config.accumulate, config.precision, config.sync_batch_norm),
        processes=processes,
    )
    return training, reports


def use_threads(threads: int | None) -> None:
    """Sets torch's CPU threads if a number is given."""
    if threads is not None:
        torch.set_num_threads(threads)


def use_device(name: str) -> torch.device:
    """The device of that name; InputError if torch does not have it on this machine."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"device: expected a device that this machine has, got {name!r} ({reason}). To fix: "
            "set device=cpu, or install torch for your device"
        ) from None
    return device


def _take_up(training: SourceTraining, config: TrainConfig) -> None:
    """Continues a training in ``out``, with the same settings only."""
    if any(training.folder.has(name) for name in ("state", "main", "early_head")):
        _check_same(config.model_dump(mode="json"), config.out)
    try:
        training.take_up()
    except InputError:
        raise
    except (KeyError, RuntimeError, ValueError) as error:  # of load_state_dict
        raise InputError(
            f"out: expected a readable training state, got a damaged one in {config.out} "
            f"({type(error).__name__}). To fix: delete {config.out} to start again"
        ) from None


def _check_same(values: dict[str, Any], out: Path) -> None:
    try:
        begun = yaml.safe_load((out / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        begun = None
    begun = begun if isinstance(begun, dict) else {}
    other = [
        key for key in {**values, **begun}
        if key not in FREE and values.get(key) != begun.get(key)
    ]  # fmt: skip
    if other:
        raise InputError(
            "out: expected an unfinished training with the same settings, got other values of "
            f"{', '.join(other)} in {out}. To fix: set another out, or delete that folder"
        )


def _check_shared(out: Path) -> None:
    if not (out / "config.yaml").is_file():
        raise InputError(
            f"out: expected a folder that all processes see, got {out}, which some do not. To fix: "
            "set out to a folder on a disk that all machines share"
        )
