"""Checks a dataset before use: its content and its faults.

The check does not change the dataset. The result is plain data: `DatasetCheck`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from driftseg.checking.examine import Examined, Examiner
from driftseg.checking.findings import ClassShare, DatasetCheck, Finding, Kind, Part
from driftseg.checking.sources import FOLDER, Source, source_of
from driftseg.errors import InputError
from driftseg.images.listing import unread_images
from driftseg.labels import IGNORE, Classes, LabelSpace
from driftseg.scenes.dataset import is_named
from driftseg.scenes.datasets import recognise
from driftseg.scenes.pairs import Pair

EXAMPLES = 3
"""Number of examples that are kept for every finding."""


def check_dataset(
    root: Path,
    *,
    layout: str | None = None,
    labels: Path | None = None,
    label_space: LabelSpace | None = None,
    classes: Classes | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    headers_only: bool = False,
    workers: int = 1,
    watch: Callable[[int, int], None] = lambda done, total: None,
) -> DatasetCheck:
    """Checks a dataset.

    Args:
        root: its folder.
        layout: a layout's name (`driftseg.scenes.datasets`), ``folder``, or ``weather_set`` for
            a result of `driftseg weather`; None detects it.
        labels: folder with label PNGs of a plain folder of images.
        label_space: to map the labels of a layout to, or of a plain folder's ids; short for
            ``classes``.
        classes: the same, with the ids in label files. By default a plain folder has those of its
            ``classes.yaml``, or CamVid's.
        include: shell patterns; if there are any, only scenes with a matching name are checked.
        exclude: shell patterns; scenes with a matching name are not checked.
        headers_only: whether only sizes and codings are read, which is fast.
        workers: number of reading threads.
        watch: called with the number of checked scenes and of all scenes.

    Raises:
        InputError: no such folder or layout, or a label space that the labels cannot be mapped to.
    """
    if not root.is_dir():
        raise InputError(
            f"{root}: expected the folder of a dataset, got a path where there is none. To fix: "
            "check the path"
        )
    if classes is None and label_space is not None:
        classes = Classes(label_space)
    source = source_of(root, kind=layout, labels=labels, classes=classes)
    if include or exclude:
        chosen = [pair for pair in source.pairs if is_named(pair.name, include, exclude)]
        if not chosen and source.pairs:
            raise InputError(
                f"{root}: expected scenes for include={list(include)} exclude={list(exclude)}, got "
                f"none. To fix: change the patterns; names look like {source.pairs[0].name}"
            )
        source = replace(source, pairs=chosen)
    pairs, space = source.pairs, source.label_space
    examiner = replace(source.examiner, headers_only=headers_only)
    examined = list(_examine(examiner, pairs, workers, watch))
    shares, ignored = _class_shares(examined, space)
    findings = [*_file_findings(examined), *_common_findings(root, source, examined, shares)]
    order = {"error": 0, "warning": 1, "note": 2}
    return DatasetCheck(
        root=root,
        layout=source.kind,
        title=source.title,
        label_space=space,
        headers_only=headers_only,
        parts=_parts(pairs),
        image_sizes=_counted(found.image_size for found in examined),
        label_codings=_counted(found.label_coding for found in examined),
        labels_counted=sum(found.pixels is not None for found in examined),
        classes=shares,
        ignored=ignored,
        unknown_ids=_unknown(examined),
        findings=tuple(sorted(findings, key=lambda found: order[found.severity])),
        classes_assumed=source.assumed,
    )


def _examine(
    examiner: Examiner, pairs: Sequence[Pair], workers: int, watch: Callable[[int, int], None]
) -> Iterator[Examined]:
    # Threads are enough: image decoders release Python's global lock.
    executor = ThreadPoolExecutor(workers)
    try:
        for done, found in enumerate(executor.map(examiner, pairs)):
            watch(done + 1, len(pairs))
            yield found
    finally:
        executor.shutdown(cancel_futures=True)


def _parts(pairs: Sequence[Pair]) -> tuple[Part, ...]:
    images: Counter[tuple[str, str]] = Counter()
    labels: Counter[tuple[str, str]] = Counter()
    depth: Counter[tuple[str, str]] = Counter()
    for pair in pairs:
        place = (pair.split, pair.domain)
        images[place] += pair.image is not None
        labels[place] += pair.label is not None
        depth[place] += pair.depth is not None
    return tuple(Part(*at, images[at], labels[at], depth[at]) for at in sorted(images))


def _class_shares(
    examined: Sequence[Examined], space: LabelSpace
) -> tuple[tuple[ClassShare, ...], float]:
    """The share of every class, and of pixels without a class."""
    counts = [found.pixels for found in examined if found.pixels is not None]
    if not counts:
        return (), 0.0
    total = np.sum(counts, axis=0)
    holding = np.sum([row > 0 for row in counts], axis=0)
    classed = max(int(total[: len(space)].sum()), 1)
    shares = tuple(
        ClassShare(name, int(total[i]), int(total[i]) / classed, int(holding[i]))
        for i, name in enumerate(space.classes)
    )
    return shares, int(total[IGNORE]) / max(int(total.sum()), 1)


def _file_findings(examined: Sequence[Examined]) -> Iterator[Finding]:
    """Faults of single files, counted by kind."""
    places: dict[Kind, list[str]] = {}
    for found in examined:
        for kind, where in found.wrong:
            places.setdefault(kind, []).append(where)
    for kind, wrong in places.items():
        yield Finding(kind, len(wrong), tuple(wrong[:EXAMPLES]))


def _common_findings(
    root: Path, source: Source, examined: Sequence[Examined], shares: Sequence[ClassShare]
) -> Iterator[Finding]:
    """Findings that need all scenes together."""
    pairs = source.pairs
    if not any(pair.image is not None for pair in pairs):
        yield Finding("no_images", 1, tuple(_instead(root)))
    elif source.labels is not None and not any(_labelled(pair) for pair in pairs):
        first = next(pair.name for pair in pairs if pair.image is not None)
        yield Finding("no_labels", 1, (f"{source.labels}: holds no {first}.png",))
    named = Counter((pair.split, pair.name) for pair in pairs)
    if shared := [f"{split}: {name}" for (split, name), count in named.items() if count > 1]:
        yield Finding("duplicate_names", len(shared), tuple(shared[:EXAMPLES]))
    if unread := _unread(root, source):
        told = (str(path) for path in unread[:EXAMPLES])
        yield Finding("unread_files", len(unread), tuple(told))
    labelled = {pair.split for pair in pairs if pair.label is not None}
    if bare := [str(pair.image) for pair in pairs if pair.split in labelled and _bare(pair)]:
        yield Finding("unlabelled_images", len(bare), tuple(bare[:EXAMPLES]))
    sizes = {f"{w}x{h}": n for (w, h), n in _counted(e.image_size for e in examined).items()}
    yield from _mixed("mixed_image_sizes", sizes)
    yield from _mixed("mixed_label_coding", _counted(e.label_coding for e in examined))
    known = [found.pixels for found in examined if found.pixels is not None]
    if known and len(source.label_space) > 1:
        held = np.flatnonzero(np.sum(known, axis=0))
        if [*held] == [0, IGNORE]:
            yield Finding("mask_labels", len(known), (f"the only class is {shares[0].name}",))
    if absent := [share.name for share in shares if share.pixels == 0]:
        yield Finding("absent_classes", len(absent), tuple(absent))


def _unread(root: Path, source: Source) -> list[Path]:
    """Image files of unsupported kinds, in all folders with a scene's file."""
    files = (path for p in source.pairs for path in (p.image, p.label) if path is not None)
    above = {root} if source.kind == FOLDER else set()
    folders = {*(path.parent for path in files), *above}
    return unread_images(folders | ({source.labels} if source.labels is not None else set()))


def _instead(root: Path) -> Iterator[str]:
    """The content of a folder without images, and datasets directly below it."""
    below = sorted(root.iterdir())[:8]
    yield f"{root}: holds {', '.join(path.name for path in below) or 'nothing'}"
    for path in below:
        if path.is_dir() and (layout := recognise(path)) is not None:
            yield f"{path}: is laid out as {layout.title}"


def _labelled(pair: Pair) -> bool:
    """Whether a scene of a plain folder is read with a label: only PNGs are labels."""
    return bool(pair.image and pair.label and pair.label.suffix.lower() == ".png")


def _bare(pair: Pair) -> bool:
    return pair.image is not None and pair.label is None and pair.missing is None


def _mixed(kind: Kind, counts: Mapping[str, int]) -> Iterator[Finding]:
    """A finding if there are several values where all should be equal."""
    if len(counts) > 1:
        told = tuple(f"{count} of {what}" for what, count in counts.items())
        yield Finding(kind, len(counts), told[:EXAMPLES])


def _unknown(examined: Sequence[Examined]) -> dict[int, int]:
    total: Counter[int] = Counter()
    for found in examined:
        total.update(found.unknown)
    return dict(sorted(total.items()))


def _counted(values: Iterable[Any]) -> dict[Any, int]:
    """The number of each value, the most common first; None is left out."""
    return dict(Counter(value for value in values if value is not None).most_common())
