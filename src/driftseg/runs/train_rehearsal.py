"""A training tried on a few steps, of which nothing is kept."""

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
"""The first is slow, for everything is done for the first time; the last one counts."""


@dataclass(frozen=True)
class TrainRehearsal:
    """What a training would be."""

    loaded: tuple[LoadReport, ...]
    encoder: str
    classes: int
    trained: tuple[int, int]
    """Number of tensors and of parameters that the main phase trains."""
    parameters: int
    """Of the whole model."""
    scenes: int
    validation: int
    """Number of validation scenes."""
    size: tuple[int, int]
    """(width, height) of what is trained on."""
    batch: int
    processes: int
    accumulate: int
    precision: str
    device: str
    phases: tuple[tuple[str, int], ...]
    """Names and steps."""
    validations: int
    continues: str | None
    """Where it continues; None is a new training."""
    out: str
    step_seconds: tuple[float, ...]
    """Of each step that was tried."""
    validation_seconds: float
    """Of one validation scene in each process."""
    building: float
    """Seconds until the first step."""

    @property
    def seconds(self) -> float:
        """Estimate for the whole training: steps like the last one tried, and validations."""
        steps = sum(steps for _, steps in self.phases) * self.step_seconds[-1]
        scoring = self.validations * self.validation / self.processes * self.validation_seconds
        return self.building + steps + scoring


def rehearse_training(config: TrainConfig, processes: Processes = ALONE) -> TrainRehearsal:
    """Builds a training, makes two steps, and writes nothing.

    Raises:
        InputError: anything in the config that cannot be met.
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
