"""Augmentation of labelled source images, drawn from a generator that is handed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from pydantic import field_validator

from driftseg.frame import Image, Label, SourceBatch
from driftseg.images.reading import Size
from driftseg.labels import IGNORE, LabelSpace
from driftseg.settings import Range, Settings, Share, in_order
from driftseg.weather.random_weather import RandomWeather, RandomWeatherSettings

if TYPE_CHECKING:  # to read a config takes no torch
    import torch


class AugmentationSettings(Settings):
    """Random changes of source images."""

    scale: Range = (1.0, 1.0)
    """Range of enlargement before cropping back to size."""
    flip: Share = 0.5
    """Chance of mirroring left and right; HAMLET's."""
    photometric: bool = True
    """Whether brightness, contrast, saturation and hue vary (SSD's ranges, as in HAMLET)."""
    weather: RandomWeatherSettings | None = None
    """Rendered before all else; null is none."""

    _ordered = field_validator("scale")(in_order)

    def make(self, label_space: LabelSpace, *, size: Size, view: Size | None) -> Augmentation:
        """The changes.

        Args:
            label_space: of the labels; weather asks which pixels are ground or sky.
            size: (width, height) of the result.
            view: (width, height) that an image is fitted to before cropping; None is ``size``.
        """
        return Augmentation(
            size,
            view=view,
            scale=self.scale,
            flip=self.flip,
            photometric=self.photometric,
            weather=None if self.weather is None else self.weather.make(label_space),
        )


@dataclass(frozen=True)
class Augmentation:
    """How a source image may change before it is learnt from."""

    size: Size
    """(width, height) of the result."""
    view: Size | None = None
    """(width, height) that an image is fitted to before cropping; None is ``size``, which keeps
    the whole view. With a larger one things are as large as in whole frames of that size."""
    scale: tuple[float, float] = (1.0, 1.0)
    """Range of random enlargement beyond the fit; (1, 1) is none."""
    flip: float = 0.5
    """Chance of mirroring left and right."""
    photometric: bool = True
    """Brightness +-32, contrast and saturation x 0.5..1.5, hue +-18 degrees, each with chance
    one half (SSD's distortion, as in HAMLET's pipelines)."""
    weather: RandomWeather | None = None
    """Weather rendered on the whole image, before all else; None is none."""

    def fitted(self, image: Image, label: Label) -> tuple[Image, Label]:
        """What of an image and its label can be done once for all: bringing them to the view.

        Nothing where the enlargement is drawn anew each time, or weather is rendered first. What
        is made of the result is the same to the last bit as what is made of the original.
        """
        if self.weather is not None or self.scale != (1.0, 1.0):
            return image, label
        return _resized(image, label, self._fit(image))

    def _fit(self, image: Image) -> float:
        view = self.view or self.size
        return max(view[0] / image.shape[1], view[1] / image.shape[0])

    def __call__(
        self, image: Image, label: Label, generator: np.random.Generator
    ) -> tuple[Image, Label]:
        """One random version of an image and its label."""
        if self.weather is not None:
            image = self.weather(image, label, generator)
        image, label = self._crop(image, label, generator)
        if generator.random() < self.flip:
            image, label = image[:, ::-1], label[:, ::-1]
        if self.photometric:
            image = distort(np.ascontiguousarray(image), generator)
        return np.ascontiguousarray(image), np.ascontiguousarray(label)

    def _crop(
        self, image: Image, label: Label, generator: np.random.Generator
    ) -> tuple[Image, Label]:
        """Scales, then cuts out a window; what lies outside a shrunken image is ignored."""
        (width, height), view = self.size, self.view or self.size
        factor = generator.uniform(*self.scale)
        if factor == 1.0 and image.shape[:2] == (height, width) == view[::-1]:
            return image, label
        image, label = _resized(image, label, self._fit(image) * factor)
        high, wide = label.shape
        right, down = max(0, width - wide), max(0, height - high)
        if right or down:
            image = np.pad(image, ((0, down), (0, right), (0, 0)), mode="edge")
            label = np.pad(label, ((0, down), (0, right)), constant_values=IGNORE)
        x = int(generator.integers(0, image.shape[1] - width + 1))
        y = int(generator.integers(0, image.shape[0] - height + 1))
        return image[y : y + height, x : x + width], label[y : y + height, x : x + width]


def _resized(image: Image, label: Label, fit: float) -> tuple[Image, Label]:
    """An image and its label ``fit`` times as large."""
    size = round(image.shape[1] * fit), round(image.shape[0] * fit)
    if size == (image.shape[1], image.shape[0]):
        return image, label
    method = cv2.INTER_AREA if fit < 1 else cv2.INTER_LINEAR
    image = np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)
    nearest = cv2.INTER_NEAREST_EXACT
    return image, np.asarray(cv2.resize(label, size, interpolation=nearest), np.uint8)


def distort(image: Image, generator: np.random.Generator) -> Image:
    """Photometric distortion of an RGB image (Liu et al. 2016, SSD, section 2.2)."""
    x = image.astype(np.float32)
    if generator.random() < 0.5:
        x += generator.uniform(-32, 32)
    contrast = generator.uniform(0.5, 1.5) if generator.random() < 0.5 else 1.0
    contrast_first = generator.random() < 0.5
    if contrast_first:
        x *= contrast
    saturation = generator.uniform(0.5, 1.5) if generator.random() < 0.5 else 1.0
    hue = generator.uniform(-18, 18) if generator.random() < 0.5 else 0.0
    if saturation != 1.0 or hue != 0.0:
        colour = cv2.cvtColor(np.clip(x, 0, 255) / 255.0, cv2.COLOR_RGB2HSV)
        colour[..., 1] = np.clip(colour[..., 1] * saturation, 0, 1)
        colour[..., 0] = (colour[..., 0] + hue) % 360
        x = cv2.cvtColor(colour, cv2.COLOR_HSV2RGB) * 255.0
    if not contrast_first:
        x *= contrast
    return np.asarray(np.clip(x, 0, 255), dtype=np.uint8)


def to_tensor(image: Image) -> torch.Tensor:
    """(H, W, 3) uint8 to (3, H, W) float32 in [0, 1]."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float() / 255


def to_batch(pairs: list[tuple[Image, Label]]) -> SourceBatch:
    """Stacks images and labels of one size."""
    import torch

    images = torch.stack([to_tensor(image) for image, _ in pairs])
    labels = torch.stack([torch.from_numpy(label.astype(np.int64)) for _, label in pairs])
    return SourceBatch(images, labels)
