"""Checks of amounts of weather."""

from __future__ import annotations

import math

from driftseg.errors import InputError


def check_amount(name: str, value: float) -> None:
    """Raises InputError unless a rate or severity is finite and not negative."""
    if not (math.isfinite(value) and value >= 0):
        raise InputError(
            f"{name}: expected a finite number of 0 or more, got {value}. To fix: give 0 or more"
        )


def check_share(name: str, value: float, most: float = 1) -> None:
    """Raises InputError unless a share lies in 0 to ``most``."""
    if not 0 <= value <= most:
        raise InputError(
            f"{name}: expected a number from 0 to {most}, got {value}. To fix: give a number in "
            "this range"
        )


def check_visibility(visibility: float | None) -> None:
    """Raises InputError unless a visibility is None or a number of metres above 0."""
    if visibility is not None and not visibility > 0:
        raise InputError(
            f"visibility: expected metres above 0, got {visibility}. To fix: give metres above 0, "
            "or leave visibility out for no fog"
        )
