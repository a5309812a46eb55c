"""driftseg weather: a dataset put into weather, on disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from driftseg.cli.several_values import is_number
from driftseg.cli.weather_watch import MakingWatch, tell
from driftseg.errors import InputError


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
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="how wet the ground is with --rain; needs labels; default: follows the rain",
        ),
    ] = None,
    clouds: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="how much of the sun is gone; default: follows the weather"
        ),
    ] = None,
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
    from driftseg.api.data import WeatherSet, make_weather_set

    console = Console()

    def begun(wanted: WeatherSet) -> None:
        names = ", ".join(one.name for one in wanted.domains)
        console.print(
            f"{wanted.layout}: {len(wanted.scenes)} images in weathers: {names}",
            soft_wrap=True, highlight=False,
        )  # fmt: skip
        if wanted.depth == "none" and any(one.camera is not None for one in wanted.scenes.entries):
            console.print("disparity is there: --depth disparity would use it", highlight=False)
        watch.start()

    with MakingWatch(console) as watch:
        outcome = make_weather_set(
            images, out, rain=rain or (), fog=fog or (), night=night or (), snow=snow or (),
            snow_cover=snow_cover, wet_road=wet_road, clouds=clouds, lens_drops=lens_drops,
            severity=severity,
            seed=seed, camera=parse_camera(camera, camera_set or ()),
            depth=_depth(depth, depth_files, depth_scale, depth_network, depth_output),
            labels=labels, label_space=label_space, classes=classes, split=split, domain=domain,
            include=include or (), exclude=exclude or (), limit=limit,
            size=None if size is None else parse_size(size), format=format,
            workers=workers or os.cpu_count() or 1, watch=watch, begun=begun,
        )  # fmt: skip
    tell(console, outcome)
    if outcome.unreadable:
        raise typer.Exit(1)


def parse_camera(name: str | None, changes: Sequence[str]) -> str | dict[str, Any] | None:
    """A camera's name, or its name and values: ``exposure=12`` each.

    Raises:
        InputError: a change is no such text.
    """
    values: dict[str, Any] = {} if name is None else {"preset": name}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals or not is_number(value):
            raise InputError(f"--camera-set: wanted NAME=NUMBER (exposure=12); {change!r} came")
        values[key] = float(value)
    return values if changes else name


def parse_size(text: str) -> tuple[int, int]:
    """(width, height) from ``480x360``.

    Raises:
        InputError: it is no such text.
    """
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise InputError(f"--size: wanted WIDTHxHEIGHT in pixels, as in 480x360; {text!r} came")
    return int(width), int(height)


def _depth(
    depth: Literal["none", "disparity"],
    files: Path | None,
    scale: float | None,
    network: str | None,
    output: Literal["metric", "relative"] | None,
) -> str | dict[str, Any]:
    if sum((depth != "none", files is not None, network is not None)) > 1:
        raise InputError(
            "--depth, --depth-files and --depth-network are three sources of depth; give one"
        )
    if scale is not None and files is None:
        raise InputError("--depth-scale goes together with --depth-files; give both, or neither")
    if output is not None and network is None:
        raise InputError("--depth-output goes together with --depth-network; give both, or neither")
    if files is not None:
        return {"files": files} if scale is None else {"files": files, "scale": scale}
    if network is not None:
        return {"network": network, "output": output}
    return depth
