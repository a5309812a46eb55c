"""driftseg weather: a dataset put into weather, on disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from driftseg.cli.several_values import is_number
from driftseg.cli.weather_watch import MakingWatch, tell
from driftseg.errors import InputError

if TYPE_CHECKING:
    from driftseg.labels import Classes
    from driftseg.scenes.dataset import SceneFiles
    from driftseg.scenes.depth import DepthSettings
    from driftseg.scenes.layout import Layout
    from driftseg.weather.camera import Camera


def weather(
    images: Annotated[
        Path, typer.Argument(help="folder of Cityscapes, CamVid, another known dataset, or images")
    ],
    out: Annotated[Path, typer.Option(help="folder to write to, beside the images")],
    rain: Annotated[
        list[float] | None, typer.Option(help="mm/h; several: --rain 25 50 100", metavar="MM...")
    ] = None,
    fog: Annotated[
        list[float] | None,
        typer.Option(help="metres of visibility; several: --fog 750 375", metavar="M..."),
    ] = None,
    night: Annotated[
        list[float] | None,
        typer.Option(help="0 to 1, from day to night; alone: 1", metavar="[SHARE...]"),
    ] = None,
    snow: Annotated[
        list[float] | None, typer.Option(help="mm/h of water; alone: 1", metavar="[MM...]")
    ] = None,
    snow_cover: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="share of the ground under snow with --snow; default 0.6, and 0 on "
            "images without labels",
        ),
    ] = None,
    wet_road: Annotated[
        float, typer.Option(min=0, max=1, help="how wet the ground is with --rain; needs labels")
    ] = 0.0,
    lens_drops: Annotated[
        float,
        typer.Option(min=0, max=0.5, help="share of the picture behind drops with --rain"),
    ] = 0.0,
    severity: Annotated[float, typer.Option(min=0, help="strength; 1 is the physics")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="another seed draws other drops")] = 0,
    camera: Annotated[
        Literal["town", "camvid", "cityscapes"] | None,
        typer.Option(help="default: of the dataset, or else cityscapes"),
    ] = None,
    camera_set: Annotated[
        list[str] | None,
        typer.Option(
            help="one value of the camera, e.g. --camera-set exposure=12; repeatable",
            metavar="NAME=VALUE",
        ),
    ] = None,
    depth: Annotated[
        Literal["none", "disparity"],
        typer.Option(help="none: road plane and labels; disparity: Cityscapes' own"),
    ] = "none",
    depth_files: Annotated[
        Path | None, typer.Option(help="folder of 16-bit depth PNGs, laid and named like images")
    ] = None,
    depth_scale: Annotated[
        float | None, typer.Option(help="levels a metre of --depth-files; default 256")
    ] = None,
    depth_network: Annotated[
        str | None, typer.Option(help="folder or hub id of a depth network of transformers")
    ] = None,
    depth_output: Annotated[
        Literal["metric", "relative"] | None,
        typer.Option(help="of --depth-network; default: what its config says"),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="folder of label PNGs of a plain folder of images")
    ] = None,
    label_space: Annotated[
        str | None, typer.Option(help="of these labels; default camvid11")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="a file of their classes (docs/classes.md); default: classes.yaml"),
    ] = None,
    split: Annotated[str | None, typer.Option(help="train, val, ...; default: all")] = None,
    domain: Annotated[
        str | None,
        typer.Option(help="of a dataset that has some, as day of CamVid; default: all"),
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option(help="only images whose name matches, e.g. '0016*'", metavar="PATTERN"),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="no images whose name matches; both repeatable", metavar="PATTERN"),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="only the first images, to try")] = None,
    size: Annotated[
        str | None, typer.Option(help="WIDTHxHEIGHT to shrink to first", metavar="WxH")
    ] = None,
    format: Annotated[
        Literal["png", "jpg"],
        typer.Option(help="png keeps every pixel; jpg is smaller, and blurs thin streaks"),
    ] = "png",
    workers: Annotated[
        int | None, typer.Option(min=1, help="processes; default: one a core")
    ] = None,
) -> None:
    """Put a dataset into weather, on disk.

    Every weather becomes a dataset that is read like the original; labels are linked. The same
    command goes on where it was stopped. Ends with 1 where images or labels could not be used.
    """
    from driftseg.images.reading import read_image
    from driftseg.report.weather_page import write_weather_page
    from driftseg.scenes.dataset import scene_of, select
    from driftseg.scenes.depth import make_depth
    from driftseg.scenes.layout import shown_scenes
    from driftseg.weather.camera import CAMERAS, CITYSCAPES
    from driftseg.weather_sets.choice import Choice
    from driftseg.weather_sets.domains import weather_domains
    from driftseg.weather_sets.making import WeatherSet, make_set

    domains = weather_domains(
        rain=rain or (), fog=fog or (), night=night or (), snow=snow or (),
        snow_cover=snow_cover, wet_road=wet_road, lens_drops=lens_drops,
    )  # fmt: skip
    shrunk = None if size is None else parse_size(size)
    found, scenes = _scenes(
        images, split, domain, labels, _classes(label_space, classes, images, labels), shrunk
    )
    layout = "folder" if found is None else found.name
    seen_through = changed_camera(CAMERAS.get(camera or layout, CITYSCAPES), camera_set or ())
    how = _depth(depth, depth_files, depth_scale, depth_network, depth_output)
    entries = scenes.entries
    shown = (
        (lambda: {entry.image: scene_of(entry.name) for entry in entries})
        if found is None
        else partial(shown_scenes, found, images)
    )
    scenes = scenes.with_depth(
        make_depth(how, seen_through, scenes.label_space, root=images, images=shown)
    )
    choice = Choice(split, domain, tuple(include or ()), tuple(exclude or ()))
    chosen = select(
        scenes, include=choice.include, exclude=choice.exclude, stop=limit, where=str(images)
    )
    scenes.entries = [scenes.entries[index] for index in chosen.indices]
    wanted = WeatherSet(
        images, layout, scenes, domains, seen_through, seed=seed, severity=severity, size=shrunk,
        kind=format, depth=how if isinstance(how, str) else how.model_dump(mode="json"),
        choice=choice,
    )  # fmt: skip
    console = Console()
    names = ", ".join(domain.name for domain in domains)
    console.print(
        f"{layout}: {len(scenes)} images in weathers: {names}",
        soft_wrap=True, highlight=False,
    )  # fmt: skip
    if how == "none" and any(entry.camera is not None for entry in scenes.entries):
        console.print("disparity is there: --depth disparity would use it", highlight=False)
    with MakingWatch(console) as watch:
        outcome = make_set(wanted, out, workers=workers or os.cpu_count() or 1, watch=watch)
    page = write_weather_page(out, read_image)
    tell(console, outcome, page)
    if outcome.unreadable:
        raise typer.Exit(1)


def changed_camera(camera: Camera, changes: Sequence[str]) -> Camera:
    """A camera with some values of its own: ``exposure=12`` each.

    Raises:
        InputError: no such value, or one that cannot be.
    """
    from driftseg.config.reading import check
    from driftseg.weather.camera import CameraSettings

    values: dict[str, Any] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or not is_number(value):
            raise InputError(f"--camera-set: wanted NAME=NUMBER (exposure=12); {change!r} came")
        values[name] = float(value)
    return check(values, CameraSettings, where="--camera-set").make(camera)


def parse_size(text: str) -> tuple[int, int]:
    """(width, height) from ``480x360``.

    Raises:
        InputError: it is no such text.
    """
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise InputError(f"--size: wanted WIDTHxHEIGHT in pixels, as in 480x360; {text!r} came")
    return int(width), int(height)


def _scenes(
    images: Path,
    split: str | None,
    domain: str | None,
    labels: Path | None,
    classes: Classes,
    size: tuple[int, int] | None,
) -> tuple[Layout | None, SceneFiles]:
    """A folder's layout, if it is in one, and its scenes."""
    from driftseg.scenes.cityscapes import CITYSCAPES
    from driftseg.scenes.datasets import recognise
    from driftseg.scenes.folder import folder
    from driftseg.scenes.layout import scenes
    from driftseg.scenes.weather_cityscapes import WEATHER_CITYSCAPES

    if not images.is_dir():
        raise InputError(f"{images}: no such folder of images")
    layout = None if labels is not None else recognise(images)
    if CITYSCAPES.found(images) and layout is not None:
        layout = CITYSCAPES  # weather is put on its clear images, not on those in weather beside
    if layout is WEATHER_CITYSCAPES:
        raise InputError(
            f"{images}: holds images of Cityscapes in weather and none of its clear ones, and "
            f"weather is not put on weather; wanted {CITYSCAPES.wanted}"
        )
    if layout is not None:
        return layout, scenes(layout, images, split=split, domain=domain, size=size)
    if split is not None or domain is not None:
        raise InputError(
            f"{images}: is in no known layout, so it has no splits and domains; leave out --split "
            "and --domain"
        )
    found = folder(images, label_space=classes.space, labels=labels, size=size, ids=classes.ids)
    return None, found


def _classes(
    label_space: str | None, classes: str | None, images: Path, labels: Path | None
) -> Classes:
    """What the labels of a plain folder mean."""
    from driftseg.labels import CAMVID11, Classes, named_classes, named_space
    from driftseg.scenes.folder import classes_of_folder

    for option, value in (("--label-space", label_space), ("--classes", classes)):
        if labels is None and value is not None:
            raise InputError(f"{option} says what --labels mean; give both, or leave it out")
    if label_space is not None and classes is not None:
        raise InputError("--label-space and --classes both say what labels mean; give one of them")
    if classes is not None:
        return named_classes(classes, "--classes")
    if label_space is not None:
        return Classes(named_space(label_space, "--label-space"))
    return classes_of_folder(images, labels) or Classes(CAMVID11)


def _depth(
    depth: Literal["none", "disparity"],
    files: Path | None,
    scale: float | None,
    network: str | None,
    output: Literal["metric", "relative"] | None,
) -> DepthSettings:
    from driftseg.scenes.depth_files import DepthFilesSettings
    from driftseg.scenes.depth_network import DepthNetworkSettings

    if sum((depth != "none", files is not None, network is not None)) > 1:
        raise InputError(
            "--depth, --depth-files and --depth-network are three sources of depth; give one"
        )
    if scale is not None and files is None:
        raise InputError("--depth-scale goes together with --depth-files; give both, or neither")
    if output is not None and network is None:
        raise InputError("--depth-output goes together with --depth-network; give both, or neither")
    if scale is not None and not scale > 0:
        raise InputError(f"--depth-scale must be above 0 levels a metre, not {scale:g}")
    if files is not None:
        return DepthFilesSettings(files=files, scale=256.0 if scale is None else scale)
    if network is not None:
        return DepthNetworkSettings(network=network, output=output)
    return depth
