"""How much of a weather there can be."""

from __future__ import annotations

import math

from driftseg.errors import InputError


def check_amount(name: str, value: float) -> None:
    """Raises InputError unless a rate or severity is finite and not negative."""
    if not (math.isfinite(value) and value >= 0):
        raise InputError(f"{name} must be a finite number of 0 or more, not {value}")


def check_share(name: str, value: float, most: float = 1) -> None:
    """Raises InputError unless a share lies in 0 to ``most``."""
    if not 0 <= value <= most:
        raise InputError(f"{name} must lie in 0 to {most}, not {value}")
