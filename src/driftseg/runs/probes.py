"""Labelled source images that a guard asks a model about."""

from __future__ import annotations

import cv2
import numpy as np

from driftseg.frame import Image, Label
from driftseg.scenes.dataset import Dataset


def probes_from(scenes: Dataset, size: tuple[int, int], most: int) -> list[tuple[Image, Label]]:
    """Evenly chosen scenes with labels, each fitted to the frames.

    Args:
        scenes: of the source.
        size: (width, height) of the frames.
        most: images at most.
    """
    total = len(scenes)
    found: list[tuple[Image, Label]] = []
    for index in sorted({number * total // most for number in range(most)}):
        scene = scenes.scene(index)
        if scene.label is not None:
            found.append(_fitted(scene.image, scene.label, size))
    return found


def _fitted(image: Image, label: Label, size: tuple[int, int]) -> tuple[Image, Label]:
    """Shrunk until it just covers the frame, and the middle of that; never enlarged."""
    height, width = label.shape
    scale = max(size[0] / width, size[1] / height)
    if scale < 1:
        smaller = (max(size[0], round(width * scale)), max(size[1], round(height * scale)))
        image = np.asarray(cv2.resize(image, smaller, interpolation=cv2.INTER_AREA), np.uint8)
        label = np.asarray(
            cv2.resize(label, smaller, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8
        )
    left = max(0, (label.shape[1] - size[0]) // 2)
    top = max(0, (label.shape[0] - size[1]) // 2)
    window = np.s_[top : top + size[1], left : left + size[0]]
    return np.ascontiguousarray(image[window]), np.ascontiguousarray(label[window])
