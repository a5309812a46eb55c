"""A dataset's layout on disk, and the selection of scenes from it.

`driftseg.scenes.datasets` holds the table of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from driftseg.errors import InputError, commas
from driftseg.frame import Label
from driftseg.images.label_coding import ID_CODINGS
from driftseg.images.reading import Size
from driftseg.labels import (
    MAPPINGS,
    ClassesSettings,
    LabelMapping,
    LabelSpace,
    mapping_between,
    named_space,
)
from driftseg.labels.mappings import Stated
from driftseg.scenes.dataset import Entry, SceneFiles, check_entries, scene_of
from driftseg.scenes.pairs import Pair
from driftseg.scenes.selection import SelectedSettings


@dataclass(frozen=True)
class Layout:
    """A dataset's layout on disk."""

    name: str
    """The ``kind`` of configs."""
    title: str
    """The usual name of the dataset."""
    wanted: str
    """The expected contents of the folder, for errors."""
    label_space: LabelSpace
    """The label space of the ids that ``decode`` gives."""
    found: Callable[[Path], bool]
    """Whether a folder is in this layout; never raises."""
    pairs: Callable[[Path], list[Pair]]
    """All scenes in a folder of this layout, by split and in natural order of names. A scene
    without its image or label is listed, too."""
    decode: Callable[[Path], Label]
    """Reads a label file into ids of ``label_space``, or 255."""
    codings: Callable[[Path], frozenset[str]] = lambda path: ID_CODINGS
    """The coding of label files that ``decode`` expects, in the words of `label_coding`."""
    remark: Callable[[Path], str] = lambda path: ""
    """A remark on a label file that ``decode`` reads; empty for none."""
    general: bool = False
    """Whether other datasets also use this layout; such layouts are tried last."""


class LayoutSettings(SelectedSettings, ClassesSettings):
    """A dataset in its authors' layout (docs/datasets.md). A subclass names the layout."""

    root: Path | None = None
    """The folder; ``--data FOLDER`` sets it in all sections without one."""
    split: str | None = "train"
    """train, val, ...; ``all`` if the layout has no splits; null takes every split."""
    domain: str | None = None
    """The layout's word for a condition (``night``, ``rain/100mm``), or the part before a slash;
    null takes all."""
    label_space: str | None = None
    """Another label space to which labels are mapped; null keeps the dataset's. ``classes`` states
    your own."""
    mapping: Stated | None = Field(default=None, exclude_if=lambda value: value is None)
    """The mapping: each class of the dataset -> a class of that space or null; or a YAML file with
    it. null takes the built-in mapping."""

    takes_folder: ClassVar[bool] = True
    layout: ClassVar[Layout]

    def folder(self) -> Path:
        """The dataset's folder."""
        if self.root is None:
            raise InputError(
                f"expected a folder of {self.layout.title}, got none. To fix: pass --data "
                "FOLDER, or set root"
            )
        return self.root

    def files(self) -> SceneFiles:
        """All scenes of the split and domain."""
        return found_scenes(
            self.layout, self.folder(), split=self.split, domain=self.domain, size=self.size,
            label_space=self._space(), mapping=self.mapping,
        )  # fmt: skip

    def shown(self, found: SceneFiles) -> Mapping[Path, str]:
        """Every image of every split and domain, and its scene."""
        return shown_scenes(self.layout, self.folder())

    def told_in(self) -> LabelMapping | None:
        """The mapping of the layout's labels to ``label_space``."""
        wanted, own = self._space(), self.layout.label_space
        if wanted is None or wanted == own:
            return None
        return mapping_between(own, wanted, self.mapping)

    def _space(self) -> LabelSpace | None:
        stated = self.stated_classes()
        if stated is not None and stated.ids is not None:
            raise InputError(
                f"classes: expected no ids, because the ids of {self.layout.title} are known, "
                "got ids. To fix: leave out ids and ignored_ids, and set mapping from its "
                "classes to yours"
            )
        if stated is not None:
            return stated.space
        if self.label_space is None and self.mapping is not None:
            raise InputError(
                "mapping: expected label_space or classes beside it, got neither. To fix: set the "
                "label space or the classes that labels are mapped to"
            )
        return None if self.label_space is None else named_space(self.label_space, "label_space")


def shown_scenes(layout: Layout, root: Path) -> dict[Path, str]:
    """Every image in a folder of this layout, with its split and scene."""
    return {
        pair.image: f"{pair.split}/{scene_of(pair.name)}"
        for pair in layout.pairs(root)
        if pair.image is not None
    }


def check_layout(layout: Layout, root: Path) -> None:
    """Raises InputError unless the folder exists and has this layout."""
    if not root.is_dir():
        raise InputError(
            f"{root}: expected a folder of {layout.title}, got a path where there is none. To fix: "
            "pass its folder with --data FOLDER, or set root"
        )
    if not layout.found(root):
        raise InputError(
            f"{root}: expected {layout.wanted}, got "
            f"{commas(sorted(p.name for p in root.iterdir())[:8])}. To fix: name the folder that "
            "holds these"
        )


def scenes(layout: Layout, root: Path, **wanted: Any) -> SceneFiles:
    """As `found_scenes`, and checks all of them.

    Raises:
        InputError: as `found_scenes`; an image has no label but others have, or one scene has two
            files.
    """
    found = found_scenes(layout, root, **wanted)
    check_entries(found.entries)
    return found


def found_scenes(
    layout: Layout,
    root: Path,
    *,
    split: str | None = None,
    domain: str | None = None,
    size: Size | None = None,
    label_space: LabelSpace | None = None,
    mapping: Stated | None = None,
    only: Collection[Path] | None = None,
) -> SceneFiles:
    """The scenes of one split and domain, in natural order of names.

    `check_entries` reports missing files later, when the selection is known.

    Args:
        layout: of the folder.
        root: the folder.
        split: one of the layout's; None takes all.
        domain: one of the layout's, or the part of several before a slash: ``rain`` takes
            ``rain/25mm`` and ``rain/50mm``; None takes all.
        size: (width, height) to shrink to.
        label_space: to which labels are mapped; None keeps the layout's.
        mapping: of the labels; None takes the built-in one.
        only: image files to use, as if the folder held no others; None takes all.

    Raises:
        InputError: the folder has another layout, the split or domain does not exist, or labels
            cannot be mapped to ``label_space``.
    """
    check_layout(layout, root)
    told = None if label_space is None else layout_mapping(layout, label_space, mapping)
    pairs: Sequence[Pair] = layout.pairs(root)
    if only is not None:
        pairs = [pair for pair in pairs if pair.image in only]
    if not pairs:
        raise InputError(
            f"{root}: expected images of {layout.title} ({layout.wanted}), got none. To fix: name "
            "another folder, or complete the dataset"
        )
    pairs = _chosen(pairs, split, "split", lambda pair: pair.split, root)
    pairs = _chosen(pairs, domain, "domain", lambda pair: pair.domain, root)
    entries = [
        Entry(
            pair.name,
            pair.image,
            pair.label,
            pair.depth,
            pair.camera,
            pair.split,
            pair.domain,
            pair.missing,
            pair.fault,
        )
        for pair in pairs
        if pair.image is not None
    ]
    if not entries:
        raise InputError(
            f"{root}: expected images of {layout.title}, got labels alone. To fix: complete the "
            "dataset"
        )
    return SceneFiles(
        entries,
        label_space=layout.label_space,
        decode=layout.decode,
        size=size,
        mapping=told,
    )


def layout_mapping(layout: Layout, space: LabelSpace, stated: Stated | None = None) -> LabelMapping:
    """The mapping of the layout's labels to another label space.

    Raises:
        InputError: there is no mapping, or the stated one is not valid.
    """
    mapping = mapping_between(layout.label_space, space, stated)
    if mapping is None:
        known = [target for source, target in MAPPINGS if source == layout.label_space.name]
        raise InputError(
            f"label_space: expected a label space that {layout.label_space.name} can be mapped to, "
            f"got {space.title}. To fix: take one of {commas(known)}, or set mapping"
        )
    return mapping


def belongs(value: str, wanted: str | None) -> bool:
    """Whether a split or domain is the wanted one or part of it, as ``rain/25mm`` of ``rain``."""
    return wanted is None or f"{value}/".startswith(f"{wanted}/")


def _chosen(
    pairs: Sequence[Pair], wanted: str | None, what: str, of: Callable[[Pair], str], root: Path
) -> Sequence[Pair]:
    chosen = [pair for pair in pairs if belongs(of(pair), wanted)]
    if not chosen:
        found = sorted({of(pair) for pair in pairs})
        hint = f"set {what} to one of them"
        if len(found) == 1:
            hint = f"set {what} to {found[0]!r}, the only one"
        if found == [""]:
            hint = f"set {what} to null, because this layout has no {what}s"
        raise InputError(
            f"{root}: expected the {what} {wanted!r}, got {commas(found)}. To fix: {hint}"
        )
    return chosen
