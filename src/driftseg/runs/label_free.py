"""Scores of an adapted model without labels of the target.

Two numbers: the score on held-out source frames, which have labels, and the agreement of
predictions on frames of the stream with predictions on augmented views of them. The views have
their own generator, so no other random stream changes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.evaluation.confusion import Score
from driftseg.evaluation.continual import harmonic_mean
from driftseg.frame import Image, Label
from driftseg.runs.build import Parts
from driftseg.runs.whole import write_whole

FILE = "label_free.json"
"""File name in a run's folder."""
GENERATOR = 0x5EED
"""First part of the seed of the views; the run's seed is the second."""
SCALE = (0.75, 1.25)
"""Range of a view's size relative to the frame's."""
GAIN = (0.8, 1.2)
"""Range of the factor on all values of a view."""
SHIFT = (-20.0, 20.0)
"""Range of the offset of all values of a view."""


def measure(config: RunConfig, parts: Parts) -> dict[str, Any] | None:
    """Both numbers of the current model, and their harmonic mean, in percent.

    Model and stream do not change. None if the config does not ask for it.

    Raises:
        InputError: a held-out source frame has no label.
    """
    if config.label_free is None:
        return None
    draws = np.random.default_rng([GENERATOR, config.seed])
    source, frames = _source_score(parts)
    agreement = _agreement(parts, config.label_free.frames, config.label_free.views, draws)
    return {
        "source_mean_iou": source,
        "source_frames": frames,
        "agreement": agreement,
        "agreement_frames": config.label_free.frames,
        "views": config.label_free.views,
        "score": harmonic_mean([source, agreement]),
    }


def write(folder: Path, found: dict[str, Any]) -> None:
    """Writes the scores into a run's folder."""
    write_whole(folder / FILE, (json.dumps(found, indent=1) + "\n").encode())


def _source_score(parts: Parts) -> tuple[float, int]:
    """MIoU on held-out source frames without weather, in the model's own classes."""
    dataset = parts.data.opened("label_free.source")
    space = parts.label_space if parts.scoring is None else parts.scoring.source
    score = Score(len(space))
    for index in range(len(dataset)):
        scene = dataset.scene(index)
        if scene.label is None:
            raise InputError(
                f"label_free.source: expected labelled frames, got {scene.name} without a label. "
                "To fix: choose labelled frames"
            )
        score.add(parts.model.answers(scene.image)["main"], scene.label)
    return 100 * score.mean_iou(), len(dataset)


def _agreement(parts: Parts, frames: int, views: int, draws: np.random.Generator) -> float:
    """MIoU of predictions on augmented views against the prediction on the frame itself."""
    space = parts.label_space if parts.scoring is None else parts.scoring.source
    score = Score(len(space))
    planned = np.linspace(0, len(parts.stream) - 1, min(frames, len(parts.stream))).round()
    for index in planned.astype(int):
        image = parts.stream.image(int(index))
        alone = parts.model.answers(image)["main"]
        for _ in range(views):
            score.add(_on_a_view(parts, image, draws), alone)
    return 100 * score.mean_iou()


def _on_a_view(parts: Parts, image: Image, draws: np.random.Generator) -> Label:
    """The prediction on a flipped, scaled, brighter or darker view, mapped back to the frame."""
    height, width = image.shape[:2]
    flip, scale = draws.random() < 0.5, draws.uniform(*SCALE)
    gain, shift = draws.uniform(*GAIN), draws.uniform(*SHIFT)
    size = (max(32, round(scale * width)), max(32, round(scale * height)))
    view = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    seen: Image = np.clip(gain * view.astype(np.float32) + shift, 0, 255).astype(np.uint8)
    if flip:
        seen = np.ascontiguousarray(seen[:, ::-1])
    label = parts.model.answers(seen)["main"]
    if flip:
        label = np.ascontiguousarray(label[:, ::-1])
    back = cv2.resize(label, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(back, dtype=np.uint8)
