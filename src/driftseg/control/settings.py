"""What a controller's settings say, and what a controller is made from; no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from driftseg.control.calibration import Calibration
from driftseg.control.contract import Controller, Order
from driftseg.control.detectors import DetectorSettings
from driftseg.errors import InputError
from driftseg.settings import Settings


@dataclass(frozen=True)
class ControlSupplies:
    """What a controller is made from."""

    choices: tuple[int, ...]
    """Numbers of the choices of what learns: the smaller, the more is trained."""
    plain: Order
    """Learning rate and mix ratio of the learner's own settings."""
    generator: Callable[[str], np.random.Generator]
    """The generator of a named random stream."""
    calibration: Calibration | None = None
    """What was learnt from held-out source frames, where anything was."""


class ControlSettings(Settings):
    """Base of the settings of every controller: when, how much, and which parts learn."""

    kind: str

    def make(self, supplies: ControlSupplies) -> Controller:
        """The controller."""
        raise InputError(
            f"method.control {self.kind}: expected the method make in {type(self).__name__}, got a "
            "class without it. To fix: add it to the class"
        )

    @property
    def chooses(self) -> bool:
        """Whether it chooses the parts of the network that learn."""
        return False

    @property
    def random(self) -> bool:
        """Whether it draws anything at random."""
        return False

    @property
    def drift_detector(self) -> DetectorSettings | None:
        """Of what finds changes; None where nothing does."""
        return None

    @property
    def shrink(self) -> int:
        """Factor by which the image is made smaller for the drift signal."""
        return 3
