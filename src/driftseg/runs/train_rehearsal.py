"""A trial of a training on a few steps; nothing is kept."""

from __future__ import annotations

import time
from dataclasses import dataclass

from driftseg.config.train import TrainConfig
from driftseg.models.checkpoints import LoadReport
from driftseg.models.trainable import trainable_names
from driftseg.runs.rehearsal import check_out
from driftseg.runs.train import build_training
from driftseg.training.processes import ALONE, Processes

STEPS = 2
"""Steps to try; the first is slow because of the warm-up, the last one counts."""


@dataclass(frozen=True)
class TrainRehearsal:
    """A preview of a training."""

    loaded: tuple[LoadReport, ...]
    encoder: str
    classes: int
    trained: tuple[int, int]
    """Numbers of tensors and parameters that the main phase trains."""
    parameters: int
    """Number of parameters of the whole model."""
    scenes: int
    validation: int
    """Number of validation scenes."""
    size: tuple[int, int]
    """(width, height) of the training images."""
    batch: int
    processes: int
    accumulate: int
    precision: str
    device: str
    phases: tuple[tuple[str, int], ...]
    """Names and steps of the phases."""
    validations: int
    continues: str | None
    """Where it continues; None for a new training."""
    out: str
    step_seconds: tuple[float, ...]
    """Seconds of each tried step."""
    validation_seconds: float
    """Seconds of one validation scene in each process."""
    building: float
    """Seconds until the first step."""

    @property
    def seconds(self) -> float:
        """Estimate for the whole training, from the last tried step, and for its validations."""
        steps = sum(steps for _, steps in self.phases) * self.step_seconds[-1]
        scoring = self.validations * self.validation / self.processes * self.validation_seconds
        return self.building + steps + scoring


def rehearse_training(config: TrainConfig, processes: Processes = ALONE) -> TrainRehearsal:
    """Builds a training, makes two steps, and writes nothing.

    Raises:
        InputError: a part of the config cannot be used.
    """
    started = time.perf_counter()
    check_out(config.out)
    training, reports = build_training(config, processes, write=False)
    building = time.perf_counter() - started
    model, data = training.model, training.batches
    parameters = dict(model.named_parameters())
    names = trainable_names(model, config.train)
    taken, validation_seconds = training.rehearse(STEPS)
    every = config.validate_every
    return TrainRehearsal(
        loaded=tuple(reports),
        encoder=config.model.encoder,
        classes=model.classes,
        trained=(len(names), sum(parameters[name].numel() for name in names)),
        parameters=sum(parameter.numel() for parameter in parameters.values()),
        scenes=len(data),
        validation=len(training.validation),
        size=data.size,
        batch=data.batch_size,
        processes=processes.count,
        accumulate=config.accumulate,
        precision=config.precision,
        device=str(next(model.parameters()).device),
        phases=tuple(training.phases),
        validations=sum(-(-steps // every) for _, steps in training.phases),
        continues=training.continues,
        out=str(config.out),
        step_seconds=tuple(taken),
        validation_seconds=validation_seconds,
        building=building,
    )
