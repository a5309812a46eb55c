"""Exported models, which only predict."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from driftseg.api.images import as_images, is_batch
from driftseg.api.online import Answer, State
from driftseg.errors import InputError
from driftseg.exporting.facts import Facts
from driftseg.exporting.parity import Runs
from driftseg.exporting.reading import Backend, find_backend, open_exported
from driftseg.frame import Adaptation, Image
from driftseg.images.given import as_image
from driftseg.labels import Colour
from driftseg.learners.answering import to_prediction


class ExportedModel:
    """An exported model in its runtime, with the ``predict`` of an adapted model.

    Args:
        runs: the runtime.
        facts: the metadata of the file.
        backend: the runtime's name.
    """

    def __init__(self, runs: Runs, facts: Facts, backend: Backend):
        self._runs, self._facts = runs, facts
        self.backend = backend
        self._frames, self._last_ms = 0, 0.0

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in id order."""
        return self._facts.classes

    @property
    def colours(self) -> tuple[Colour, ...]:
        """RGB of each class."""
        return self._facts.colours

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) if the model takes one size only."""
        return self._facts.size

    @property
    def size_multiple(self) -> int:
        """Width and height must be multiples of this number."""
        return self._facts.size_multiple

    def predict(self, image: Any) -> Any:
        """Predicts one image or a batch.

        Args:
            image: as of ``OnlineModel.predict``; one, or a batch.

        Returns:
            An `Answer`; a list of them for a batch.

        Raises:
            InputError: an image has a size that the model does not take.
        """
        if is_batch(image):
            return [self._predict(one) for one in as_images(image)]
        return self._predict(as_image(image))

    def _predict(self, image: Image) -> Answer:
        self._check_size(image.shape[1], image.shape[0])
        started = time.perf_counter()
        images = np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32)
        logits = torch.from_numpy(self._runs(images))
        said = to_prediction(logits, (image.shape[0], image.shape[1]))
        self._frames += 1
        self._last_ms = 1000 * (time.perf_counter() - started)
        return Answer(
            said.label, self.classes, said.confidence, said.entropy, logits, self.colours
        )  # fmt: skip

    def _check_size(self, width: int, height: int) -> None:
        if self.size is not None and (width, height) != self.size:
            raise InputError(
                f"image: expected {self.size[0]}x{self.size[1]}, the size of the exported "
                f"model, got {width}x{height}. To fix: resize images to that size, or export "
                "without size"
            )
        if width % self.size_multiple or height % self.size_multiple:
            raise InputError(
                f"image: expected sides that are multiples of {self.size_multiple} pixels, got "
                f"{width}x{height}. To fix: resize images to such a size"
            )

    def learn(self) -> Adaptation:
        """Does nothing, because an exported model only predicts."""
        return Adaptation(False)

    def state(self) -> State:
        """Number of predicted images, and the time of the last one."""
        return State(frames=self._frames, predict_ms=self._last_ms, learn_ms=0.0)


def load_exported(path: str | Path, *, backend: str | None = None) -> ExportedModel:
    """Loads an exported model.

    Args:
        path: an .onnx or .xml file of ``driftseg.export``.
        backend: ``onnxruntime`` or ``openvino``; None takes onnxruntime for .onnx.

    Raises:
        InputError: the file cannot be read, is not of driftseg, or a library is missing.
    """
    where = Path(path).expanduser()
    chosen = find_backend(where, backend)
    runs, facts = open_exported(where, chosen, threads=torch.get_num_threads())
    return ExportedModel(runs, facts, chosen)
