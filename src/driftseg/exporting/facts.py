"""Facts in an exported file: all that is needed to run it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from driftseg.errors import InputError
from driftseg.labels import Colour
from driftseg.models.network import Network, device_of

FORMAT_VERSION = 1
INPUT, OUTPUT = "images", "logits"
"""Names of the graph's only input and output."""
INPUT_TOLD = (
    "float32 (batch, 3, height, width), RGB, 0 to 255; the graph divides by 255, subtracts mean "
    "and divides by std"
)
OUTPUT_TOLD = (
    "float32 (batch, classes, height, width) on the model's own grid, smaller than the image as a "
    "rule; for labels resize to the image (bilinear, corners not aligned), then take the argmax"
)


@dataclass(frozen=True)
class Facts:
    """Facts on an exported model."""

    classes: tuple[str, ...]
    """Names in id order."""
    colours: tuple[Colour, ...]
    classes_known: bool
    """Whether the classes have real names."""
    mean: tuple[float, ...]
    """Mean of RGB in [0, 1]; the graph subtracts it."""
    deviation: tuple[float, ...]
    """Deviation of RGB; the graph divides by it."""
    size_multiple: int
    """Height and width must be multiples of this number."""
    size: tuple[int, int] | None
    """(width, height) if the graph takes only one size."""
    adapters: str
    """"none", or their kind and whether they were merged."""
    source: str
    """Name of the checkpoint without its folder, or of the module's class."""
    digest: str
    """Digest of the exported weights."""
    driftseg_version: str
    notes: tuple[str, ...] = ()

    def texts(self) -> dict[str, str]:
        """All facts as texts by name, for files."""
        size = "any" if self.size is None else f"{self.size[0]}x{self.size[1]}"
        return {
            "format_version": str(FORMAT_VERSION),
            "classes": json.dumps(self.classes),
            "colours": json.dumps(self.colours),
            "classes_known": json.dumps(self.classes_known),
            "input": INPUT_TOLD,
            "output": OUTPUT_TOLD,
            "mean": json.dumps(self.mean),
            "std": json.dumps(self.deviation),
            "size": size,
            "size_multiple": str(self.size_multiple),
            "adapters": self.adapters,
            "source": self.source,
            "digest": self.digest,
            "driftseg_version": self.driftseg_version,
            "licence": "unknown: that of the model's weights and training data",
            "notes": json.dumps(self.notes),
        }


def read_facts(path: str, texts: Mapping[str, str]) -> Facts:
    """Facts from the texts in a file.

    Raises:
        InputError: the file has no facts, damaged facts, or those of a later driftseg.
    """
    if "format_version" not in texts:
        raise InputError(
            f"{path}: expected a model that driftseg exported, got another file. To fix: make one "
            "by driftseg export"
        )
    try:
        if int(texts["format_version"]) > FORMAT_VERSION:
            raise InputError(
                f"{path}: expected export format {FORMAT_VERSION} or earlier, got "
                f"{texts['format_version']}. To fix: install a later driftseg"
            )
        width, _, height = texts["size"].partition("x")
        return Facts(
            classes=tuple(json.loads(texts["classes"])),
            colours=tuple(tuple(colour) for colour in json.loads(texts["colours"])),
            classes_known=bool(json.loads(texts["classes_known"])),
            mean=tuple(json.loads(texts["mean"])),
            deviation=tuple(json.loads(texts["std"])),
            size_multiple=int(texts["size_multiple"]),
            size=None if texts["size"] == "any" else (int(width), int(height)),
            adapters=texts["adapters"],
            source=texts["source"],
            digest=texts["digest"],
            driftseg_version=texts["driftseg_version"],
            notes=tuple(json.loads(texts["notes"])),
        )
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise InputError(
            f"{path}: expected readable driftseg metadata, got an error ({error}). To fix: export "
            "again"
        ) from error


@torch.no_grad()
def normalisation(network: Network, size: tuple[int, int]) -> tuple[Sequence[float], ...]:
    """(mean, deviation) that a network applies to RGB in [0, 1], to seven digits.

    Args:
        network: any.
        size: a (height, width) that it accepts.
    """
    black = torch.zeros((1, 3, *size), device=device_of(network))
    low, high = (network.start(x).x[0, :, 0, 0].double() for x in (black, black + 1))
    deviation = 1 / (high - low)
    mean = -low * deviation
    return tuple(
        tuple(float(f"{value:.7g}") for value in found.tolist()) for found in (mean, deviation)
    )
