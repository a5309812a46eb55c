"""From a config's data section to a dataset."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from driftseg.errors import InputError
from driftseg.labels import LABEL_SPACES, LabelMapping, LabelSpace, find_mapping
from driftseg.replay.replay import Replay
from driftseg.replay.transforms import Augmentation
from driftseg.runs.config import AugmentationSettings, SamplingSettings
from driftseg.runs.data_config import Data, FolderData, LayoutData, TownData, WeatherSetData
from driftseg.runs.depth_builder import build_depth
from driftseg.runs.video_config import CameraData, ImagesData, VideoData
from driftseg.runs.weather_config import WeatherAugmentation, camera_of
from driftseg.scenes.capture import open_live, without_password
from driftseg.scenes.dataset import Dataset, SceneFiles, check_one_size, select
from driftseg.scenes.folder import folder
from driftseg.scenes.layouts import LAYOUTS, scenes
from driftseg.scenes.live import LiveScenes
from driftseg.scenes.sequence import sequence
from driftseg.scenes.video import VideoScenes
from driftseg.town.scenes import TownScenes
from driftseg.weather.camera import CITYSCAPES, Camera
from driftseg.weather.random_weather import RandomWeather
from driftseg.weather_sets.reading import weather_set

_LAYOUTS = {layout.name: layout for layout in LAYOUTS}


def build_dataset(data: Data, camera: Camera = CITYSCAPES) -> Dataset:
    """The scenes that a data section describes; the camera is what their depth is made with.

    Raises:
        InputError: the folder is missing, empty or in another layout, nothing is selected,
            labels are missing or cannot be told in the space asked for, or sizes differ.
    """
    if isinstance(data, TownData):
        return TownScenes(
            seed=data.seed, frames=data.frames, start=data.start, every=data.every, size=data.size
        )
    if isinstance(data, ImagesData | VideoData | CameraData):
        return _unlabelled(data)
    if isinstance(data, FolderData):
        found = folder(
            data.root,
            label_space=label_space(data.label_space, "label_space"),
            labels=data.labels,
            size=data.size,
        )
    elif isinstance(data, WeatherSetData):
        space = data.label_space
        found = weather_set(
            data.root,
            split=data.split,
            domain=data.domain,
            label_space=None if space is None else label_space(space, "label_space"),
            size=data.size,
        )
    else:
        found = _laid_out(data)
    found = found.with_depth(
        build_depth(data.depth, found, kind=data.kind, root=_root(data), camera=camera)
    )
    chosen = select(
        found,
        include=data.include,
        exclude=data.exclude,
        start=data.start,
        stop=data.stop,
        where=str(data.root),
    )
    if isinstance(data, LayoutData | WeatherSetData) and data.size is None:
        check_one_size([found.entries[i] for i in chosen.indices])
    return chosen


def _unlabelled(data: ImagesData | VideoData | CameraData) -> Dataset:
    """Frames of a source that has no labels."""
    space = label_space(data.label_space, "label_space")
    if isinstance(data, CameraData):
        source = data.device if data.url is None else os.path.expandvars(data.url)
        assert source is not None  # the config has seen to it
        return LiveScenes(
            lambda: open_live(source, patience=data.patience),
            where=f"camera {source}" if isinstance(source, int) else without_password(source),
            label_space=space,
            frames=data.frames,
            newest=data.newest,
            reconnections=data.reconnections,
            patience=data.patience,
            size=data.size,
        )
    if isinstance(data, VideoData):
        return VideoScenes(
            data.path, label_space=space, start=data.start, stop=data.stop, every=data.every,
            size=data.size,
        )  # fmt: skip
    images = sequence(
        data.pattern, label_space=space, start=data.start, stop=data.stop, every=data.every,
        size=data.size,
    )  # fmt: skip
    if data.size is None:
        check_one_size(images.entries)
    return images


def _laid_out(data: LayoutData) -> SceneFiles:
    """Scenes in an authors' layout."""
    told = None if data.label_space is None else label_space(data.label_space, "label_space")
    return scenes(
        _LAYOUTS[data.kind], _root(data), split=data.split, domain=data.domain, size=data.size,
        label_space=told,
    )  # fmt: skip


def _root(data: FolderData | WeatherSetData | LayoutData) -> Path:
    if data.root is None:
        title = _LAYOUTS[data.kind].title
        raise InputError(f"{title}'s folder is not known: pass --data FOLDER, or set root")
    return data.root


def told_in(data: Data) -> LabelMapping | None:
    """How a section's labels are told in another space than their dataset's, where they are."""
    if not isinstance(data, LayoutData) or data.label_space is None:
        return None
    own = _LAYOUTS[data.kind].label_space
    mapping = find_mapping(own, label_space(data.label_space, "label_space"))
    return None if mapping is None or mapping.target == own else mapping


def label_space(name: str, key: str) -> LabelSpace:
    """The label space of that name; ``key`` is the setting that names it."""
    if name not in LABEL_SPACES:
        raise InputError(f"{key}: no label space is called {name!r}; known: {list(LABEL_SPACES)}")
    return LABEL_SPACES[name]


def frame_size(data: Data, dataset: Dataset) -> tuple[int, int]:
    """(width, height) of a dataset's images: the size it is shrunk to, or its first image's."""
    if data.size is not None:
        return data.size
    height, width = dataset.scene(0).image.shape[:2]
    return width, height


def build_replay(
    dataset: Dataset,
    sampling: SamplingSettings,
    augmentation: AugmentationSettings,
    *,
    size: tuple[int, int],
    view: tuple[int, int] | None = None,
    capacity: int,
    generator: np.random.Generator,
) -> Replay:
    """Labelled batches of ``size``, from scenes fitted to ``view`` (or ``size``); reads labels."""
    return Replay(
        dataset,
        augmentation=Augmentation(
            size,
            view=view,
            scale=augmentation.scale,
            flip=augmentation.flip,
            photometric=augmentation.photometric,
            weather=_random_weather(augmentation.weather, dataset.label_space),
        ),
        capacity=capacity,
        batch_size=sampling.batch_size,
        rare_classes=sampling.rare_classes,
        temperature=sampling.temperature,
        minimum_share=sampling.minimum_share,
        generator=generator,
    )


def _random_weather(
    section: WeatherAugmentation | None, label_space: LabelSpace
) -> RandomWeather | None:
    if section is None:
        return None
    return RandomWeather(
        tuple(section.kinds),
        label_space,
        chance=section.chance,
        camera=camera_of(section.camera),
        severity=section.severity,
    )
