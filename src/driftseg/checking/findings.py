"""The result of a dataset check, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from driftseg.images.reading import Size
from driftseg.labels import LabelSpace

Kind = Literal[
    "no_images", "unreadable_images", "unreadable_labels", "missing_labels", "no_labels",
    "labels_of_another_size", "unknown_ids", "sixteen_bit_labels", "colour_labels",
    "refused_labels", "lossy_labels", "orphaned_labels", "unlabelled_images", "duplicate_names",
    "mixed_image_sizes", "mixed_label_coding", "empty_labels", "unreadable_depth",
    "depth_of_another_size", "absent_classes", "files_in_doubt", "unread_files",
    "turned_images", "empty_objects", "mask_labels",
]  # fmt: skip
Severity = Literal["note", "warning", "error"]

MEANING: Mapping[Kind, tuple[Severity, str]] = {
    "no_images": ("error", "there is no image"),
    "unreadable_images": ("error", "images cannot be decoded; mend or remove them"),
    "unreadable_labels": ("error", "labels cannot be decoded; mend or remove them"),
    "missing_labels": ("error", "images have no label where others have one; complete the labels, "
                                "or leave the images out"),
    "no_labels": ("error", "no label is a PNG with the name of an image; check the folder of "
                           "labels and the names"),
    "files_in_doubt": ("error", "two files belong to one scene; remove one of them"),
    "labels_of_another_size": ("error", "labels have another size than their image"),
    "unknown_ids": ("error", "labels hold unknown ids; check the label space, state "
                             "ids and ignored_ids with the classes (docs/classes.md), or convert "
                             "the labels"),
    "sixteen_bit_labels": ("error", "labels of 16 bits are not supported; store ids in 8 bits"),
    "colour_labels": ("error", "labels are colours that this layout does not define; store ids "
                               "in a grey or palette PNG"),
    "refused_labels": ("error", "labels are not stored as this layout stores them"),
    "lossy_labels": ("error", "labels are JPEGs, which blend ids; store them as PNG"),
    "unlabelled_images": ("warning", "images have no label; they can be a target but not a source, "
                                     "and they are not scored"),
    "unread_files": ("warning", "image files are of a kind that is not read, so they are left out; "
                                "convert them to PNG or JPEG"),
    "turned_images": ("warning", "labelled images have an EXIF orientation and are turned by it; "
                                 "check that their labels are drawn on the turned images"),
    "orphaned_labels": ("warning", "labels have no image"),
    "duplicate_names": ("warning", "scenes share a name; records and patterns cannot "
                                   "distinguish them"),
    "mixed_image_sizes": ("warning", "images differ in size; set size to make it the same"),
    "mixed_label_coding": ("warning", "labels are stored in several ways; check whether "
                                      "another tool made a part"),
    "mask_labels": ("warning", "labels hold only 0 and 255, and 255 is not a class; masks of 0 "
                               "and 255 must be stored as 0 and 1"),
    "empty_labels": ("warning", "labels hold no pixel with a class"),
    "unreadable_depth": ("warning", "depth cannot be decoded"),
    "depth_of_another_size": ("warning", "depth has another size than its image"),
    "empty_objects": ("note", "label files hold objects without points, which are not drawn"),
    "absent_classes": ("note", "classes of the label space have no pixel"),
}  # fmt: skip
"""Severity and meaning of each kind of finding, and what to do."""


@dataclass(frozen=True)
class Finding:
    """One kind of fault or note, with examples."""

    kind: Kind
    count: int
    examples: tuple[str, ...]

    @property
    def severity(self) -> Severity:
        """``error``: driftseg refuses it; ``warning``: check it; ``note``: for information."""
        return MEANING[self.kind][0]

    @property
    def meaning(self) -> str:
        """The meaning, and what to do."""
        return MEANING[self.kind][1]


@dataclass(frozen=True)
class Part:
    """Scenes of one split and domain."""

    split: str
    domain: str
    images: int
    labels: int
    depth: int


@dataclass(frozen=True)
class ClassShare:
    """Number and share of the pixels of one class."""

    name: str
    pixels: int
    share: float
    """Share of all pixels with a class, 0 to 1."""
    scenes: int
    """Number of scenes with at least one pixel of it."""


@dataclass(frozen=True)
class DatasetCheck:
    """The content of a dataset, and the findings."""

    root: Path
    layout: str
    """``folder`` for images without a layout."""
    title: str
    label_space: LabelSpace
    headers_only: bool
    parts: tuple[Part, ...]
    image_sizes: Mapping[Size, int]
    label_codings: Mapping[str, int]
    labels_counted: int
    """Number of readable labels, whose pixels are counted in ``classes``."""
    classes: tuple[ClassShare, ...]
    """In the label space's order; empty without a readable label."""
    ignored: float
    """Share of pixels without a class in all labels, 0 to 1."""
    unknown_ids: Mapping[int, int]
    """Number of pixels of every unknown id."""
    findings: tuple[Finding, ...]
    """The most severe first."""
    classes_assumed: bool = False
    """Whether label ids are read as CamVid's, because no file says what they mean."""

    @property
    def severity(self) -> Severity:
        """The severity of the worst finding."""
        return self.findings[0].severity if self.findings else "note"

    def to_json(self) -> dict[str, Any]:
        """The check as plain values."""
        return {
            "root": str(self.root),
            "layout": self.layout,
            "label_space": self.label_space.name,
            "colours": [list(colour) for colour in self.label_space.colours],
            "headers_only": self.headers_only,
            "severity": self.severity,
            "parts": [vars(part) for part in self.parts],
            "image_sizes": {f"{w}x{h}": count for (w, h), count in self.image_sizes.items()},
            "label_codings": dict(self.label_codings),
            "labels_counted": self.labels_counted,
            "classes": [vars(share) for share in self.classes],
            "ignored_share": self.ignored,
            "unknown_ids": {str(key): pixels for key, pixels in self.unknown_ids.items()},
            "findings": [
                {
                    "kind": found.kind,
                    "severity": found.severity,
                    "meaning": found.meaning,
                    "count": found.count,
                    "examples": list(found.examples),
                }
                for found in self.findings
            ],
        }
