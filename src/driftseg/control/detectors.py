"""The drift detector's settings, and making it from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from driftseg.control.budget import Levels
from driftseg.control.calibration import Calibration
from driftseg.control.drift import Detector, WindowDetector
from driftseg.control.river_detectors import adwin, page_hinkley
from driftseg.errors import InputError
from driftseg.settings import Positive, Settings


class DetectorSettings(Settings):
    """What finds changes in the drift signal."""

    name: Literal["window", "adwin", "page_hinkley"] = "window"
    """window: HAMLET's. The others come from the river library, extra [drift]."""
    window: PositiveInt | None = None
    """Frames averaged for one decision; null takes the calibration's. HAMLET: 75."""
    rise: Positive | None = None
    """Difference that is a change away from the source; null takes the calibration's. HAMLET:
    .23. Also what ``base_iterations`` are granted for."""
    fall: Annotated[float, Field(lt=0)] | None = None
    """Difference that is a change back; null takes the calibration's. HAMLET: -.23."""
    source_level: float | None = None
    """The signal on the source; null takes the calibration's. HAMLET: .8."""
    far_level: float | None = None
    """The signal far from the source; null takes the calibration's. HAMLET: 2.55."""
    start_rises: Positive | None = 3.0
    """How many times ``rise`` the first window must lie above the source's level to be a change,
    for streams that begin far from the source; null, as published, never asks."""
    longest_window: PositiveInt = 75
    """Of a calibrated window."""
    delta: Positive = 0.002
    """ADWIN's: chance of a false alarm."""
    tolerance: NonNegativeFloat = 0.01
    """Page-Hinkley's: deviation that is not counted."""
    summed_rise: Positive = 1.0
    """Page-Hinkley's: summed deviation that is a change."""

    @property
    def calibrated(self) -> bool:
        """Whether something is left to be learnt from held-out source frames."""
        return None in (self.window, self.rise, self.fall, self.source_level, self.far_level)

    @property
    def learnt_window(self) -> int | None:
        """Longest window that may be learnt; None where nothing is learnt."""
        return self.longest_window if self.calibrated else None

    def found(self, calibration: Calibration | None) -> Drift:
        """What is set, and for the rest what was learnt.

        Raises:
            InputError: something is not set and nothing was learnt.
        """
        values = {
            name: getattr(self, name)
            for name in ("window", "rise", "fall", "source_level", "far_level")
        }
        missing = [name for name, value in values.items() if value is None]
        if missing:
            if calibration is None:
                raise InputError(
                    f"method.detector: expected values of {', '.join(missing)}, got none. To "
                    "fix: set them, or calibration.data (held-out source frames), or "
                    "method.compat=published for HAMLET's constants, which fit Cityscapes with "
                    "MiT-B1"
                )
            learnt = calibration.detector(self.longest_window)
            values |= {name: getattr(learnt, name) for name in missing}
        levels = Levels(values["source_level"], values["far_level"])
        return Drift(values["window"], values["rise"], values["fall"], levels)

    def make(self, drift: Drift, *, overlapping_reference: bool = False) -> Detector:
        """The detector that ``name`` says."""
        if self.name == "adwin":
            return adwin(delta=self.delta, recent=drift.window)
        if self.name == "page_hinkley":
            return page_hinkley(
                rise=self.summed_rise, tolerance=self.tolerance, recent=drift.window
            )
        return WindowDetector(
            window=drift.window,
            rise=drift.rise,
            fall=drift.fall,
            start=None if self.start_rises is None else drift.levels.source,
            start_rises=self.start_rises or 1.0,
            overlapping_reference=overlapping_reference,
        )


@dataclass(frozen=True)
class Drift:
    """What a detector decides by, from the config where it sets it, learnt otherwise."""

    window: int
    rise: float
    fall: float
    levels: Levels


PUBLISHED_DETECTOR = {
    "window": 75,
    "rise": 0.23,
    "fall": -0.23,
    "source_level": 0.8,
    "far_level": 2.55,
    "start_rises": None,
}
"""HAMLET's constants for Cityscapes with MiT-B1, from its released code."""
