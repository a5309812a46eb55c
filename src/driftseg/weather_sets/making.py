"""Makes a weather set on disk; a run can be stopped at any time and continued."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath
from typing import Any

from driftseg.errors import InputError
from driftseg.images.listing import told_unread
from driftseg.images.reading import Size
from driftseg.scenes.dataset import SceneFiles, unread_of
from driftseg.scenes.sizes import squeezed
from driftseg.weather.camera import Camera
from driftseg.weather.render import RENDERER
from driftseg.weather_sets.choice import Choice
from driftseg.weather_sets.classes import told_classes
from driftseg.weather_sets.domains import WeatherDomain
from driftseg.weather_sets.labels import name_in_set
from driftseg.weather_sets.painting import Painter, Task
from driftseg.weather_sets.places import Format, check_places, image_place, label_place
from driftseg.weather_sets.record import SetRecord, files_of
from driftseg.weather_sets.workers import paint_all
from driftseg.weather_sets.writing import remove_file, unchanged


@dataclass(frozen=True)
class WeatherSet:
    """The weather set to make, and its source."""

    root: Path
    """The source's folder."""
    layout: str
    """The source's kind."""
    scenes: SceneFiles
    domains: Sequence[WeatherDomain]
    camera: Camera
    seed: int = 0
    severity: float = 1.0
    size: Size | None = None
    """(width, height) to which scenes are shrunk; None keeps their size."""
    kind: Format = "png"
    depth: str | Mapping[str, Any] = "none"
    """The setting of depth, for the record."""
    choice: Choice = field(default_factory=Choice)
    """The selection of scenes."""

    def settings(self, out: Path) -> dict[str, Any]:
        """The settings of all images; a set with other settings is another set."""
        return {
            "renderer": RENDERER,
            "root": Path(os.path.relpath(self.root.resolve(), out.resolve())).as_posix(),
            "layout": self.layout,
            **told_classes(self.scenes, self.layout),
            "seed": self.seed,
            "severity": self.severity,
            "size": None if self.size is None else list(self.size),
            "format": self.kind,
            "depth": self.depth,
            "camera": asdict(self.camera),
        }


@dataclass(frozen=True)
class Progress:
    """Progress of making a set."""

    done: int
    """Images rendered in this run, over all weathers."""
    total: int
    """Images to render in this run."""
    source: str
    """The last finished file."""


@dataclass(frozen=True)
class Outcome:
    """The result of one run."""

    made: int
    """Number of rendered files."""
    kept: int
    """Number of files that existed and were correct."""
    unreadable: dict[str, str]
    """By source file, why an image, its label or depth could not be used."""
    depths: dict[str, int]
    """Number of images by source of depth."""
    labels: dict[str, int]
    """Number of images by how their labels were added."""
    gone: tuple[str, ...]
    """Source files that no longer exist; their images in the set were removed."""
    record: Path
    """``weather.json``."""
    unread: str = ""
    """Files beside the images in formats that are not read, in words."""
    squeezed: str = ""
    """Images with another aspect ratio than ``size``, in words."""
    page: Path | None = None
    """The contact sheet, if one was made."""


def make_set(
    wanted: WeatherSet,
    out: Path,
    *,
    workers: int = 1,
    watch: Callable[[Progress], None] = lambda progress: None,
) -> Outcome:
    """Renders the missing images of a set.

    A file is kept if it and all its sources match the record. If a source has changed, its images
    and labels are made again, and those of weathers outside this run are removed. If a source no
    longer exists and this run selects it (`WeatherSet.choice`), all its images and labels are
    removed. A scene whose image, label or depth cannot be used is left out and reported.

    Args:
        wanted: the set.
        out: its folder.
        workers: number of processes.
        watch: called after every image.

    Raises:
        InputError: the folder cannot be used or has other settings, depth does not fit its image,
            or a file cannot be written. Finished files stay.
    """
    scenes = wanted.scenes
    read = {path.parent for index in range(len(scenes)) for path in scenes.files(index)}
    check_places([wanted.root, *sorted(read)], out)
    _check_names(wanted)
    painter = Painter(
        wanted.scenes, wanted.root, out, wanted.camera, wanted.seed, wanted.severity, wanted.size,
        wanted.kind,
    )  # fmt: skip
    domains = {domain.name: _told(domain, wanted.severity) for domain in wanted.domains}
    with SetRecord(out, settings=wanted.settings(out), domains=domains) as record:
        sources = [
            Path(os.path.relpath(entry.image, wanted.root)).as_posix()
            for entry in wanted.scenes.entries
        ]
        gone = _remove_old(wanted, painter, record, sources)
        tasks = [
            task
            for index, source in enumerate(sources)
            if (task := _task(wanted, painter, record, index, source)) is not None
        ]
        total, done = sum(len(task.images) for task in tasks), 0
        for painted in paint_all(painter, tasks, workers):
            done += len(painted.task.images)
            if painted.entry is None:
                record.unreadable[painted.task.source] = painted.reason
            else:
                record.add(painted.task.source, painted.entry)
            watch(Progress(done, total, painted.task.source))
        entries = [record.images[source] for source in sources if source in record.images]
        lost = sum(len(t.images) for t in tasks if t.source in record.unreadable)
        return Outcome(
            made=total - lost,
            kept=len(sources) * len(wanted.domains) - total,
            unreadable=dict(record.unreadable),
            depths=dict(Counter(entry["depth"] for entry in entries)),
            labels=dict(Counter(_how_put(entry) for entry in entries)),
            gone=gone,
            record=record.finish(),
            unread=told_unread(unread_of(scenes)),
            squeezed=squeezed(scenes),
        )


def _remove_old(
    wanted: WeatherSet, painter: Painter, record: SetRecord, sources: Sequence[str]
) -> tuple[str, ...]:
    """Removes images of changed or missing sources; returns the missing sources."""
    gone = [
        source
        for source, entry in record.images.items()
        if wanted.choice.holds(entry) and not (wanted.root / source).exists()
    ]
    changed = [
        source
        for index, source in enumerate(sources)
        if source in record.images and not _same_inputs(painter, record.images[source], index)
    ]
    old = dict.fromkeys([*gone, *changed])
    # One label may belong to several images, for example in Foggy Cityscapes.
    used = {
        file
        for source, entry in record.images.items()
        if source not in old
        for file in files_of(entry)
    }
    for source in old:
        for file in files_of(record.images[source]):
            if file not in used:
                remove_file(painter.out, file)
        record.drop(source)
    return tuple(gone)


def _told(domain: WeatherDomain, severity: float) -> dict[str, Any]:
    return {
        "folder": domain.folder,
        "conditions": asdict(domain.conditions),
        "words": str(domain.conditions),
        "extinction_per_kilometre": domain.extinction(severity),
        "transmission_at_100_m": domain.transmission(severity),
    }


def _task(
    wanted: WeatherSet, painter: Painter, record: SetRecord, index: int, source: str
) -> Task | None:
    """The remaining task of one image; None if it is complete."""
    out, known, facts = painter.out, record.images.get(source), painter.facts(index)
    made = {} if known is None else known["made"]
    images = [
        (domain, image_place(PurePath(source), domain, wanted.layout, wanted.kind).as_posix())
        for domain in wanted.domains
    ]
    labels = [
        (domain.name, place)
        for domain in wanted.domains
        if (place := _label_place(wanted, facts["label"], domain)) is not None
    ]
    for name, place in labels:
        before = made.get(name, {}).get("label")
        if before is not None and before["file"] != place:  # the form in older sets
            remove_file(out, before["file"])
    task = Task(
        index,
        source,
        tuple((d, file) for d, file in images if not _is_there(out, file, made.get(d.name))),
        tuple(
            (name, place)
            for name, place in labels
            if not _is_there(out, place, made.get(name, {}).get("label"))
        ),
        known,
    )
    if task.images or task.labels:
        return task
    if known is not None and any(known[key] != fact for key, fact in facts.items()):
        record.add(source, {**known, **facts})
    return None


def _is_there(out: Path, file: str, state: dict[str, Any] | None) -> bool:
    """Whether a file exists and matches the record."""
    return state is not None and state["file"] == file and unchanged(out / file, state)


def _same_inputs(painter: Painter, known: dict[str, Any], index: int) -> bool:
    files = painter.scenes.files(index)
    return len(files) == len(known["read"]) and all(
        os.path.abspath(painter.root / state["file"]) == os.path.abspath(path)
        and unchanged(path, state)
        for path, state in zip(files, known["read"], strict=True)
    )


def _label_place(wanted: WeatherSet, label: str | None, domain: WeatherDomain) -> str | None:
    if label is None:
        return None
    inside = PurePath(label)
    inside = inside.with_name(name_in_set(inside.name, wanted.size))
    return label_place(inside, domain.folder, wanted.layout).as_posix()


def _how_put(entry: dict[str, Any]) -> str:
    """How an image's labels were added to the set, in words."""
    ways = {made["label"]["put"] for made in entry["made"].values() if "label" in made}
    return " and ".join(sorted(ways)) or "none"


def _check_names(wanted: WeatherSet) -> None:
    """Raises InputError if two images would get the same file."""
    known: dict[Path, Path] = {}
    for entry in wanted.scenes.entries:
        other = known.setdefault(entry.image.with_suffix(""), entry.image)
        if other != entry.image:
            raise InputError(
                f"expected different names after conversion to .{wanted.kind}, got {other} and "
                f"{entry.image}. To fix: rename one of them"
            )
