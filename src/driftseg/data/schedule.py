"""Which domains the world goes through, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from driftseg.errors import InputError

Direction = Literal["forward", "backward"]

STORM_RATES = (0, 25, 50, 75, 100, 200, 100, 75, 50, 25, 0)
"""mm/h of the increasing storm (OnDA, Panagiotakopoulos et al. 2022; HAMLET's default)."""


@dataclass(frozen=True)
class Visit:
    """One stay in a domain."""

    domain: str
    rain: float = 0.0
    """mm/h, rendered on the target's frames."""
    include: tuple[str, ...] = ()
    """Shell patterns of frame names; empty takes all."""
    frames: int | None = None
    """Number of frames; None takes all that match. With a number, a visit goes on in the
    sequence where the visit before it stopped, and begins anew at its end."""
    passes: int = 1
    direction: Direction = "forward"
    """forward until the worst weather, backward on the way home."""

    @property
    def weather(self) -> str:
        """In words, for records."""
        return f"rain {self.rain:g} mm/h" if self.rain > 0 else "as it is"


def rain_name(rate: float) -> str:
    """The name of a rain domain: clear, rain25, ..."""
    return "clear" if rate == 0 else f"rain{rate:g}"


def storm(*, frames: int | None = None, passes: int = 1) -> list[Visit]:
    """The increasing storm: clear 25 50 75 100 200 100 75 50 25 clear."""
    visits = [
        Visit(rain_name(rate), float(rate), frames=frames, passes=passes) for rate in STORM_RATES
    ]
    return with_directions(visits)


def with_directions(visits: Sequence[Visit]) -> list[Visit]:
    """Marks what comes after the first visit to the heaviest rain as backward.

    Raises:
        InputError: there is no visit, or one domain has two kinds of weather.
    """
    if not visits:
        raise InputError("the schedule is empty: name at least one domain, or use preset: storm")
    rains: dict[str, float] = {}
    for visit in visits:
        if rains.setdefault(visit.domain, visit.rain) != visit.rain:
            raise InputError(
                f"schedule: {visit.domain} has rain {rains[visit.domain]:g} and {visit.rain:g}; "
                "one domain has one weather, so give them two names"
            )
    worst = max(range(len(visits)), key=lambda i: (visits[i].rain, -i))
    if all(visit.rain == visits[0].rain for visit in visits):
        worst = len(visits) - 1
    return [
        Visit(
            v.domain, v.rain, v.include, v.frames, v.passes,
            "forward" if i <= worst else "backward",
        )
        for i, v in enumerate(visits)
    ]  # fmt: skip


def domains(visits: Sequence[Visit]) -> dict[str, Visit]:
    """Every domain once, with its first visit, in order of appearance."""
    found: dict[str, Visit] = {}
    for visit in visits:
        found.setdefault(visit.domain, visit)
    return found
