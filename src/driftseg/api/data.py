"""Checks of datasets on disk, and weather sets. Nothing here needs torch."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, get_args

from driftseg.api.stated import (
    StatedCamera,
    StatedClasses,
    StatedDepth,
    stated_camera,
    stated_classes,
    stated_depth,
)
from driftseg.checking.check import check_dataset
from driftseg.checking.findings import DatasetCheck, Severity
from driftseg.errors import InputError, commas
from driftseg.images.reading import Size, read_image
from driftseg.labels import CAMVID11, Classes, LabelSpace
from driftseg.scenes.dataset import check_entries, select
from driftseg.scenes.folder import classes_of_folder
from driftseg.scenes.sizes import check_sizes
from driftseg.weather.amounts import check_amount
from driftseg.weather_sets.choice import Choice
from driftseg.weather_sets.domains import weather_domains
from driftseg.weather_sets.making import Outcome, Progress, WeatherSet, make_set
from driftseg.weather_sets.places import Format
from driftseg.weather_sets.sources import source_scenes, with_depth

__all__ = [
    "DatasetCheck", "Outcome", "Progress", "Severity", "WeatherSet", "check_data",
    "make_weather_set", "prepare", "write_check",
]  # fmt: skip

Amounts = float | Sequence[float]
"""One value of a weather, or several."""


def check_data(
    path: str | Path,
    *,
    layout: str | None = None,
    labels: str | Path | None = None,
    label_space: str | LabelSpace | None = None,
    classes: StatedClasses | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    headers_only: bool = False,
    workers: int | None = None,
    out: str | Path | None = None,
    watch: Callable[[int, int], None] | None = None,
) -> DatasetCheck:
    """Reports the content and the faults of a dataset (``driftseg data check``).

    Nothing in the dataset is changed.

    Args:
        path: folder of a dataset, or of images.
        layout: read it in this layout: ``cityscapes``, ``camvid``, ..., ``weather_set`` or
            ``folder``; None recognises it.
        labels: folder of label PNGs that belong to a folder of images.
        label_space: the label space of a folder of labels, or the one to map a layout's labels
            to: a name (``camvid11``, ``cityscapes19``, ...) or a `LabelSpace`.
        classes: the same as names, as {name, colour, ids} each, or as the path of a file
            (docs/classes.md). Where neither is given, a folder's ``classes.yaml`` says it, or
            CamVid's eleven are taken.
        include: patterns of names; only matching scenes are checked.
        exclude: patterns of names; matching scenes are left out.
        headers_only: read only file headers, which is fast.
        workers: number of files read in parallel; None is the number of cores, at most 8.
        out: folder for ``report.json`` and ``class_shares.png``, outside the dataset.
        watch: called with the numbers of finished and of all scenes.

    Returns:
        The findings: ``severity`` is ``note``, ``warning`` or ``error``; ``findings`` are the
        faults, ``classes`` the share of each class; ``to_json()`` returns everything.

    Raises:
        InputError: no such folder, layout or classes, or ``out`` cannot be written to.
    """
    root = Path(path)
    if out is not None:
        prepare(Path(out), root)
    found = check_dataset(
        root,
        layout=layout,
        labels=None if labels is None else Path(labels),
        classes=stated_classes(label_space, classes),
        include=tuple(include),
        exclude=tuple(exclude),
        headers_only=headers_only,
        workers=_number("workers", min(8, os.cpu_count() or 1) if workers is None else workers),
        watch=(lambda done, total: None) if watch is None else watch,
    )
    if out is not None:
        write_check(found, Path(out))
    return found


def prepare(out: Path, root: Path) -> None:
    """Makes the folder of a report before a dataset is checked.

    Makes nothing if there is no dataset.

    Args:
        out: the folder.
        root: the dataset's.

    Raises:
        InputError: the folder lies in the dataset, or cannot be written to.
    """
    if not root.is_dir():
        return
    if out.resolve().is_relative_to(root.resolve()):
        raise InputError(
            f"{out}: expected a folder outside the dataset, got one inside. To fix: choose another "
            "folder"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable.partial"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"{out}: expected a folder that can be written to, got an error ({error.strerror}). To "
            "fix: choose another folder"
        ) from None


def write_check(found: DatasetCheck, out: Path) -> list[Path]:
    """Writes the report, and a picture if there are classes. Writes no partial files.

    Returns:
        The files.

    Raises:
        InputError: one cannot be written.
    """
    from driftseg.report.class_shares import Bar, class_shares_figure  # slow: it draws

    report = json.dumps(found.to_json(), indent=1) + "\n"
    text = _whole(out / "report.json", lambda partial: partial.write_text(report, encoding="utf-8"))
    if not found.classes:
        return [text]
    pairs = zip(found.classes, found.label_space.colours, strict=True)
    bars = [Bar(share.name, colour, share.share, share.scenes) for share, colour in pairs]
    title = f"{found.title}, {found.labels_counted} labels, {found.label_space.phrase}"
    figure = class_shares_figure(bars, title=title, scenes=found.labels_counted)
    picture = _whole(
        out / "class_shares.png", lambda partial: figure.savefig(partial, dpi=110, format="png")
    )
    return [text, picture]


def _whole(path: Path, write: Callable[[Path], object]) -> Path:
    partial = path.with_name(f".{path.name}.partial")
    try:
        write(partial)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InputError(
            f"{path}: expected a file that can be written, got an error ({error.strerror}). To "
            "fix: choose another folder"
        ) from None
    return path


def make_weather_set(
    images: str | Path,
    out: str | Path,
    *,
    rain: Amounts = (),
    fog: Amounts = (),
    night: Amounts = (),
    snow: Amounts = (),
    snow_cover: float | None = None,
    wet_road: float | None = None,
    clouds: float | None = None,
    lens_drops: float = 0.0,
    severity: float = 1.0,
    seed: int = 0,
    camera: StatedCamera | None = None,
    depth: StatedDepth = "none",
    labels: str | Path | None = None,
    label_space: str | LabelSpace | None = None,
    classes: StatedClasses | None = None,
    split: str | None = None,
    domain: str | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    limit: int | None = None,
    size: Size | None = None,
    format: Format = "png",
    workers: int | None = None,
    watch: Callable[[Progress], None] | None = None,
    begun: Callable[[WeatherSet], None] | None = None,
) -> Outcome:
    """Renders weather on a dataset and writes it to disk (``driftseg weather``).

    Each weather becomes a dataset that is read like the original. Labels are linked. The same
    call continues an interrupted one.

    Args:
        images: folder of Cityscapes, CamVid, another known dataset, or of images.
        out: folder to write to, outside the folder of the images.
        rain: rates in mm/h, one or several.
        fog: visibilities in metres, one or several.
        night: from 0 (day) to 1 (night), one or several.
        snow: rates in mm/h of water, one or several.
        snow_cover: share of the ground under snow with ``snow``; None is 0.6 on images with
            labels and 0 on others.
        wet_road: wetness of the ground with ``rain``, 0 to 1; needs labels. None follows the rain:
            0.8 from 25 mm/h on.
        clouds: how much of the sun the clouds take away, 0 to 1; None follows the weather.
        lens_drops: share of the picture behind drops with ``rain``, 0 to 0.5.
        severity: strength; 1 is the physical model.
        seed: seed of the drops.
        camera: ``town``, ``camvid``, ``cityscapes``, a dict of changes to one
            (``{"preset": "camvid", "exposure": 12}``), or a `driftseg.weather.Camera`; None is
            the camera of the dataset, or that of Cityscapes.
        depth: ``"none"`` takes the plane of the road and the labels, ``"disparity"`` Cityscapes'
            own files, ``{"files": folder, "scale": 256}`` 16-bit depth PNGs (levels a metre),
            ``{"network": folder or hub id}`` a depth network of transformers.
        labels: folder of label PNGs of a plain folder of images.
        label_space: the label space of ``labels``: a name or a `LabelSpace`.
        classes: the same as for `check_data`.
        split: ``train``, ``val``, ...; None is all.
        domain: domain of the dataset; None is all.
        include: patterns of names; only matching images are taken.
        exclude: patterns of names; matching images are left out.
        limit: number of images to take, for a trial.
        size: (width, height) to shrink to first.
        format: ``png`` keeps every pixel; ``jpg`` is smaller and blurs thin streaks.
        workers: number of processes; None is this one alone. A script with more workers calls
            this below ``if __name__ == "__main__":``, because each process reads the script.
        watch: called after every source image with ``done``, ``total`` and ``source``.
        begun: called once before the first image, with the plan of the set.

    Returns:
        The outcome: ``made`` and ``kept`` count files, ``unreadable`` names images that could
        not be used with reasons, ``record`` is the set's ``weather.json``, ``page`` a
        contact sheet.

    Raises:
        InputError: an argument cannot be used, ``out`` cannot be written to, or was made with
            other settings. Finished images stay.
    """
    values = {"rain": rain, "fog": fog, "night": night, "snow": snow}
    domains = weather_domains(
        **{name: _amounts(name, value) for name, value in values.items()},
        snow_cover=snow_cover, wet_road=wet_road, clouds=clouds, lens_drops=lens_drops,
    )  # fmt: skip
    check_amount("severity", severity)
    seed = _number("seed", seed, least=0)
    processes = _number("workers", 1 if workers is None else workers)
    if format not in get_args(Format):
        raise InputError(
            f"format: expected one of {commas(get_args(Format))}, got {format!r}. To fix: give one "
            "of them"
        )
    root = Path(images)
    ids = None if labels is None else Path(labels)
    meaning = _meaning(root, ids, label_space, classes)
    shrunk = None if size is None else _size(size)
    layout, found = source_scenes(root, split, domain, ids, meaning, shrunk)
    kind = "folder" if layout is None else layout.name
    seen_through = stated_camera(camera, kind)
    how = stated_depth(depth)
    found = with_depth(found, how, seen_through, root, layout)
    choice = Choice(split, domain, tuple(include), tuple(exclude))
    last = None if limit is None else _number("limit", limit)
    chosen = select(
        found, include=choice.include, exclude=choice.exclude, stop=last, where=str(images)
    )
    found.entries = [found.entries[index] for index in chosen.indices]
    check_entries(found.entries)
    if shrunk is not None:
        check_sizes((entry.image for entry in found.entries), shrunk)
    wanted = WeatherSet(
        root, kind, found, domains, seen_through, seed=seed, severity=severity, size=shrunk,
        kind=format, depth=how if isinstance(how, str) else how.model_dump(mode="json"),
        choice=choice,
    )  # fmt: skip
    if begun is not None:
        begun(wanted)
    told = (lambda progress: None) if watch is None else watch
    outcome = make_set(wanted, Path(out), workers=processes, watch=told)
    from driftseg.report.weather_page import write_weather_page  # only here: it needs jinja

    return replace(outcome, page=write_weather_page(Path(out), read_image))


def _amounts(name: str, given: Any) -> tuple[float, ...]:
    """The values of one weather."""
    several = (given,) if isinstance(given, Real) else given
    try:
        if any(isinstance(value, bool | str) for value in several):
            raise TypeError
        return tuple(float(value) for value in several)
    except (TypeError, ValueError):
        raise InputError(
            f"{name}: expected a number or several, got {given!r}. To fix: give for example "
            f"{name}=25 or {name}=(25, 50)"
        ) from None


def _size(given: Any) -> Size:
    if not isinstance(given, list | tuple) or len(given) != 2:
        raise InputError(
            f"size: expected (width, height) in pixels, got {given!r}. To fix: give for example "
            "size=(480, 360)"
        )
    return _number("size", given[0]), _number("size", given[1])


def _number(name: str, value: int, *, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InputError(
            f"{name}: expected a whole number of {least} or more, got {value!r}. To fix: give such "
            "a number"
        )
    return int(value)


def _meaning(
    root: Path,
    labels: Path | None,
    label_space: str | LabelSpace | None,
    classes: StatedClasses | None,
) -> Classes:
    """What the labels of a plain folder mean."""
    for name, value in (("label_space", label_space), ("classes", classes)):
        if labels is None and value is not None:
            raise InputError(
                f"{name}: expected a folder of labels beside it, got none. To fix: give labels, or "
                f"leave out {name}"
            )
    stated = stated_classes(label_space, classes)
    return stated or classes_of_folder(root, labels) or Classes(CAMVID11)
