"""Whether a frame is worth learning from; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from driftseg.frame import Image

Thumbnail = npt.NDArray[np.float32]

SMALL = (256, 192)
"""(width, height) that larger frames are shrunk to, so that noise and sharpness compare."""
THUMBNAIL = (64, 48)
DARK, BRIGHT = 2.0, 253.0
"""Grey levels from which a pixel of the thumbnail is saturated."""
NOISE_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
"""Immerkaer (1996): it takes away structure, and its response to noise of deviation 1 is 6."""
STILL = 0.05
"""Mean difference of two thumbnails, in grey levels, below which a frame repeats the last one."""
CONTRAST, NOISE, SHARPNESS, SATURATED = 6.0, 0.35, 0.06, 0.15
"""Limits that calibration may loosen and does not tighten; SATURATED is added to the share in good
frames. On Town, night, fog of 40 m and rain of 200 mm/h keep a distance of 1.5 times or more
(docs/guard.md)."""


@dataclass(frozen=True)
class Look:
    """How a frame looks."""

    level: float
    """Mean grey level, 0 to 255."""
    contrast: float
    """Standard deviation of grey on the thumbnail."""
    saturated: float
    """Share of the thumbnail's pixels that are black or white."""
    noise: float
    """Standard deviation of noise divided by contrast."""
    sharpness: float
    """Strong fine structure (99th percentile) divided by contrast."""


@dataclass(frozen=True)
class Limits:
    """What a usable frame keeps to."""

    contrast: float = CONTRAST
    """At least."""
    saturated: float = 0.5
    """At most."""
    noise: float = NOISE
    """At most."""
    sharpness: float = SHARPNESS
    """At least."""


def look_at(image: Image) -> tuple[Look, Thumbnail]:
    """Measures a frame (H, W, 3) and gives its grey thumbnail."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if grey.shape[1] > SMALL[0] or grey.shape[0] > SMALL[1]:
        grey = cv2.resize(grey, SMALL, interpolation=cv2.INTER_AREA)
    thumbnail = cv2.resize(grey, THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)
    contrast = float(thumbnail.std())
    fine = cv2.convertScaleAbs(cv2.filter2D(grey, cv2.CV_16S, NOISE_KERNEL))
    counts = np.cumsum(cv2.calcHist([fine], [0], None, [256], [0, 256]).ravel()) / fine.size
    median, strong = np.searchsorted(counts, (0.5, 0.99))
    scale = max(contrast, 1e-3)
    saturated = (thumbnail <= DARK) | (thumbnail >= BRIGHT)
    found = Look(
        level=float(thumbnail.mean()),
        contrast=contrast,
        saturated=float(saturated.mean()),
        noise=float(median) / 6 / 0.6745 / scale,
        sharpness=float(strong) / 6 / scale,
    )
    return found, thumbnail


def limits_from(looks: Sequence[Look], widen: float) -> Limits:
    """Limits that leave room around good frames: rain, night and fog must stay usable."""
    return Limits(
        contrast=min(CONTRAST, min(look.contrast for look in looks) / widen),
        saturated=min(0.95, max(look.saturated for look in looks) + SATURATED),
        noise=max(NOISE, max(look.noise for look in looks) * widen),
        sharpness=min(SHARPNESS, min(look.sharpness for look in looks) / widen),
    )


class FrameGate:
    """Says why a frame is not worth learning from.

    Args:
        widen: factor between what good frames show and what is refused.
        repeats: frames that may repeat the one before them; the next is frozen.
        examples: good frames of the source. Without any, the first usable frames of the stream
            stand in for them.
        first: how many frames these are.
    """

    def __init__(
        self,
        *,
        widen: float = 4.0,
        repeats: int = 5,
        examples: Sequence[Image] = (),
        first: int = 8,
    ):
        self._widen, self._repeats, self._first = widen, repeats, first
        self._looks: list[Look] = []
        """Of the first frames, until there are enough."""
        self._thumbnail: Thumbnail | None = None
        self._repeated = 0
        self.limits = Limits()
        self.calibrated_on = ""
        """``source``, ``stream``, or nothing yet."""
        if examples:
            self.limits = limits_from([look_at(image)[0] for image in examples], widen)
            self.calibrated_on = "source"

    def see(self, image: Image) -> str | None:
        """Why the frame is unusable, in a word or two; None where it is usable."""
        look, thumbnail = look_at(image)
        reason = self._frozen(thumbnail) or fault(look, self.limits)
        if reason is None and not self.calibrated_on:
            self._looks.append(look)
            if len(self._looks) >= self._first:
                self.limits = limits_from(self._looks, self._widen)
                self.calibrated_on, self._looks = "stream", []
        return reason

    def _frozen(self, thumbnail: Thumbnail) -> str | None:
        before, self._thumbnail = self._thumbnail, thumbnail
        same = before is not None and float(np.abs(thumbnail - before).mean()) < STILL
        self._repeated = self._repeated + 1 if same else 0
        return "frozen" if self._repeated > self._repeats else None

    def state_dict(self) -> dict[str, Any]:
        """Limits, the last thumbnail and the counts."""
        return {
            "limits": vars(self.limits).copy(),
            "calibrated_on": self.calibrated_on,
            "looks": [vars(look).copy() for look in self._looks],
            "thumbnail": None if self._thumbnail is None else self._thumbnail.copy(),
            "repeated": self._repeated,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues."""
        self.limits = Limits(**state["limits"])
        self.calibrated_on = state["calibrated_on"]
        self._looks = [Look(**look) for look in state["looks"]]
        thumbnail = state["thumbnail"]
        self._thumbnail = None if thumbnail is None else thumbnail.copy()
        self._repeated = state["repeated"]


def fault(look: Look, limits: Limits) -> str | None:
    """What is wrong with a frame that looks like this."""
    if look.contrast < limits.contrast:
        if look.level < 64:
            return "black"
        return "overexposed" if look.level > 192 else "no contrast"
    if look.saturated > limits.saturated:
        return "overexposed" if look.level > 127 else "black"
    if look.noise > limits.noise:
        return "noise"
    return "blur" if look.sharpness < limits.sharpness else None
