"""`driftseg.adapt`: a model, a method and its source data as one object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from driftseg.api.models import Model, load_model
from driftseg.api.online import OnlineModel
from driftseg.config.adapt import AdaptConfig
from driftseg.config.reading import check
from driftseg.control.calibration import Calibration
from driftseg.errors import InputError
from driftseg.images.given import as_image
from driftseg.labels import LabelMapping, LabelSpace
from driftseg.learners.settings import MethodSettings
from driftseg.models.adapters.settings import check_adapters
from driftseg.models.checkpoints.classes import (
    plain_name,
    same_order,
    same_set,
    tell_difference,
)
from driftseg.models.trainable import trainable_names
from driftseg.runs.adapting import Source, seeded
from driftseg.runs.calibrate import calibrate
from driftseg.scenes.dataset import Dataset, DatasetSettings
from driftseg.scenes.datasets import DATASETS
from driftseg.scenes.given import GivenScenes, Retold
from driftseg.settings import shown
from driftseg.weather.camera import CITYSCAPES
from driftseg.weather.weather import Weather

Labelled = Sequence[tuple[Any, Any]]
"""Pairs of an image and its label map, each an array or the path of a file."""
SECTIONS = ("adapters", "replay", "crop", "guard", "seed")
"""Keyword arguments of ``adapt`` that are no settings of the method."""


def adapt(
    model: Model | nn.Module | str | Path,
    method: str | Mapping[str, Any] | MethodSettings = "auto",
    *,
    source: Dataset | Labelled | None = None,
    calibration: Dataset | Labelled | None = None,
    **settings: Any,
) -> OnlineModel:
    """A model that adapts while it predicts.

    Args:
        model: from ``load_model``, or an argument of ``load_model``; its weights change.
        method: a name (``auto``, ``tent``, ``dacs``, ``hamlet``, ...), the import path
            of a method of your own, or a whole method section.
        source: labelled source scenes for methods that learn from them: a dataset or (image,
            label) pairs, labelled in the model's classes. They are read at the first image,
            resized to it and held in memory. Of a large dataset an evenly spaced part of at most
            512 MB is held (set ``replay={"capacity": ...}`` for more). If scenes are smaller
            than frames, the method learns from windows of the scenes' size.
        calibration: labelled source scenes in stream order that the model was not trained on,
            for methods with calibrated thresholds (``hamlet``).
        settings: settings of the method, and the sections ``adapters``, ``replay``, ``crop``,
            ``guard`` and ``seed`` of a run's config, with the same names and checks. The guard is
            on by default; ``guard="off"`` turns it off.

    Raises:
        InputError: a setting is wrong, or model or source lack what the method needs.
    """
    ready = load_model(model)
    config = check_settings(method, settings)
    chosen = config.method
    needs = chosen.needs()
    given = None if source is None else _source(source, ready)
    if needs.source and given is None:
        raise InputError(
            f"method {chosen.learner_settings.name}: expected labelled source scenes, got none. To "
            "fix: give source=, a dataset or a few (image, label) pairs; the methods tent and "
            "norm_statistics need none"
        )
    spec = check_adapters(config.adapters, needs.train, method=chosen.name)
    if spec is not None and config.adapters is not None:
        config.adapters.put_into(ready.network, spec, seeded(config.seed, "adapters"))
    trainable_names(ready.network, needs.train)  # says at once which parts there are
    detector = chosen.drift_detector
    if calibration is None and detector is not None and detector.calibrated:
        raise InputError(
            f"method {chosen.name}: expected calibration to the model, got none. To fix: give "
            "calibration=, labelled source scenes that the model was not trained on, or set "
            "window, rise, fall, source_level and far_level of detector"
        )
    learnt = None
    if chosen.needs_calibration and calibration is not None:
        learnt = _calibrated(ready, chosen, calibration)
    return OnlineModel(ready, config, source=given, calibration=learnt)


def check_settings(
    method: str | Mapping[str, Any] | MethodSettings, settings: Mapping[str, Any]
) -> AdaptConfig:
    """The settings of a call, checked like those of a config file.

    Raises:
        InputError: one of them is wrong.
    """
    sections = {key: value for key, value in settings.items() if key in SECTIONS}
    own = {key: value for key, value in settings.items() if key not in SECTIONS}
    if isinstance(method, MethodSettings):
        method = method.model_dump(exclude_unset=True)
    if not isinstance(method, str | Mapping):
        raise InputError(
            f"adapt: expected a method's name or its section, got {method!r}. To fix: give for "
            "example method='tent'"
        )
    section = {"name": method} if isinstance(method, str) else dict(method)
    return check({"method": {**section, **own}, **sections}, AdaptConfig, where="adapt")


def load_dataset(kind: str, root: str | Path | None = None, **settings: Any) -> Dataset:
    """Opens a dataset, as a data section of a config describes it.

    Args:
        kind: ``cityscapes``, ``camvid``, ``acdc``, ..., ``folder``, ``weather_set``, ``town``, or
            the import path of your own.
        root: the folder of the dataset.
        settings: as in a config: ``split``, ``domain``, ``size``, ``classes``, ``mapping``, ...

    Raises:
        InputError: a setting is wrong, or files are missing or in another layout.
    """
    values = {"kind": kind, **({} if root is None else {"root": str(root)}), **settings}
    found = DATASETS.find(kind, where="load_dataset")
    checked: DatasetSettings = check(values, found, where=f"load_dataset {kind!r}")
    return checked.make()


def _source(given: Dataset | Labelled, model: Model) -> Source:
    scenes = _in_order(_scenes(given, model.label_space), model, "source")
    space = scenes.label_space
    if len(space) != model.network.classes:
        raise InputError(
            f"source: expected labels in the {model.network.classes} classes of the model, got "
            f"{len(space)} classes. To fix: give load_dataset classes= (the model's) and mapping=, "
            "or name outputs that stand for no class by ignore_outputs="
        )
    height, width = scenes.scene(0).image.shape[:2]
    return Source(scenes, (width, height))


def _scenes(given: Dataset | Labelled, space: LabelSpace, name: str = "source") -> Dataset:
    if isinstance(given, Iterator):
        given = list(given)
    if not isinstance(given, list | tuple):
        if not hasattr(given, "scene"):
            raise InputError(
                f"{name}: expected a dataset or (image, label) pairs, got {shown(given)}. To "
                "fix: give load_dataset(...) or a list of pairs"
            )
        return given  # type: ignore[return-value]
    if any(not isinstance(pair, list | tuple) or len(pair) != 2 for pair in given):
        raise InputError(
            f"{name}: expected pairs (image, label), got something else. To fix: give each image "
            "and label as an array or a file's path"
        )
    images = [as_image(image, name=f"{name} {n}") for n, (image, _) in enumerate(given)]
    return GivenScenes(images, [label for _, label in given], space)


def _in_order(scenes: Dataset, model: Model, name: str) -> Dataset:
    """The scenes with their labels in the model's order, where both have the same classes.

    Raises:
        InputError: they have as many classes, and others.
    """
    theirs, ours = scenes.label_space.classes, model.classes
    if not model.classes_known or len(theirs) != len(ours) or same_order(theirs, ours):
        return scenes
    if not same_set(theirs, ours):
        raise InputError(
            f"{name}: expected labels in the classes of the model, {model.label_space.title}, got "
            f"{scenes.label_space.title} ({tell_difference(ours, theirs)}). To fix: give "
            "load_dataset a mapping="
        )
    named = {plain_name(one): one for one in ours}
    table = {one: named[plain_name(one)] for one in theirs}
    return Retold(scenes, LabelMapping(scenes.label_space, model.label_space, table))


def _calibrated(model: Model, method: MethodSettings, given: Dataset | Labelled) -> Calibration:
    scenes = _in_order(_scenes(given, model.label_space, "calibration"), model, "calibration")
    weather = Weather(CITYSCAPES, scenes.label_space, 0)
    return calibrate(model.network, scenes, weather, rates=(50.0, 100.0, 200.0), method=method)
