"""From a train config to a trained source model."""

from __future__ import annotations

import pickle
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
from driftseg.training.source import Recipe, SourceTraining


def build_training(config: TrainConfig) -> tuple[SourceTraining, list[LoadReport]]:
    """Reads the data, builds the model, and takes up an unfinished training found in ``out``.

    Also returns what became of every file of weights that the config names.

    Raises:
        InputError: anything in the config that cannot be met.
    """
    use_threads(config.threads)
    device = use_device(config.device)
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
            warnings.warn(f"{section}: {told}", stacklevel=2)
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
    )
    _resume(training, config)
    return training, reports


def use_threads(threads: int | None) -> None:
    """Sets torch's CPU threads where a number is given."""
    if threads is not None:
        torch.set_num_threads(threads)


def use_device(name: str) -> torch.device:
    """The device of that name; InputError when torch has no such device here."""
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


def _resume(training: SourceTraining, config: TrainConfig) -> None:
    state = config.out / "state.pt"
    values = config.model_dump(mode="json")
    if state.is_file():
        _check_same(values, config.out)
        try:
            training.load_state_dict(torch.load(state, weights_only=True))
        except (pickle.UnpicklingError, EOFError, KeyError, RuntimeError, OSError) as error:
            raise InputError(
                f"{state}: expected a readable training state, got a damaged one "
                f"({type(error).__name__}). To fix: delete {config.out} and start again"
            ) from None
    elif (config.out / "last.safetensors").exists():
        raise InputError(
            f"out: expected a folder without a finished training, got {config.out}. To fix: set "
            "another out, or delete that folder"
        )
    config.out.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(values, sort_keys=False)
    (config.out / "config.yaml").write_text(text, encoding="utf-8")


def _check_same(values: dict[str, Any], out: Path) -> None:
    """An unfinished training goes on only with the settings it began with."""
    free = {"out", "threads", "device"}
    try:
        begun = yaml.safe_load((out / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        begun = None
    begun = begun if isinstance(begun, dict) else {}
    other = [key for key in values if key not in free and values[key] != begun.get(key)]
    if other:
        raise InputError(
            "out: expected an unfinished training with the same settings, got other values of "
            f"{', '.join(other)} in {out}. To fix: set another out, or delete that folder"
        )
