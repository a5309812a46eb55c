"""driftseg weather: a dataset put into weather, on disk."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from driftseg.cli.several_values import is_number
from driftseg.errors import InputError

if TYPE_CHECKING:
    from driftseg.scenes.dataset import SceneFiles
    from driftseg.scenes.depth import DepthSettings
    from driftseg.scenes.layout import Layout
    from driftseg.weather.camera import Camera
    from driftseg.weather_sets.making import Outcome, Progress

TOLD = 20
"""Reasons on the screen; the record has all."""


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
    found, scenes = _scenes(images, split, domain, labels, label_space, shrunk)
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
    _tell(console, outcome, page)
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
    label_space: str | None,
    size: tuple[int, int] | None,
) -> tuple[Layout | None, SceneFiles]:
    """A folder's layout, if it is in one, and its scenes."""
    from driftseg.labels import named_space
    from driftseg.scenes.cityscapes import CITYSCAPES
    from driftseg.scenes.datasets import recognise
    from driftseg.scenes.folder import folder
    from driftseg.scenes.layout import scenes
    from driftseg.scenes.weather_cityscapes import WEATHER_CITYSCAPES

    if not images.is_dir():
        raise InputError(f"{images}: no such folder of images")
    if labels is None and label_space is not None:
        raise InputError("--label-space says what --labels mean; give both, or leave it out")
    label_space = label_space or "camvid11"
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
    space = named_space(label_space, "--label-space")
    return None, folder(images, label_space=space, labels=labels, size=size)


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


class MakingWatch:
    """A progress bar with the time left; a line every tenth where output is no terminal."""

    def __init__(self, console: Console):
        self._console = console
        self._started = time.monotonic()
        self._tenth = 0
        self._bar = Bar(
            TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"), TimeRemainingColumn(),
            console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("images", total=None, speed="")

    def __enter__(self) -> MakingWatch:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        """Shows how far it is."""
        seconds = max(time.monotonic() - self._started, 1e-9)
        speed = progress.done / seconds
        self._bar.update(
            self._task,
            completed=progress.done,
            total=progress.total,
            speed=f"{speed:.1f} images/s",
        )
        tenth = 10 * progress.done // max(progress.total, 1)
        if not self._console.is_terminal and tenth > self._tenth:
            self._tenth = tenth
            left = timedelta(seconds=round((progress.total - progress.done) / max(speed, 1e-9)))
            self._console.print(
                f"{progress.done} of {progress.total} images  {speed:.1f} images/s  {left} left",
                highlight=False, soft_wrap=True,
            )  # fmt: skip


def _tell(console: Console, outcome: Outcome, page: Path) -> None:
    lines = [f"{outcome.made} images made, {outcome.kept} were there already"]
    if outcome.gone:
        lines.append(f"{len(outcome.gone)} source images are gone, and what was made of them")
    lines += [f"depth of {count}: {source}" for source, count in outcome.depths.items()]
    lines += [f"labels of {count}: {how}" for how, count in outcome.labels.items()]
    lines += [f"record: {outcome.record}", f"look at it: {page}"]
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    if outcome.unreadable:
        told = [f"{len(outcome.unreadable)} images could not be used, the others are made:"]
        told += [f"  {reason}" for reason in [*outcome.unreadable.values()][:TOLD]]
        if len(outcome.unreadable) > TOLD:
            told.append(
                f"  and {len(outcome.unreadable) - TOLD} more, see unreadable in the record"
            )
        for line in told:
            console.print(line, soft_wrap=True, highlight=False, markup=False, style="red")
