"""One kind of weather on one image, without a dataset: `driftseg.weather.rain` and the others.

Each function gives the same image as the renderer (`driftseg.weather.render`) with the same weather
and seed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from driftseg.errors import InputError, commas
from driftseg.frame import Image, Scene
from driftseg.images.given import as_depth, as_image, as_label
from driftseg.labels import CAMVID11, LabelSpace, named_space
from driftseg.weather.camera import CAMERAS, Camera
from driftseg.weather.conditions import Conditions
from driftseg.weather.geometry import geometry_of
from driftseg.weather.render import render

Seed = int | np.random.Generator
"""Seed or generator for drops, flakes, patches and noise."""


def rain(
    image: Any,
    depth: Any = None,
    rate: float = 100.0,
    *,
    camera: str | Camera = "cityscapes",
    severity: float = 1.0,
    wet_road: float | None = None,
    clouds: float | None = None,
    seed: Seed = 0,
    label: Any = None,
    label_space: str | LabelSpace | None = None,
) -> Image:
    """Renders rain on an image: clouds, the veil of distant drops, and streaks.

    Args:
        image: RGB as an array or tensor (H, W, 3) or (3, H, W) of uint8 or of floats in [0, 1], a
            PIL image, or a file's path.
        depth: metres along the optical axis, (H, W), infinite for sky. None uses a flat road plane.
            With a label, objects stand where their label meets the ground. Without a label, the
            depth is that of a road between two walls, and the sky is guessed.
        rate: mm/h; 25 is heavy, 100 violent, 0 none.
        camera: ``cityscapes``, ``camvid``, ``town``, or a `Camera`.
        severity: factor on the effect of the rain; 1 is the physics.
        wet_road: how wet the ground is, 0 to 1; None follows the rain if a label or a depth shows
            what is ground; 0 keeps it dry.
        clouds: share of sunlight that clouds remove, 0 to 1; None follows the rain, 0 keeps the
            sun.
        seed: seed of the drops; use another seed for each frame of a video.
        label: class ids, (H, W), or the path of a file of them.
        label_space: of the label, a name (``camvid11``, ``cityscapes19``, ...) or a `LabelSpace`.

    Returns:
        RGB, (H, W, 3), uint8.

    Raises:
        InputError: an argument cannot be used; the text says which and why.
    """
    scene, space = _scene(image, depth, label, label_space)
    conditions = Conditions(rain=rate, wet_road=wet_road, clouds=clouds)
    if wet_road:
        _check_ground(scene, space, "wet_road")
    return _seen(scene, space, conditions, camera, seed, severity)


def fog(
    image: Any,
    depth: Any = None,
    visibility: float | None = 150.0,
    *,
    camera: str | Camera = "cityscapes",
    severity: float = 1.0,
    seed: Seed = 0,
    label: Any = None,
    label_space: str | LabelSpace | None = None,
) -> Image:
    """Renders fog on an image.

    Args:
        image: as for `rain`.
        depth: as for `rain`.
        visibility: metres at which 5 % of the light remains; None is no fog.
        camera: as for `rain`.
        severity: factor on the extinction; 1 is the physics.
        seed: as for `rain`; fog has no random part.
        label: as for `rain`.
        label_space: as for `rain`.

    Returns:
        RGB, (H, W, 3), uint8.

    Raises:
        InputError: an argument cannot be used; the text says which and why.
    """
    scene, space = _scene(image, depth, label, label_space)
    return _seen(scene, space, Conditions(visibility=visibility), camera, seed, severity)


def night(
    image: Any,
    depth: Any = None,
    strength: float = 1.0,
    *,
    camera: str | Camera = "cityscapes",
    seed: Seed = 0,
    label: Any = None,
    label_space: str | LabelSpace | None = None,
) -> Image:
    """Turns an image taken by day into night, lit by lamps and headlights.

    Args:
        image: as for `rain`.
        depth: as for `rain`.
        strength: 0 is day, 1 is night.
        camera: as for `rain`.
        seed: seed of the sensor noise.
        label: as for `rain`; shows what is sky.
        label_space: as for `rain`.

    Returns:
        RGB, (H, W, 3), uint8.

    Raises:
        InputError: an argument cannot be used; the text says which and why.
    """
    scene, space = _scene(image, depth, label, label_space)
    return _seen(scene, space, Conditions(night=strength), camera, seed)


def snow(
    image: Any,
    depth: Any = None,
    rate: float = 1.0,
    cover: float = 0.0,
    *,
    camera: str | Camera = "cityscapes",
    severity: float = 1.0,
    seed: Seed = 0,
    label: Any = None,
    label_space: str | LabelSpace | None = None,
) -> Image:
    """Renders falling snow and, with ``cover``, snow on the ground.

    Args:
        image: as for `rain`.
        depth: as for `rain`; measured depth also shows what is ground.
        rate: mm/h of water that falls as snow: 0.5 is light, 1 moderate, 2.5 heavy.
        cover: share of the ground under snow, 0 to 1; above 0 it needs a label or a depth.
        camera: as for `rain`.
        severity: factor on the effect of falling snow; 1 is the physics.
        seed: seed of flakes and patches.
        label: as for `rain`; shows what is ground.
        label_space: as for `rain`.

    Returns:
        RGB, (H, W, 3), uint8.

    Raises:
        InputError: an argument cannot be used, or ``cover`` is above 0 and neither label nor depth
            shows what is ground.
    """
    scene, space = _scene(image, depth, label, label_space)
    conditions = Conditions(snow=rate, snow_cover=cover)
    if cover:
        _check_ground(scene, space, "cover")
    return _seen(scene, space, conditions, camera, seed, severity)


def wet_road(
    image: Any,
    depth: Any = None,
    wetness: float = 1.0,
    *,
    camera: str | Camera = "cityscapes",
    seed: Seed = 0,
    label: Any = None,
    label_space: str | LabelSpace | None = None,
) -> Image:
    """Renders wet ground: darker, with reflections of the objects on it.

    Args:
        image: as for `rain`.
        depth: as for `rain`; measured depth also shows what is ground.
        wetness: 0 is dry, 1 a film of water.
        camera: as for `rain`.
        seed: seed of the puddles.
        label: as for `rain`; shows what is ground. A label or a depth is needed.
        label_space: as for `rain`.

    Returns:
        RGB, (H, W, 3), uint8.

    Raises:
        InputError: an argument cannot be used, or neither label nor depth shows what is ground.
    """
    scene, space = _scene(image, depth, label, label_space)
    conditions = Conditions(wet_road=wetness)
    if wetness:
        _check_ground(scene, space, "wetness")
    return _seen(scene, space, conditions, camera, seed)


def lens_drops(image: Any, share: float = 0.1, *, seed: Seed = 0) -> Image:
    """Renders drops on the lens or the windscreen.

    Args:
        image: as for `rain`.
        share: of the picture that drops cover, 0 to 0.5.
        seed: seed of the drops.

    Returns:
        RGB, (H, W, 3), uint8.

    Raises:
        InputError: an argument cannot be used; the text says which and why.
    """
    scene, space = _scene(image, None, None, None)
    return _seen(scene, space, Conditions(lens_drops=share), "cityscapes", seed)


def _scene(
    image: Any, depth: Any, label: Any, label_space: str | LabelSpace | None
) -> tuple[Scene, LabelSpace]:
    """The image as a scene, and the label space of its label."""
    if (label is None) != (label_space is None):
        only = "label_space" if label is None else "label"
        raise InputError(
            f"expected both label and label_space, or neither, got only {only}. To fix: give both; "
            "label_space says what the ids of label mean"
        )
    space = named_space(label_space, "label_space") if isinstance(label_space, str) else label_space
    space = CAMVID11 if space is None else space  # not used without a label
    shown = as_image(image)
    ids = None if label is None else as_label(label, shown, classes=len(space), name="label")
    metres = None if depth is None else as_depth(depth, shown)
    return Scene("image", shown, ids, metres), space


def _check_ground(scene: Scene, space: LabelSpace, wanted_by: str) -> None:
    """Raises InputError where neither label nor depth shows what is ground."""
    if scene.label is not None and not space.ground_ids and scene.depth is None:
        raise InputError(
            f"{wanted_by}: expected a label space with ground classes, got {space.title}. To fix: "
            "name its ground classes (LabelSpace(..., ground=...)), or give depth, in metres"
        )
    if scene.label is None and scene.depth is None:
        raise InputError(
            f"{wanted_by}: expected a label or depth that tells what is ground, got neither. To "
            f"fix: give label and label_space, or depth, in metres, or {wanted_by}=0"
        )


def _seen(
    scene: Scene,
    space: LabelSpace,
    conditions: Conditions,
    camera: str | Camera,
    seed: Seed,
    severity: float = 1.0,
) -> Image:
    if isinstance(camera, str):
        if camera not in CAMERAS:
            raise InputError(
                f"camera: expected one of {commas(CAMERAS)}, got {camera!r}. To fix: name one of "
                "these, or give a Camera"
            )
        camera = CAMERAS[camera]
    if isinstance(seed, int) and seed < 0:
        raise InputError(f"seed: expected 0 or more, got {seed}. To fix: give 0 or more")
    return render(
        scene.image, geometry_of(scene, camera, space), conditions,
        np.random.default_rng(seed), camera=camera, severity=severity,
    )  # fmt: skip
