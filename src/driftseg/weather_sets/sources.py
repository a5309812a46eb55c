"""The source of a weather set: a dataset in a known layout, or a plain folder of images."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from driftseg.errors import InputError
from driftseg.images.reading import Size
from driftseg.labels import Classes
from driftseg.scenes.cityscapes import CITYSCAPES
from driftseg.scenes.dataset import SceneFiles, scene_of
from driftseg.scenes.datasets import recognise
from driftseg.scenes.depth import DepthSettings, make_depth
from driftseg.scenes.folder import found_images
from driftseg.scenes.layout import Layout, found_scenes, shown_scenes
from driftseg.scenes.weather_cityscapes import WEATHER_CITYSCAPES
from driftseg.weather.camera import Camera


def source_scenes(
    images: Path,
    split: str | None,
    domain: str | None,
    labels: Path | None,
    classes: Classes,
    size: Size | None,
) -> tuple[Layout | None, SceneFiles]:
    """A folder's layout, if it has a known one, and its scenes before selection and checks.

    Args:
        images: the folder.
        split: of a layout; None is all.
        domain: of a layout with domains; None is all.
        labels: folder of label PNGs of a plain folder of images.
        classes: of the ids in these.
        size: (width, height) to which scenes are shrunk; None keeps their size.

    Raises:
        InputError: there is no such folder, it has no images, or its images already have rendered
            weather.
    """
    if not images.is_dir():
        raise InputError(
            f"{images}: expected a folder of images, got a path where there is none. To fix: check "
            "the path"
        )
    layout = None if labels is not None else recognise(images)
    if CITYSCAPES.found(images) and layout is not None:
        layout = CITYSCAPES  # weather is rendered on its clear images only
    if layout is WEATHER_CITYSCAPES:
        raise InputError(
            f"{images}: expected clear images ({CITYSCAPES.wanted}), got images of Cityscapes in "
            "weather alone. To fix: name the folder of the clear images"
        )
    if layout is not None:
        return layout, found_scenes(layout, images, split=split, domain=domain, size=size)
    if split is not None or domain is not None:
        raise InputError(
            f"{images}: expected a known layout with splits and domains, got a plain folder of "
            "images. To fix: leave out split and domain"
        )
    found = found_images(
        images, label_space=classes.space, labels=labels, size=size, ids=classes.ids
    )
    return None, found


def with_depth(
    found: SceneFiles, how: DepthSettings, camera: Camera, root: Path, layout: Layout | None
) -> SceneFiles:
    """The scenes with the reader of their depth.

    Args:
        found: the scenes.
        how: source of depth.
        camera: used to make depth.
        root: folder of the dataset.
        layout: of the folder; None is a plain folder of images.

    Raises:
        InputError: the folder of depth pictures is missing or empty.
    """
    entries = found.entries
    shown = (
        (lambda: {entry.image: scene_of(entry.name) for entry in entries})
        if layout is None
        else partial(shown_scenes, layout, root)
    )
    depth = make_depth(how, camera, found.label_space, root=root, images=shown)
    return found.with_depth(depth)
