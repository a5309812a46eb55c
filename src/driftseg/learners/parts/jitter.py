"""Colour jitter and blur of mixed images, one draw for a whole batch."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

JITTER_CHANCE = 0.8
BLUR_CHANCE = 0.5


def jitter_and_blur(
    images: Tensor, *, strength: float, blur: bool, generator: np.random.Generator
) -> Tensor:
    """Distorts (B, 3, H, W) in [0, 1]; labels need no change.

    Jitter is applied with chance 0.8, blur with 0.5 (as in DACS, WACV 2021). Both random
    numbers are always drawn, so that one does not depend on the other. OpenCV computes both, so
    the images must be on the CPU.
    """
    jittered, blurred = generator.random(2)
    jitters = strength > 0 and jittered > 1 - JITTER_CHANCE
    blurs = blur and blurred > BLUR_CHANCE
    if not jitters and not blurs:
        return images
    result = [np.ascontiguousarray(x.permute(1, 2, 0).cpu().numpy()) for x in images]
    if jitters:
        factors = generator.uniform(1 - strength, 1 + strength, 3)
        hue = generator.uniform(-strength, strength) * 360
        order = generator.permutation(4)
        result = [_jitter(x, factors, hue, order) for x in result]
    if blurs:
        sigma = generator.uniform(0.15, 1.15)
        result = [_blur(x, sigma) for x in result]
    return torch.stack([torch.from_numpy(x).permute(2, 0, 1) for x in result]).to(images)


def kernel_size(side: int) -> int:
    """Odd blur kernel of about a tenth of the side: floor(ceil(.1 d) - .5 + ceil(.1 d) mod 2)."""
    tenth = math.ceil(0.1 * side)
    return math.floor(tenth - 0.5 + tenth % 2)


def _jitter(
    image: npt.NDArray[np.float32],
    factors: npt.NDArray[np.float64],
    hue: float,
    order: npt.NDArray[np.int64],
) -> npt.NDArray[np.float32]:
    """Brightness, contrast, saturation (factors) and hue (degrees), in a random order."""
    brightness, contrast, saturation = (float(f) for f in factors)
    image = np.clip(image, 0, 1)
    for step in order:
        if step == 0:
            image = image * brightness
        elif step == 1:
            grey = image @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
            image = grey.mean() + (image - grey.mean()) * contrast
        else:
            colour = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
            if step == 2:
                colour[..., 1] = np.clip(colour[..., 1] * saturation, 0, 1)
            else:
                colour[..., 0] = (colour[..., 0] + hue) % 360
            image = np.asarray(cv2.cvtColor(colour, cv2.COLOR_HSV2RGB), np.float32)
        np.clip(image, 0, 1, out=image)  # every step has made an image of its own
    return image


def _blur(image: npt.NDArray[np.float32], sigma: float) -> npt.NDArray[np.float32]:
    size = (kernel_size(image.shape[1]), kernel_size(image.shape[0]))
    return np.asarray(cv2.GaussianBlur(image, size, sigma), np.float32)
