"""A trial of a run on its first frames; nothing is kept."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.methods.device_clock import device_clock
from driftseg.runs.build import Parts, build
from driftseg.runs.held_out import HeldOut
from driftseg.trackers.table import check_installed

FRAMES = 2
"""Frames to try; the first is slow because of the warm-up, the last one counts."""


@dataclass(frozen=True)
class Timing:
    """Seconds of one frame."""

    reading: float
    """Reading and rendering."""
    answering: float
    learning: float
    learnt: bool
    """Whether the method learnt from it."""

    @property
    def seconds(self) -> float:
        """The sum."""
        return self.reading + self.answering + self.learning


@dataclass(frozen=True)
class Rehearsal:
    """A preview of a run."""

    size: tuple[int, int]
    """(width, height) of the images for adaptation."""
    frames: int
    visits: tuple[tuple[str, int], ...]
    """Domain and number of frames of each visit, in order."""
    trained: tuple[int, int]
    """Number of tensors and of parameters that may be trained."""
    statistics: int
    """Number of batch-norm layers whose statistics follow the target, where nothing is trained."""
    parameters: int
    """Number of parameters of the whole network."""
    held_out: Mapping[str, int]
    """Number of held-out frames of each domain."""
    checkpoint: str
    notes: tuple[str, ...]
    timings: tuple[Timing, ...]
    scoring: float
    """Seconds of one held-out frame: the mean over one frame per domain."""
    building: float
    """Seconds until the first frame."""

    @property
    def stream_seconds(self) -> float:
        """Estimate for the whole stream, from the last tried frame."""
        return self.frames * self.timings[-1].seconds

    @property
    def evaluation_seconds(self) -> float:
        """Estimate at most: before the first frame and after every visit."""
        times = len(self.visits) + 1 if self.trained[0] or self.statistics else 1
        return times * sum(self.held_out.values()) * self.scoring


def rehearse(config: RunConfig) -> Rehearsal:
    """Builds a run, predicts and learns on two frames, and writes nothing.

    Raises:
        InputError: the config, the data or the checkpoint cannot be used.
    """
    started = time.perf_counter()
    check_out(config.out)
    check_installed(config.trackers or ())
    parts = build(config)
    try:
        return _rehearse(parts, time.perf_counter() - started)
    finally:
        parts.data.close()


def _rehearse(parts: Parts, building: float) -> Rehearsal:
    model, stream = parts.model, parts.stream
    clock = device_clock(model.roles.device)
    timings, size = [], (0, 0)
    weights = dict(model.roles.network.module.named_parameters())
    names = model.roles.trainable
    layers = {name.rpartition(".")[0] for name in model.roles.moving_statistics()}
    before = {name: weights[name].detach().clone() for name in names} if layers else {}
    asked = clock()
    for frame in itertools.islice(stream, FRAMES):
        started = clock()
        model.predict(frame.image)
        answered = clock()
        done = model.learn()
        learnt = clock()
        timings.append(Timing(started - asked, answered - started, learnt - answered, done.trained))
        height, width = frame.image.shape[:2]
        size, asked = (width, height), clock()
    if not timings:
        raise InputError(
            "target: expected readable frames, got none in the stream. To fix: check the files "
            "with driftseg data check"
        )
    scoring = _score_one_each(parts)
    learnt_once = any(timing.learnt for timing in timings)
    still = learnt_once and all(torch.equal(weights[name], old) for name, old in before.items())
    if statistics_alone := bool(layers) and still:
        names = ()
    return Rehearsal(
        size=size,
        frames=len(stream),
        visits=tuple((v.domain, stream.frames_of(i)) for i, v in enumerate(parts.visits)),
        trained=(len(names), sum(weights[name].numel() for name in names)),
        statistics=len(layers) if statistics_alone else 0,
        parameters=sum(parameter.numel() for parameter in weights.values()),
        held_out={name: len(dataset) for name, (dataset, _) in parts.held_out.items()},
        checkpoint=f"{parts.checkpoint.path} ({parts.checkpoint.encoder})",
        notes=parts.notes,
        timings=tuple(timings),
        scoring=scoring,
        building=building,
    )


def _score_one_each(parts: Parts) -> float:
    """Seconds per held-out frame; reads one per domain with its label and predicts it."""
    frames, clock = HeldOut(parts, 0, 0), device_clock(parts.model.roles.device)
    started = clock()
    for domain in parts.held_out:
        image, _ = frames.frame(domain, 0)
        parts.model.answers(image)
    return (clock() - started) / max(1, len(parts.held_out))


def check_out(out: Path) -> None:
    """Checks that a run's folder could be made, without making it."""
    there = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    if not there.is_dir():
        raise InputError(
            f"out: expected a folder, got the file {there}. To fix: set out to a folder"
        )
    if not os.access(there, os.W_OK):
        raise InputError(
            f"out: expected a folder that can be written to, got {there}. To fix: set out to "
            "another folder, or change its permissions"
        )
