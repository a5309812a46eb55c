"""Restyling: a labelled source image gets the appearance of a target image.

Every restyling is a pure function of two images of one size and a generator; where things are
does not change, so labels stay exact. Given the image itself as reference each returns it, to
within one grey level. `RESTYLINGS` names them all. What each carries and fails to carry is told,
with pictures, in docs/methods.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Annotated, Literal

import cv2
import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, model_validator
from torch import Tensor

from driftseg.frame import Image
from driftseg.settings import Settings, is_changed

Restyling = Callable[[Image, Image, np.random.Generator], Image]
"""(source, reference, generator) to the restyled source; images are uint8, (H, W, 3)."""
Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int16]

RestylingName = Literal[
    "histogram", "reinhard", "bands", "fourier", "spectrum", "blur", "streaks", "texture"
]
"""The keys of `RESTYLINGS`."""

BAND_SIGMAS = (1.0, 2.0, 4.0)
"""Of the Gaussians between which the bands lie, in pixels."""
SOFTEST = 4.0
"""Sigma in pixels of the strongest blur that is looked for."""
STREAK = 5
"""Columns across which something bright is wider than a streak, in an image 320 wide."""
STRONGEST = 4.0
"""Brightest streak that is taken, over the upper quartile of what is bright and thin."""
MOST_GAIN = 8.0
"""By which amplitudes are scaled at most, so that noise is not blown up to fill a ring."""
RINGS = 64
"""Of the radial power spectrum."""
LEAST_SPREAD = 0.1
"""Standard deviation in Lab below which a channel counts as constant; a grey level is 0.4."""
SPAN = 256
"""Bands hold whole numbers from -SPAN + 1 to SPAN - 1."""
NOTHING = 1e-6
"""Energy below which there is nothing to compare."""


class RestyleSettings(Settings):
    """How source images are given the target's appearance (this module)."""

    restylings: Annotated[list[RestylingName], Field(min_length=1)] = ["histogram"]
    """One after another. histogram: per channel. reinhard: mean and spread in Lab. bands: a
    histogram per band. fourier: low frequencies' amplitudes. spectrum: power at each radial
    frequency. blur: as soft. streaks: thin bright texture. texture: blur, then streaks."""
    fourier_beta: Annotated[float, Field(ge=0, le=0.5)] = 0.01
    """Of fourier: half the window of low frequencies over the shorter side; FDA tries .01, .05
    and .09."""

    @model_validator(mode="after")
    def _fourier_is_used(self) -> RestyleSettings:
        if "fourier" not in self.restylings and is_changed(self, "fourier_beta"):
            raise ValueError(
                "fourier_beta: expected fourier among the restylings, got none. To fix: add "
                "fourier to restylings, or leave out fourier_beta"
            )
        return self

    def make_restyling(self) -> Restyling:
        """The restylings of the list, one after another."""
        return combined(self.restylings, fourier_beta=self.fourier_beta)


def histogram(source: Image, reference: Image, generator: np.random.Generator) -> Image:
    """The reference's histogram in each channel, by one look-up table a channel."""
    pairs = zip(_channels(source), _channels(reference), strict=True)
    channels = [_matched(ours.astype(np.int16), theirs.astype(np.int16)) for ours, theirs in pairs]
    return np.stack(channels, axis=-1).astype(np.uint8)


def reinhard(source: Image, reference: Image, generator: np.random.Generator) -> Image:
    """The reference's mean and spread in each channel of Lab.

    After Reinhard et al. 2001, whose space is l-alpha-beta.
    """
    lab, wanted = _lab(source), _lab(reference)
    mean, spread = lab.mean(axis=(0, 1)), lab.std(axis=(0, 1))
    gain = np.where(spread < LEAST_SPREAD, 1.0, wanted.std(axis=(0, 1)) / np.maximum(spread, 1e-3))
    moved = (lab - mean) * gain + wanted.mean(axis=(0, 1))
    rgb = cv2.cvtColor(moved.astype(np.float32), cv2.COLOR_LAB2RGB)
    return _to_image(np.asarray(rgb, np.float32) * 255)


def bands(source: Image, reference: Image, generator: np.random.Generator) -> Image:
    """The reference's histogram in each channel of each band between Gaussians.

    Bands are differences of rounded images, so they are whole numbers and add up exactly.
    """
    channels = []
    for plane, wanted in zip(_channels(source), _channels(reference), strict=True):
        pairs = zip(_split(plane), _split(wanted), strict=True)
        total = np.sum([_matched(ours, theirs) for ours, theirs in pairs], axis=0, dtype=np.int16)
        channels.append(np.asarray(np.clip(total, 0, 255), np.uint8))
    return np.stack(channels, axis=-1)


def fourier(
    source: Image, reference: Image, generator: np.random.Generator, *, beta: float = 0.01
) -> Image:
    """The reference's amplitudes at low frequencies, the source's phases (Yang & Soatto 2020).

    FDA, CVPR 2020, equation 3. Differs: the window is symmetric about the mean, so that nothing
    imaginary is left to drop.

    Args:
        source: keeps its phases.
        reference: gives its amplitudes.
        generator: not drawn from.
        beta: half the window over the shorter side; 0 takes the mean alone.
    """
    height, width = source.shape[:2]
    reach = int(min(height, width) * beta)
    ours, theirs = _spectrum(source), np.abs(_spectrum(reference))
    rows = np.abs(np.fft.fftfreq(height, 1 / height)) <= reach
    window = np.ix_(rows, np.arange(width // 2 + 1) <= reach, np.arange(3))
    amplitude = np.abs(ours[window])
    phases = np.where(amplitude > NOTHING, ours[window] / np.maximum(amplitude, NOTHING), 1.0)
    ours[window] = theirs[window] * phases
    return _from_spectrum(ours, (height, width))


def spectrum(source: Image, reference: Image, generator: np.random.Generator) -> Image:
    """The reference's mean and its power at each radial frequency, up to the highest.

    Rings know no direction.
    """
    height, width = source.shape[:2]
    ours, theirs = _spectrum(source), _spectrum(reference)
    radius, ring = _rings(height, width)
    filled = np.flatnonzero(np.bincount(ring, minlength=RINGS))
    least = 1e-3 * height * width  # far less than rounding leaves in one frequency
    for c in range(3):
        powers = []
        for values in (ours[..., c], theirs[..., c]):
            power = np.square(np.abs(values)).ravel()
            power[0] = 0.0
            powers.append(np.bincount(ring, power, minlength=RINGS)[filled] + least)
        gain = np.minimum(np.sqrt(powers[1] / powers[0]), MOST_GAIN)
        ours[..., c] *= np.interp(radius, (filled + 0.5) / RINGS, gain)
        ours[0, 0, c] = theirs[0, 0, c]
    return _from_spectrum(ours, (height, width))


def blur(source: Image, reference: Image, generator: np.random.Generator) -> Image:
    """As soft as the reference, by one Gaussian; a source that is softer stays as it is.

    Soft is how little fine detail there is for the detail twice as coarse, which contrast does
    not change; thin bright streaks are taken out of both images first.
    """
    wanted, grey = _sharpness(_grey(reference)), _grey(source)
    if wanted is None or (_sharpness(grey) or 0.0) <= wanted:
        return source.copy()
    low, high = 0.0, SOFTEST
    for _ in range(7):
        middle = (low + high) / 2
        softened = _sharpness(_gauss(grey, middle))
        low, high = (middle, high) if (softened or 0.0) > wanted else (low, middle)
    return _to_image(_gauss(source.astype(np.float32), (low + high) / 2))


def streaks(source: Image, reference: Image, generator: np.random.Generator) -> Image:
    """The reference's thin bright texture, moved to where the draw says; brightness stays.

    A white top-hat across the columns keeps what is bright and narrow: rain, but poles, twigs
    and kerbs as well. Rain is everywhere and they are not, so the upper quartile says how much
    of it there is: what the reference has more than the source is added, and nothing stronger
    than a few times that.
    """
    texture = _thin(_grey(reference))
    theirs, ours = (float(np.quantile(x, 0.75)) for x in (texture, _thin(_grey(source))))
    if theirs <= ours:
        return source.copy()
    texture = np.float32(1 - ours / theirs) * np.minimum(texture, np.float32(STRONGEST * theirs))
    down, right = (int(generator.integers(0, side)) for side in texture.shape)
    moved = np.roll(texture - texture.mean(), (down, right), axis=(0, 1))
    return _to_image(source.astype(np.float32) + moved[..., None])


def texture(source: Image, reference: Image, generator: np.random.Generator) -> Image:
    """As soft as the reference behind its streaks, then with its streaks."""
    return streaks(blur(source, reference, generator), reference, generator)


RESTYLINGS: dict[str, Restyling] = {
    "histogram": histogram,
    "reinhard": reinhard,
    "bands": bands,
    "fourier": fourier,
    "spectrum": spectrum,
    "blur": blur,
    "streaks": streaks,
    "texture": texture,
}
"""The whole list, by the name that configs use."""


def combined(names: Sequence[str], *, fourier_beta: float = 0.01) -> Restyling:
    """The named restylings one after another, all with the same reference."""
    table: dict[str, Restyling] = {**RESTYLINGS, "fourier": partial(fourier, beta=fourier_beta)}
    steps = [table[name] for name in names]

    def restyle(source: Image, reference: Image, generator: np.random.Generator) -> Image:
        if source.shape != reference.shape:
            raise ValueError(
                f"expected source and reference of one size, got {source.shape} and "
                f"{reference.shape}. To fix: resize one of them"
            )
        for step in steps:
            source = step(source, reference, generator)
        return source

    return restyle


def restyled(
    images: Tensor,
    references: Sequence[Image],
    restyle: Restyling,
    generator: np.random.Generator,
) -> Tensor:
    """A batch (B, 3, H, W) in [0, 1], each image with the reference of its place."""
    done = [
        restyle(to_image(image), reference, generator)
        for image, reference in zip(images, references, strict=True)
    ]
    batch = torch.from_numpy(np.stack(done)).permute(0, 3, 1, 2)
    return batch.to(images.device, images.dtype) / 255


def to_image(image: Tensor) -> Image:
    """(3, H, W) in [0, 1] to (H, W, 3) uint8; exact for what once was uint8."""
    levels = (image.detach() * 255).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(levels.permute(1, 2, 0).cpu().numpy())


def _matched(values: Integers, wanted: Integers) -> Integers:
    """Whole numbers moved by one monotone table so that they are spread as ``wanted`` is.

    A value takes the wanted value at the middle of its own share of the ranks; so the same
    numbers stay the same, and a constant becomes the median.
    """
    places = values + SPAN  # from 0 on, so that they number the table's rows
    counts = np.bincount(places.ravel(), minlength=2 * SPAN)
    ranks = (np.cumsum(counts) - counts / 2) / values.size
    reached = np.cumsum(np.bincount((wanted + SPAN).ravel(), minlength=2 * SPAN)) / wanted.size
    table = (np.searchsorted(reached, ranks) - SPAN).astype(np.int16)
    return np.take(table, places, mode="clip")  # clip is quicker than raise, and never happens


def _channels(image: Image) -> list[npt.NDArray[np.uint8]]:
    """Each in memory of its own, which is quicker to read than every third byte."""
    return [np.ascontiguousarray(image[..., c]) for c in range(3)]


def _split(plane: npt.NDArray[np.uint8]) -> list[Integers]:
    """One channel, from the finest band to what is left; the sum is the channel."""
    found, rest = [], plane
    for sigma in BAND_SIGMAS:
        smooth = np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), np.uint8)
        found.append(rest.astype(np.int16) - smooth)
        rest = smooth
    return [*found, rest.astype(np.int16)]


def _lab(image: Image) -> Floats:
    return np.asarray(cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


def _grey(image: Image) -> Floats:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)


def _opened(grey: Floats) -> Floats:
    """Without what is bright and narrower than a streak."""
    across = max(3, round(STREAK * grey.shape[1] / 320)) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (across, 1))
    return np.asarray(cv2.morphologyEx(grey, cv2.MORPH_OPEN, kernel), np.float32)


def _thin(grey: Floats) -> Floats:
    """The white top-hat: what `_opened` takes away."""
    return grey - _opened(grey)


def _gauss(image: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)


def _sharpness(grey: Floats) -> float | None:
    """Energy between 0 and 1 pixels over that between 1 and 2; None where there is neither."""
    grey = _opened(grey)
    once, twice = _gauss(grey, 1.0), _gauss(grey, 2.0)
    coarse = float(np.square(once - twice).mean())
    return float(np.square(grey - once).mean()) / coarse if coarse > NOTHING else None


def _spectrum(image: Image) -> npt.NDArray[np.complex128]:
    return np.fft.rfft2(image.astype(np.float64), axes=(0, 1))


def _from_spectrum(values: npt.NDArray[np.complex128], size: tuple[int, int]) -> Image:
    return _to_image(np.fft.irfft2(values, s=size, axes=(0, 1)).astype(np.float32))


@lru_cache(maxsize=4)
def _rings(height: int, width: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Radius of every frequency over the largest, and the ring it lies in, flat."""
    down, across = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    radius = np.hypot(down, across) / np.hypot(0.5, 0.5)
    return radius, np.minimum((radius * RINGS).astype(np.int64), RINGS - 1).ravel()


def _to_image(values: Floats) -> Image:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
