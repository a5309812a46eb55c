"""From a config's data section to a dataset."""

from __future__ import annotations

import numpy as np

from driftseg.data.datasets.camvid import camvid
from driftseg.data.datasets.files import Dataset, select
from driftseg.data.datasets.folder import folder
from driftseg.data.datasets.town import TownScenes
from driftseg.data.replay import Replay
from driftseg.data.transforms import Augmentation
from driftseg.data.weather.random_weather import RandomWeather
from driftseg.errors import InputError
from driftseg.labels import LABEL_SPACES, LabelSpace
from driftseg.runs.config import (
    AugmentationSettings,
    CamvidData,
    FolderData,
    SamplingSettings,
    TownData,
)
from driftseg.runs.weather_config import WeatherAugmentation, camera_of


def build_dataset(data: TownData | CamvidData | FolderData) -> Dataset:
    """The scenes that a data section describes.

    Raises:
        InputError: the folder is missing, empty or in no known layout, or nothing is selected.
    """
    if isinstance(data, TownData):
        return TownScenes(
            seed=data.seed, frames=data.frames, start=data.start, every=data.every, size=data.size
        )
    if isinstance(data, CamvidData):
        if data.root is None:
            raise InputError("CamVid's folder is not known: pass --data FOLDER, or set root")
        scenes = camvid(data.root, split=data.split, size=data.size)
    else:
        if data.label_space not in LABEL_SPACES:
            raise InputError(
                f"label_space: no label space is called {data.label_space!r}; "
                f"known: {list(LABEL_SPACES)}"
            )
        scenes = folder(
            data.root,
            label_space=LABEL_SPACES[data.label_space],
            labels=data.labels,
            size=data.size,
        )
    return select(
        scenes,
        include=data.include,
        exclude=data.exclude,
        start=data.start,
        stop=data.stop,
        where=str(data.root),
    )


def frame_size(data: TownData | CamvidData | FolderData, dataset: Dataset) -> tuple[int, int]:
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
