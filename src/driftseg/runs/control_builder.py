"""From settings to what decides: drift detector, and selector of the stages that learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from driftseg.control.budget import Levels
from driftseg.control.drift import Detector, WindowDetector, adwin, page_hinkley
from driftseg.control.which import (
    PUBLISHED_SPEEDS,
    FixedSelector,
    RandomSelector,
    RewardSelector,
    RoundRobinSelector,
    Selector,
)
from driftseg.errors import InputError
from driftseg.runs import method_config as settings
from driftseg.runs.calibrate import Calibration


@dataclass(frozen=True)
class DriftSettings:
    """A detector's settings, from the config where it sets them, learnt otherwise."""

    window: int
    rise: float
    fall: float
    levels: Levels


def drift_settings(given: settings.Detector, calibration: Calibration | None) -> DriftSettings:
    """What the section sets, and for the rest what was learnt.

    Raises:
        InputError: something is not set and nothing was learnt.
    """
    values = {
        name: getattr(given, name)
        for name in ("window", "rise", "fall", "source_level", "far_level")
    }
    missing = [name for name, value in values.items() if value is None]
    if missing:
        if calibration is None:
            raise InputError(
                f"method.detector: {', '.join(missing)} are not set; set them, or calibration.data "
                "(held-out source frames), or method.compat=published for HAMLET's constants, "
                "which fit Cityscapes with MiT-B1"
            )
        learnt = calibration.detector(given.longest_window)
        values |= {name: getattr(learnt, name) for name in missing}
    return DriftSettings(
        values["window"], values["rise"], values["fall"],
        Levels(values["source_level"], values["far_level"]),
    )  # fmt: skip


def build_detector(
    given: settings.Detector, drift: DriftSettings, *, overlapping_reference: bool = False
) -> Detector:
    """The detector that the section names."""
    if given.name == "adwin":
        return adwin(delta=given.delta, recent=drift.window)
    if given.name == "page_hinkley":
        return page_hinkley(rise=given.summed_rise, tolerance=given.tolerance, recent=drift.window)
    return WindowDetector(
        window=drift.window,
        rise=drift.rise,
        fall=drift.fall,
        start=None if given.start_rises is None else drift.levels.source,
        start_rises=given.start_rises or 1.0,
        overlapping_reference=overlapping_reference,
    )


def build_selector(method: settings.Hamlet, choices: tuple[int, ...], *, seed: int) -> Selector:
    """The selector that ``method.selection`` names."""
    if method.selection == "random":
        return RandomSelector(choices, np.random.default_rng([seed, 3]))
    if method.selection == "round_robin":
        return RoundRobinSelector(choices)
    if method.selection == "reward":
        speeds = None if method.costs == "none" else {n: PUBLISHED_SPEEDS[n] for n in choices}
        return RewardSelector(
            choices,
            speeds=speeds,
            punish_quick_less=method.punish_quick_less,
        )
    wanted = int(method.selection.removeprefix("stage"))
    if wanted not in choices:
        raise InputError(
            f"method.selection {method.selection}: nothing of that stage is in method.train; "
            f"choices are {[f'stage{n}' for n in choices]}"
        )
    return FixedSelector((wanted,))
