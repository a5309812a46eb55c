"""Held-out frames in their domain's weather, read and rendered once and in advance."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Generator
from pathlib import Path

import numpy as np

from driftseg.errors import InputError
from driftseg.frame import Image, Label
from driftseg.runs.build import AHEAD, Parts
from driftseg.stream.ahead import in_advance

MEMORY_BYTES = 256 * 2**20
"""Bytes of rendered frames kept in memory between evaluations, for all domains together."""
DISK_BYTES = 2 * 2**30
"""Bytes of further frames kept in a temporary folder, which is removed with the object."""


class HeldOut:
    """Held-out frames of all domains.

    Args:
        parts: of the run.
        memory: bytes of frames that are kept in memory.
        disk: bytes of frames that are kept on disk when memory is full.
    """

    def __init__(self, parts: Parts, memory: int = MEMORY_BYTES, disk: int = DISK_BYTES):
        self._parts = parts
        self._memory, self._disk = memory, disk
        self._kept: dict[tuple[str, int], tuple[Image, Label]] = {}
        self._files: dict[tuple[str, int], Path] = {}
        self._folder: Path | None = None

    def frames(
        self, domains: list[str]
    ) -> Generator[tuple[tuple[str, int], tuple[Image, Label]], None, None]:
        """Every frame of the domains in order, as ((domain, index), (image, label)).

        A thread prepares the next frames. To stop early, close the generator.

        Raises:
            InputError: a frame has no label.
        """
        items = [(name, i) for name in domains for i in range(len(self._parts.held_out[name][0]))]
        return in_advance(lambda item: self.frame(*item), items, ahead=AHEAD)

    def frame(self, domain: str, index: int) -> tuple[Image, Label]:
        """An image and its label.

        Raises:
            InputError: the frame has no label.
        """
        known = self._kept.get((domain, index))
        if known is not None:
            return known
        if (file := self._files.get((domain, index))) is not None:
            with np.load(file) as arrays:
                return arrays["image"], arrays["label"]
        dataset, visit = self._parts.held_out[domain]
        scene = dataset.scene(index)
        if scene.label is None:
            raise InputError(
                f"evaluation: expected labelled held-out frames, got {scene.name} of {domain} "
                "without a label. To fix: choose labelled frames, or set evaluation to null"
            )
        image = self._parts.weather.on(scene, visit.conditions, visit.domain)
        self._keep((domain, index), image, scene.label)
        return image, scene.label

    def _keep(self, key: tuple[str, int], image: Image, label: Label) -> None:
        size = image.nbytes + label.nbytes
        if size <= self._memory:
            self._memory -= size
            self._kept[key] = (image, label)
        elif size <= self._disk:
            try:
                if self._folder is None:
                    self._folder = Path(tempfile.mkdtemp(prefix="driftseg-held-out-"))
                    weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
                path = self._folder / f"{len(self._files)}.npz"
                np.savez(path, image=image, label=label)
            except OSError:  # with a full disk the frame is rendered again
                self._disk = 0
            else:
                self._disk -= size
                self._files[key] = path
