"""From a checked run config to the parts of a run; config stops here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import torch

from driftseg.data.datasets.files import Dataset, select
from driftseg.data.schedule import (
    Visit,
    domains,
    fast_storm,
    foggy,
    random_storm,
    storm,
    with_directions,
)
from driftseg.data.stream import Stream, Weather
from driftseg.data.weather.camera import CAMERAS
from driftseg.errors import InputError
from driftseg.labels import LabelSpace
from driftseg.methods import Dacs, Method, SourceOnly, Tent
from driftseg.models.checkpoints import CheckpointInfo, load_checkpoint
from driftseg.models.roles import Roles
from driftseg.models.segmenter import Segmenter
from driftseg.models.trainable import trainable_names
from driftseg.runs import config as settings
from driftseg.runs.config import Preset, RunConfig
from driftseg.runs.datasets import build_dataset, build_replay, frame_size
from driftseg.runs.notes import make_notes
from driftseg.runs.train import use_device, use_threads

BUNDLED = "town_mit_b0.safetensors"


@dataclass(frozen=True)
class Parts:
    """Everything a run is made of."""

    method: Method
    stream: Stream
    held_out: Mapping[str, tuple[Dataset, Visit]]
    """Per domain, its held-out frames and how they are to look."""
    home: str
    """The domain that forgetting is measured on."""
    weather: Weather
    label_space: LabelSpace
    checkpoint: CheckpointInfo
    notes: tuple[str, ...]

    @property
    def visits(self) -> list[Visit]:
        """The schedule."""
        return self.stream.visits


def build(config: RunConfig) -> Parts:
    """Reads data and checkpoint and makes the method.

    Raises:
        InputError: anything in the config that cannot be met; nothing has been written.
    """
    use_threads(config.threads)
    device = use_device(config.device)
    target = build_dataset(config.target)
    model, info = load_model(config)
    space = target.label_space
    _check_classes(info, space)
    weather = Weather(CAMERAS[config.camera], space, config.weather_seed, config.severity)
    visits = build_schedule(config)
    size = frame_size(config.target, target)
    stream = build_stream(config, target, visits, weather, size)
    source = None if config.source is None else build_dataset(config.source)
    held_out = build_held_out(config, visits, space)
    home = visits[0].domain if config.home is None else config.home
    if held_out and home not in held_out:
        raise InputError(f"home: no held-out frames are called {home!r}; known: {[*held_out]}")
    notes = make_notes(visits, target, held_out, source, stream)
    method = build_method(config, model.to(device), source, size)
    return Parts(method, stream, held_out, home, weather, space, info, tuple(notes))


def build_held_out(
    config: RunConfig, visits: list[Visit], space: LabelSpace
) -> dict[str, tuple[Dataset, Visit]]:
    """Every domain's held-out frames: its own, or the common ones in its weather."""
    common = None if config.evaluation is None else build_dataset(config.evaluation)
    own = {name: build_dataset(data) for name, data in config.evaluations.items()}
    for name, dataset in own.items():
        if dataset.label_space != space:
            raise InputError(
                f"evaluations.{name} is labelled in {dataset.label_space.name}, the target in "
                f"{space.name}; both must share one label space"
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


def build_schedule(config: RunConfig) -> list[Visit]:
    """The visits that the schedule section describes."""
    section = config.schedule
    if isinstance(section, Preset):
        if section.preset == "random_storm":
            visits = 21 if section.visits is None else section.visits
            return random_storm(
                np.random.default_rng(section.seed or 0),
                visits=visits, frames=section.frames, passes=section.passes,
            )  # fmt: skip
        preset = {"storm": storm, "fast_storm": fast_storm, "fog": foggy}[section.preset]
        return preset(frames=section.frames, passes=section.passes)
    return with_directions(
        [Visit(d.name, d.rain, d.visibility, tuple(d.include), d.frames, d.passes) for d in section]
    )


def build_stream(
    config: RunConfig, target: Dataset, visits: list[Visit], weather: Weather, size: tuple[int, int]
) -> Stream:
    """The target's frames in the schedule's weather; ``size`` is that of a whole frame."""
    crop = config.crop
    if crop is not None and (crop[0] > size[0] or crop[1] > size[1]):
        raise InputError(
            f"crop: the target's frames are {size[0]}x{size[1]}, smaller than the crop of "
            f"{crop[0]}x{crop[1]}; set a crop no larger than the frames, or null for whole ones"
        )
    return Stream(
        target,
        visits,
        weather=weather,
        corrupt_share=config.corrupt_share,
        generator=np.random.default_rng(config.stream_seed),
        shuffled=config.order == "shuffled",
        crop=crop,
    )


def load_model(config: RunConfig) -> tuple[Segmenter, CheckpointInfo]:
    """The source model, checked against the encoder that the config expects."""
    wanted = None if config.model is None else config.model.encoder
    if config.checkpoint is None:
        with as_file(files("driftseg") / "assets" / BUNDLED) as path:
            model, info = load_checkpoint(path)
    else:
        path = Path(config.checkpoint.replace("{encoder}", wanted or "{encoder}"))
        if not path.is_file():
            raise InputError(
                f"checkpoint {path}: no such file; make it with driftseg train, or set checkpoint"
            )
        model, info = load_checkpoint(path)
    if wanted is not None and info.encoder != wanted:
        raise InputError(
            f"checkpoint {info.path} holds the encoder {info.encoder}, the run asks for {wanted}; "
            f"set model.encoder={info.encoder}, or name another checkpoint"
        )
    return model, info


def build_method(
    config: RunConfig, model: Segmenter, source: Dataset | None, size: tuple[int, int]
) -> Method:
    """The method that the config names, with its roles, generators and replay."""
    method = config.method
    if isinstance(method, settings.SourceOnly):
        return SourceOnly(Roles(model, []))
    if isinstance(method, settings.Tent):
        roles = Roles(
            model, trainable_names(model, ["norms"]), norm_statistics=method.norm_statistics
        )
        return Tent(roles, learning_rate=method.learning_rate)
    if source is None:
        raise InputError(f"method {method.name} learns from labelled source scenes: set source")
    return _build_dacs(config, method, model, source, size)


def _build_dacs(
    config: RunConfig,
    method: settings.Dacs,
    model: Segmenter,
    source: Dataset,
    size: tuple[int, int],
) -> Dacs:
    classes = source.label_space.classes
    if len(classes) != model.head.classes:
        raise InputError(
            f"the source is labelled in {source.label_space.name} ({len(classes)} classes), the "
            f"model knows {model.head.classes}; both must share one label space"
        )
    assert config.source is not None
    width, height = frame_size(config.source, source)
    if width < size[0] or height < size[1]:
        raise InputError(
            f"source scenes are {width}x{height}, frames {size[0]}x{size[1]}; nothing is enlarged "
            "silently: set a smaller target.size, or larger source scenes"
        )
    crop = config.crop or size
    if sum(method.ignored_rows) >= crop[1]:
        raise InputError(
            f"method.ignored_rows {list(method.ignored_rows)} leave nothing of {crop[1]} rows"
        )
    unknown = sorted(set(method.feature_distance_classes) - set(classes))
    if unknown:
        raise InputError(
            f"method.feature_distance_classes: {unknown} are no classes of {list(classes)}"
        )
    looked_at = method.feature_distance_classes or classes
    roles = Roles(
        model,
        trainable_names(model, method.train),
        norm_statistics=method.norm_statistics,
        teacher=True,
        static=method.feature_distance > 0,
    )
    replay = build_replay(
        source,
        config.replay,
        config.replay.augmentation,
        size=crop,
        view=size,
        capacity=config.replay.capacity,
        generator=np.random.default_rng([config.seed, 1]),
    )
    return Dacs(
        roles,
        replay,
        learning_rate=method.learning_rate,
        head_factor=method.head_factor,
        weight_decay=method.weight_decay,
        teacher_momentum=method.teacher_momentum,
        confidence_threshold=method.confidence_threshold,
        mix_ratio=method.mix_ratio,
        ignored_rows=method.ignored_rows,
        jitter=method.jitter,
        blur=method.blur,
        feature_distance_weight=method.feature_distance,
        feature_distance_classes=[classes.index(name) for name in looked_at],
        generator=np.random.default_rng([config.seed, 2]),
        dropout_generator=torch.Generator().manual_seed(config.seed),
    )


def _check_classes(info: CheckpointInfo, space: LabelSpace) -> None:
    if info.classes != space.classes:
        raise InputError(
            f"checkpoint {info.path} knows {len(info.classes)} classes of {info.label_space}, the "
            f"target is labelled in {space.name} with {len(space)}; both must share one label space"
        )
