"""Snow."""

from __future__ import annotations


def extinction_per_kilometre(rate: float) -> float:
    """Extinction coefficient of falling snow."""
    return 0.0
