"""Augmentation of labelled source images, with a generator that is passed in."""

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

if TYPE_CHECKING:  # reading a config must not import torch
    import torch


class AugmentationSettings(Settings):
    """Random changes of source images."""

    scale: Range = (1.0, 1.0)
    """Range of enlargement before cropping back to size."""
    flip: Share = 0.5
    """Probability of a horizontal flip; default of HAMLET."""
    photometric: bool = True
    """Whether brightness, contrast, saturation and hue vary (SSD's ranges, as in HAMLET)."""
    weather: RandomWeatherSettings | None = None
    """Weather that is rendered first; null is none."""

    _ordered = field_validator("scale")(in_order)

    def make(self, label_space: LabelSpace, *, size: Size, view: Size | None) -> Augmentation:
        """The augmentation.

        Args:
            label_space: of the labels; weather asks which pixels are ground or sky.
            size: (width, height) of the result.
            view: (width, height) to which an image is resized before cropping; None is ``size``.
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
    """Augmentation of a source image."""

    size: Size
    """(width, height) of the result."""
    view: Size | None = None
    """(width, height) to which an image is resized before cropping; None is ``size``, which keeps
    the whole view. With a larger one, objects are as large as in whole frames of that size."""
    scale: tuple[float, float] = (1.0, 1.0)
    """Range of the random scale after resizing; (1, 1) is none."""
    flip: float = 0.5
    """Probability of a horizontal flip."""
    photometric: bool = True
    """Brightness +-32, contrast and saturation x 0.5..1.5, hue +-18 degrees, each with probability
    0.5 (SSD's distortion, as in HAMLET's pipelines)."""
    weather: RandomWeather | None = None
    """Weather that is rendered on the whole image first; None is none."""

    def fitted(self, image: Image, label: Label) -> tuple[Image, Label]:
        """The part of the augmentation that is done once: resizing image and label to the view.

        Does nothing if the scale is random or weather is rendered first. The augmentation of the
        result is bit-identical to that of the original.
        """
        if self.weather is not None or self.scale != (1.0, 1.0):
            return image, label
        fit = self._fit(label)
        return _resized_image(image, fit), _resized_label(label, fit)

    def _fit(self, image: Image | Label) -> float:
        view = self.view or self.size
        return max(view[0] / image.shape[1], view[1] / image.shape[0])

    def __call__(
        self, image: Image, label: Label, generator: np.random.Generator
    ) -> tuple[Image, Label]:
        """One random version of an image and its label."""
        if self.weather is not None:
            image = self.weather(image, label, generator)
        window = self._window(label, generator)
        image, label = window.of_image(image), window.of_label(label)
        if generator.random() < self.flip:
            image, label = image[:, ::-1], label[:, ::-1]
        if self.photometric:
            image = distort(np.ascontiguousarray(image), generator)
        return np.ascontiguousarray(image), np.ascontiguousarray(label)

    def label_of(self, image: Image, label: Label, generator: np.random.Generator) -> Label:
        """The label that a call would return, with the same random draws.

        The image is processed only if there is weather, because the draws of weather depend on the
        image.
        """
        if self.weather is not None:
            self.weather(image, label, generator)
        label = self._window(label, generator).of_label(label)
        if generator.random() < self.flip:
            label = label[:, ::-1]
        if self.photometric:
            _drawn_distortion(generator)
        return np.ascontiguousarray(label)

    def _window(self, label: Label, generator: np.random.Generator) -> _Window:
        """The scale, then the window to cut out."""
        (width, height), view = self.size, self.view or self.size
        factor = generator.uniform(*self.scale)
        if factor == 1.0 and label.shape == (height, width) == view[::-1]:
            return _Window(1.0, self.size, None)
        fit = self._fit(label) * factor
        wide, high = _size(label, fit)
        x = int(generator.integers(0, max(wide, width) - width + 1))
        y = int(generator.integers(0, max(high, height) - height + 1))
        return _Window(fit, self.size, (x, y))


@dataclass(frozen=True)
class _Window:
    """A part of a scaled image. Pixels outside a shrunken image are ignored."""

    fit: float
    size: Size
    place: tuple[int, int] | None
    """(x, y) of its corner; None is the whole image."""

    def of_image(self, image: Image) -> Image:
        """The window of an image."""
        if self.place is None:
            return image
        image = _resized_image(image, self.fit)
        right, down = self._beyond(image)
        if right or down:
            image = np.pad(image, ((0, down), (0, right), (0, 0)), mode="edge")
        return self._cut(image)

    def of_label(self, label: Label) -> Label:
        """The same window of its label."""
        if self.place is None:
            return label
        label = _resized_label(label, self.fit)
        right, down = self._beyond(label)
        if right or down:
            label = np.pad(label, ((0, down), (0, right)), constant_values=IGNORE)
        return self._cut(label)

    def _beyond(self, image: Image | Label) -> tuple[int, int]:
        return max(0, self.size[0] - image.shape[1]), max(0, self.size[1] - image.shape[0])

    def _cut(self, image: Image) -> Image:
        assert self.place is not None
        (x, y), (width, height) = self.place, self.size
        return image[y : y + height, x : x + width]


def _size(image: Image | Label, fit: float) -> Size:
    return round(image.shape[1] * fit), round(image.shape[0] * fit)


def _resized_image(image: Image, fit: float) -> Image:
    """An image scaled by ``fit``."""
    size = _size(image, fit)
    if size == (image.shape[1], image.shape[0]):
        return image
    method = cv2.INTER_AREA if fit < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)


def _resized_label(label: Label, fit: float) -> Label:
    """A label scaled by ``fit``."""
    size = _size(label, fit)
    if size == (label.shape[1], label.shape[0]):
        return label
    nearest = cv2.INTER_NEAREST_EXACT
    return np.asarray(cv2.resize(label, size, interpolation=nearest), np.uint8)


def distort(image: Image, generator: np.random.Generator) -> Image:
    """Photometric distortion of an RGB image (Liu et al. 2016, SSD, section 2.2)."""
    x = image.astype(np.float32)
    brightness, contrast, contrast_first, saturation, hue = _drawn_distortion(generator)
    if brightness is not None:
        x += brightness
    if contrast_first:
        x *= contrast
    if saturation != 1.0 or hue != 0.0:
        colour = cv2.cvtColor(np.clip(x, 0, 255) / 255.0, cv2.COLOR_RGB2HSV)
        colour[..., 1] = np.clip(colour[..., 1] * saturation, 0, 1)
        colour[..., 0] = (colour[..., 0] + hue) % 360
        x = cv2.cvtColor(colour, cv2.COLOR_HSV2RGB) * 255.0
    if not contrast_first:
        x *= contrast
    return np.asarray(np.clip(x, 0, 255), dtype=np.uint8)


def _drawn_distortion(
    generator: np.random.Generator,
) -> tuple[float | None, float, bool, float, float]:
    """Brightness, contrast, whether contrast is first, saturation and hue."""
    brightness = generator.uniform(-32, 32) if generator.random() < 0.5 else None
    contrast = generator.uniform(0.5, 1.5) if generator.random() < 0.5 else 1.0
    contrast_first = bool(generator.random() < 0.5)
    saturation = generator.uniform(0.5, 1.5) if generator.random() < 0.5 else 1.0
    hue = generator.uniform(-18, 18) if generator.random() < 0.5 else 0.0
    return brightness, contrast, contrast_first, saturation, hue


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
