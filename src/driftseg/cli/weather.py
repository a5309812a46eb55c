"""driftseg weather: renders weather on a dataset and writes it to disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from driftseg.cli.several_values import is_number
from driftseg.cli.texts import parse_size
from driftseg.cli.weather_watch import MakingWatch, tell
from driftseg.errors import InputError


def weather(
    images: Annotated[
        Path, typer.Argument(help="folder of Cityscapes, CamVid, another known dataset, or images")
    ],
    out: Annotated[Path, typer.Option(help="folder to write to, outside the folder of the images")],
    rain: Annotated[
        list[float] | None,
        typer.Option(help="rain rates in mm/h; several: --rain 25 50 100", metavar="MM..."),
    ] = None,
    fog: Annotated[
        list[float] | None,
        typer.Option(help="visibility in metres; several: --fog 750 375", metavar="M..."),
    ] = None,
    night: Annotated[
        list[float] | None,
        typer.Option(help="from 0 (day) to 1 (night); without a value: 1", metavar="[SHARE...]"),
    ] = None,
    snow: Annotated[
        list[float] | None,
        typer.Option(help="snowfall in mm/h of water; without a value: 1", metavar="[MM...]"),
    ] = None,
    snow_cover: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="share of the ground under snow, with --snow; default: 0.6, or 0 for images "
            "without "
            "labels",
        ),
    ] = None,
    wet_road: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="wetness of the ground from 0 to 1, with --rain; needs labels; default: follows "
            "the rain",
        ),
    ] = None,
    clouds: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="share of sunlight that the clouds block, from 0 to 1; default: follows the "
            "weather",
        ),
    ] = None,
    lens_drops: Annotated[
        float,
        typer.Option(
            min=0, max=0.5, help="share of the image behind drops on the lens, with --rain"
        ),
    ] = 0.0,
    severity: Annotated[
        float, typer.Option(min=0, help="strength of all weather; 1 is the physical model")
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="seed of the drops")] = 0,
    camera: Annotated[
        Literal["town", "camvid", "cityscapes"] | None,
        typer.Option(help="camera preset; default: the camera of the dataset, or cityscapes"),
    ] = None,
    camera_set: Annotated[
        list[str] | None,
        typer.Option(
            help="one setting of the camera, e.g. --camera-set exposure=12; repeatable",
            metavar="NAME=VALUE",
        ),
    ] = None,
    depth: Annotated[
        Literal["none", "disparity"],
        typer.Option(
            help="none: from the road plane and the labels; disparity: from Cityscapes' disparity"
        ),
    ] = "none",
    depth_files: Annotated[
        Path | None,
        typer.Option(help="folder of 16-bit depth PNGs, with the folders and names of the images"),
    ] = None,
    depth_scale: Annotated[
        float | None, typer.Option(help="levels per metre in --depth-files; default: 256")
    ] = None,
    depth_network: Annotated[
        str | None,
        typer.Option(help="folder or hub id of a depth network for the library transformers"),
    ] = None,
    depth_output: Annotated[
        Literal["metric", "relative"] | None,
        typer.Option(help="output of --depth-network; default: from the network's config"),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="folder of label PNGs for a plain folder of images")
    ] = None,
    label_space: Annotated[
        str | None, typer.Option(help="label space of --labels; default: camvid11")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="file of classes of --labels (docs/classes.md); default: classes.yaml, if "
            "there is one"
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="split of the dataset: train, val, ...; default: all")
    ] = None,
    domain: Annotated[
        str | None,
        typer.Option(help="domain of the dataset, e.g. day of CamVid; default: all"),
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option(
            help="use only images whose name matches, e.g. '0016*'; repeatable", metavar="PATTERN"
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="leave out images whose name matches; repeatable", metavar="PATTERN"),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="number of images to use, for a trial")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="WIDTHxHEIGHT in pixels to shrink the images to first", metavar="WxH"),
    ] = None,
    format: Annotated[
        Literal["png", "jpg"],
        typer.Option(help="png keeps every pixel; jpg is smaller and blurs thin streaks"),
    ] = "png",
    workers: Annotated[
        int | None, typer.Option(min=1, help="number of processes; default: number of cores")
    ] = None,
) -> None:
    """Render weather on a dataset and write it to disk.

    Each weather becomes a dataset that is read like the original. Labels are linked. The same
    command continues an interrupted one. The exit code is 1 if some images or labels could not be
    used.
    """
    from driftseg.api.data import WeatherSet, make_weather_set

    console = Console()

    def begun(wanted: WeatherSet) -> None:
        names = ", ".join(one.name for one in wanted.domains)
        console.print(
            f"{wanted.layout}: {len(wanted.scenes)} images, weather: {names}",
            soft_wrap=True, highlight=False,
        )  # fmt: skip
        if wanted.depth == "none" and any(one.camera is not None for one in wanted.scenes.entries):
            console.print("the dataset has disparity; --depth disparity uses it", highlight=False)
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
    """A camera's name, or its name and changed values, such as ``exposure=12``.

    Raises:
        InputError: a change has another form.
    """
    values: dict[str, Any] = {} if name is None else {"preset": name}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals or not is_number(value):
            raise InputError(
                f"--camera-set: expected NAME=NUMBER, got {change!r}. To fix: write for example "
                "--camera-set exposure=12"
            )
        values[key] = float(value)
    return values if changes else name


def _depth(
    depth: Literal["none", "disparity"],
    files: Path | None,
    scale: float | None,
    network: str | None,
    output: Literal["metric", "relative"] | None,
) -> str | dict[str, Any]:
    if sum((depth != "none", files is not None, network is not None)) > 1:
        raise InputError(
            "expected one source of depth, got several of --depth, --depth-files and "
            "--depth-network. To fix: give one of them"
        )
    if scale is not None and files is None:
        raise InputError(
            "--depth-scale: expected --depth-files beside it, got none. To fix: give both or "
            "neither"
        )
    if output is not None and network is None:
        raise InputError(
            "--depth-output: expected --depth-network beside it, got none. To fix: give both or "
            "neither"
        )
    if files is not None:
        return {"files": files} if scale is None else {"files": files, "scale": scale}
    if network is not None:
        return {"network": network, "output": output}
    return depth
