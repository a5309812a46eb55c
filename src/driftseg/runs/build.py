"""Makes the parts of a run from a checked config; later code does not use the config."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch

from driftseg.config.run import RunConfig
from driftseg.control.calibration import Calibration
from driftseg.errors import InputError, commas
from driftseg.frame import Label
from driftseg.labels import (
    LabelMapping,
    LabelSpace,
)
from driftseg.methods.adaptive import AdaptiveModel
from driftseg.models.adapters.settings import check_adapters
from driftseg.models.checkpoints import (
    CheckpointInfo,
)
from driftseg.models.network import Network
from driftseg.runs.adapting import Source, make_adaptive, seeded
from driftseg.runs.calibrate import calibrate
from driftseg.runs.classes import (
    build_scoring,
    check_same_number,
    data_classes,
    name_classes,
    with_model_classes,
)
from driftseg.runs.data import RunData
from driftseg.runs.notes import make_notes, mapping_notes
from driftseg.runs.pacing import Pacing, pacing_of
from driftseg.runs.source_model import in_order, load_model
from driftseg.runs.train import use_device, use_threads
from driftseg.scenes.dataset import Dataset, select
from driftseg.scenes.live import LiveScenes
from driftseg.scenes.sizes import check_least
from driftseg.stream.schedule import Visit, domains, make_schedule
from driftseg.stream.stream import Stream
from driftseg.weather.camera import camera_of
from driftseg.weather.weather import Weather

AHEAD = 3
"""Frames of the stream that are read and rendered in advance."""


@dataclass(frozen=True)
class Parts:
    """All parts of a run."""

    model: AdaptiveModel
    stream: Stream
    held_out: Mapping[str, tuple[Dataset, Visit]]
    """For each domain, its held-out frames and their weather."""
    home: str
    """The domain that forgetting is measured on."""
    weather: Weather
    label_space: LabelSpace
    """The label space of scores: the target's."""
    checkpoint: CheckpointInfo
    notes: tuple[str, ...]
    data: RunData
    """All datasets of the run."""
    pacing: Pacing
    """Whether the stream waits for the method."""
    calibration: Calibration | None = None
    scoring: LabelMapping | None = None
    """The mapping of predictions to the label space; None if it is the model's own."""

    def scored(self, prediction: Label) -> Label:
        """A prediction for scoring: ids of the label space, or 255, which is always wrong."""
        return prediction if self.scoring is None else self.scoring.apply(prediction)

    @property
    def visits(self) -> list[Visit]:
        """The schedule."""
        return self.stream.visits


def build(config: RunConfig) -> Parts:
    """Reads data and checkpoint and makes the method; the caller closes the parts.

    Raises:
        InputError: a part of the config cannot be used; nothing was written, and nothing stays
            open.
    """
    use_threads(config.threads)
    device, data = use_device(config.device), RunData()
    try:
        return _build(config, device, data)
    except BaseException:
        data.close()
        raise


def _build(config: RunConfig, device: torch.device, data: RunData) -> Parts:
    method = config.method
    adapters = check_adapters(config.adapters, method.needs().train, method=method.name)
    model, info = load_model(config)
    info = name_classes(info, config.classes)
    target = open_target(config, info, data)
    space = target.label_space
    info = in_order(model, info, config, space)
    scoring = build_scoring(config, info, space)
    known = space if scoring is None else scoring.source
    weather = build_weather(config, space)
    visits = make_schedule(config.schedule)
    size = config.target.frame_size(target)
    stream = build_stream(config, target, visits, weather, size)
    if config.crop is not None or method.needs().as_large_as_source:
        why = "the crop needs" if config.crop else f"learning by {method.name} needs"
        least = config.crop or size
        check_least(target, (number for _, number in stream.plan), least, why=why)
    source = None if config.source is None else data.open("source", config.source, config.classes)
    check_same_number(source, known)
    if config.label_free is not None:
        held = data.open("label_free.source", config.label_free.source, config.classes)
        if len(held.label_space) != len(known):
            raise InputError(
                f"label_free.source: expected the {len(known)} classes of the model, got "
                f"{len(held.label_space)}. To fix: label it in the model's classes"
            )
        check_same_number(held, known)
        if isinstance(target, LiveScenes):
            raise InputError(
                "label_free: expected a target whose frames can be read again, got a live one. "
                "To fix: remove label_free"
            )
    if config.pace is not None and isinstance(target, LiveScenes):
        raise InputError(
            "pace: expected a target whose frames can wait for the simulation, got a live one. To "
            "fix: remove pace, or record the camera and run on its video"
        )
    held_out = build_held_out(config, visits, space, data)
    home = visits[0].domain if config.home is None else config.home
    if held_out and home not in held_out:
        raise InputError(
            f"home: expected a domain with held-out frames, got {home!r}. To fix: set home to one "
            f"of {commas(held_out)}"
        )
    notes = make_notes(visits, target, held_out, source, stream, learns=bool(method.needs().train))
    notes += [*mapping_notes(config, scoring), *info.notes]
    if adapters is not None and config.adapters is not None:
        generator = seeded(config.seed, "adapters")
        notes.append(config.adapters.put_into(model, adapters, generator))
    model.module.to(device)
    calibration = None
    if config.calibration is not None and method.needs_calibration:
        calibration = build_calibration(
            config, model, build_weather(config, known), size, data
        )  # source frames have the model's label space, not that of scores
    adaptive = make_adaptive(
        method,
        model,
        source=_source(config, source),
        classes=known.classes,
        size=size,
        crop=config.crop,
        replay=config.replay,
        calibration=calibration,
        adapter_factor=1.0 if config.adapters is None else config.adapters.factor,
        seed=config.seed,
        guard=config.guard,
    )
    if adaptive.protection is not None:
        notes.append(adaptive.protection.note)
    return Parts(
        adaptive,
        stream,
        held_out,
        home,
        weather,
        space,
        info,
        tuple(notes),
        data,
        pacing_of(config.pace, adaptive),
        calibration,
        scoring,
    )


def open_target(config: RunConfig, info: CheckpointInfo, data: RunData) -> Dataset:
    """The target's frames; without labels and stated classes, they have the model's classes."""
    classes, section = data_classes(config), config.target
    if classes is None and config.score_in is None and config.mapping is None:
        section = with_model_classes(section, info)
    return data.open("target", section, classes, camera_of(config.camera))


def calibrated(config: RunConfig) -> tuple[Calibration, CheckpointInfo]:
    """The calibration that a run of this config would measure."""
    with closing(RunData()) as data:
        return _calibrated(config, data)


def _calibrated(config: RunConfig, data: RunData) -> tuple[Calibration, CheckpointInfo]:
    method = config.method
    adapters = check_adapters(config.adapters, method.needs().train, method=method.name)
    model, info = load_model(config)
    info = name_classes(info, config.classes)
    if adapters is not None and config.adapters is not None:
        config.adapters.put_into(model, adapters, seeded(config.seed, "adapters"))
    target = open_target(config, info, data)
    info = in_order(model, info, config, target.label_space)
    scoring = build_scoring(config, info, target.label_space)
    space = target.label_space if scoring is None else scoring.source
    weather = build_weather(config, space)
    size = config.target.frame_size(target)
    return build_calibration(config, model, weather, size, data), info


def _source(config: RunConfig, source: Dataset | None) -> Source | None:
    if source is None or config.source is None:
        return None
    return Source(source, config.source.frame_size(source))


def build_weather(config: RunConfig, space: LabelSpace) -> Weather:
    """The weather renderer for scenes of a label space."""
    return Weather(camera_of(config.camera), space, config.weather_seed, config.severity)


def build_calibration(
    config: RunConfig, model: Network, weather: Weather, size: tuple[int, int], data: RunData
) -> Calibration:
    """Measures the model on held-out source frames before it learns.

    Args:
        config: its calibration section names the frames; its method is measured.
        model: in its state at the start.
        weather: renders rain.
        size: (width, height) of the stream's frames, before any crop.
        data: opens them.
    """
    calibration = config.calibration
    assert calibration is not None
    where = "calibration.data"
    dataset = data.open(where, calibration.data, config.classes, weather.camera)
    if dataset.label_space != weather.label_space:
        raise InputError(
            "calibration.data: expected labels in the label space of the model, "
            f"{weather.label_space.title}, got {dataset.label_space.title}. To fix: set "
            "calibration.data.label_space to the model's, if the labels can be mapped to it"
        )
    found = calibration.data.frame_size(dataset)
    if found != size:
        raise InputError(
            f"calibration.data: expected frames of the target's size {size[0]}x{size[1]}, on which "
            f"signal and confidence depend, got {found[0]}x{found[1]}. To fix: set "
            "calibration.data.size to the target's"
        )
    return calibrate(
        model, dataset, weather, rates=calibration.rain, method=config.method
    )  # fmt: skip


def build_held_out(
    config: RunConfig, visits: list[Visit], space: LabelSpace, data: RunData
) -> dict[str, tuple[Dataset, Visit]]:
    """Held-out frames of every domain: its own, or the common frames in its weather."""
    camera, classes = camera_of(config.camera), data_classes(config)
    common = None
    if config.evaluation is not None:
        common = data.open("evaluation", config.evaluation, classes, camera)
    own = {
        name: data.open(f"evaluations.{name}", section, classes, camera)
        for name, section in config.evaluations.items()
    }
    sets = {f"evaluations.{name}": dataset for name, dataset in own.items()}
    sets |= {} if common is None else {"evaluation": common}
    for name, dataset in sets.items():
        if dataset.label_space != space:
            raise InputError(
                f"expected {name} in the target's label space, {space.title}, got "
                f"{dataset.label_space.title}. To fix: state the classes of both in their sections"
            )
    every = domains(visits) | {name: Visit(name) for name in own if name not in domains(visits)}
    found: dict[str, tuple[Dataset, Visit]] = {}
    for name, visit in every.items():
        if name in own:
            found[name] = (own[name], visit)
        elif common is not None:
            where = f"evaluation (or name evaluations.{name})"
            matching = select(common, include=visit.include, where=where)
            found[name] = (matching if visit.include else common, visit)
    return found


def build_stream(
    config: RunConfig, target: Dataset, visits: list[Visit], weather: Weather, size: tuple[int, int]
) -> Stream:
    """The target's frames in the schedule's weather; ``size`` is that of a whole frame."""
    crop = config.crop
    if crop is not None and (crop[0] > size[0] or crop[1] > size[1]):
        raise InputError(
            f"crop: expected a window no larger than the target's frames, {size[0]}x{size[1]}, got "
            f"{crop[0]}x{crop[1]}. To fix: set a smaller crop, or null for whole frames"
        )
    stream = Stream(
        target,
        visits,
        weather=weather,
        corrupt_share=config.corrupt_share,
        generator=np.random.default_rng(config.stream_seed),
        shuffled=config.order == "shuffled",
        crop=crop,
        ahead=0 if isinstance(target, LiveScenes) else AHEAD,  # no future frames of a camera
    )
    if isinstance(target, LiveScenes):
        target.check_order([number for _, number in stream.plan])
    return stream
