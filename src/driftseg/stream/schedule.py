"""The order of domains in a stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveInt, ValidationInfo, field_validator

from driftseg.errors import InputError
from driftseg.settings import Name, Seed, Settings, Share
from driftseg.weather.conditions import CLEAR, Conditions

Direction = Literal["forward", "backward"]

STORM_RATES = (0, 25, 50, 75, 100, 200, 100, 75, 50, 25, 0)
"""mm/h of the storm (OnDA, Panagiotakopoulos et al. 2022; HAMLET's default)."""
FAST_STORM_RATES = (0, 50, 100, 200, 100, 50, 0)
"""mm/h of a storm with fewer steps. Ours: published code has none."""
FOG_VISIBILITIES = (None, 750, 375, 150, 75, 150, 375, 750, None)
"""Visibility in metres (OnDA's configs/hybrid_switch_fog.yml, after a clear start; HAMLET's fog
datasets have the same four levels)."""


@dataclass(frozen=True)
class Visit:
    """One stay in a domain."""

    domain: str
    conditions: Conditions = CLEAR
    """The weather rendered on the target's frames."""
    include: tuple[str, ...] = ()
    """Shell patterns of frame names; empty takes all."""
    frames: int | None = None
    """Number of frames; None takes all that match. With a number, a visit starts where the visit
    before it stopped in the sequence, and continues at the start after the end."""
    passes: int = 1
    direction: Direction = "forward"
    """forward up to the strongest weather, backward after it."""


class VisitSettings(Settings):
    """One visit of the schedule."""

    name: Name
    rain: Annotated[float, Field(ge=0)] = 0.0
    """Rate of rain in mm/h that is rendered on the target's frames."""
    visibility: Annotated[float, Field(gt=0)] | None = None
    """Visibility in metres of the fog that is rendered on them; null is no fog."""
    night: Share = 0.0
    """0 is day, 1 is night under street lamps."""
    snow: Annotated[float, Field(ge=0)] = 0.0
    """mm/h of water that falls as snow: 0.5 is light, 1 moderate, 2.5 heavy."""
    snow_cover: Share = 0.0
    """Share of the ground and of upward surfaces that snow covers; needs labels."""
    wet_road: Share | None = None
    """Wetness of the ground, from 0 to 1; needs labels. null follows the rain; 0 keeps it dry."""
    clouds: Share | None = None
    """Share of sunlight that clouds remove, 0 to 1. null follows the weather."""
    lens_drops: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Share of the picture that drops on the lens cover."""
    include: list[str] = []
    """Shell patterns of frame names; empty takes all of the target's."""
    frames: PositiveInt | None = None
    """Frames of this visit; null takes all that match."""
    passes: PositiveInt = 1
    """Number of passes through the frames."""

    def make(self) -> Visit:
        """The visit; `with_directions` sets its direction."""
        return Visit(
            self.name,
            Conditions(**self.model_dump(include={field.name for field in fields(Conditions)})),
            tuple(self.include),
            self.frames,
            self.passes,
        )


class PresetSettings(Settings):
    """A schedule by name."""

    preset: Literal["storm", "fast_storm", "fog", "random_storm"]
    """storm: clear 25 50 75 100 200 100 75 50 25 clear mm/h; fast_storm: clear 50 100 200 100 50
    clear; fog: clear 750 375 150 75 150 375 750 m clear; random_storm: a random walk over the
    storm's levels, from clear to clear."""
    frames: PositiveInt | None = None
    """Frames of each visit; each visit starts where the one before it stopped. null takes all
    frames each time."""
    passes: PositiveInt = 1
    visits: PositiveInt | None = None
    """Of random_storm: number of visits, odd, 3 or more; null makes 21."""
    seed: Seed | None = None
    """Of random_storm: seed of the walk; null is 0."""

    @field_validator("visits", "seed")
    @classmethod
    def _of_a_random_storm(cls, value: int | None, info: ValidationInfo) -> int | None:
        preset = info.data.get("preset", "random_storm")
        if value is not None and preset != "random_storm":
            raise ValueError(
                "expected visits and seed with the preset random_storm, got them with "
                f"{preset}. To fix: leave them out, or set preset to random_storm"
            )
        return value

    def make(self) -> list[Visit]:
        """All visits."""
        if self.preset == "random_storm":
            return random_storm(
                np.random.default_rng(self.seed or 0),
                visits=21 if self.visits is None else self.visits,
                frames=self.frames,
                passes=self.passes,
            )
        preset = {"storm": storm, "fast_storm": fast_storm, "fog": foggy}[self.preset]
        return preset(frames=self.frames, passes=self.passes)


def make_schedule(settings: PresetSettings | Sequence[VisitSettings]) -> list[Visit]:
    """The visits of a schedule's section.

    Raises:
        InputError: there is no visit, one domain has two kinds of weather, or a random storm of
            an even number of visits.
    """
    if isinstance(settings, PresetSettings):
        return settings.make()
    return with_directions([visit.make() for visit in settings])


def rain_name(rate: float) -> str:
    """The name of a rain domain: clear, rain25, ..."""
    return "clear" if rate == 0 else f"rain{rate:g}"


def fog_name(visibility: float | None) -> str:
    """The name of a fog domain: clear, fog750, ..."""
    return "clear" if visibility is None else f"fog{visibility:g}"


def storm(*, frames: int | None = None, passes: int = 1) -> list[Visit]:
    """The storm: clear 25 50 75 100 200 100 75 50 25 clear."""
    return _rainy(STORM_RATES, frames, passes)


def fast_storm(*, frames: int | None = None, passes: int = 1) -> list[Visit]:
    """The same maximum rain in half the steps: clear 50 100 200 100 50 clear."""
    return _rainy(FAST_STORM_RATES, frames, passes)


def foggy(*, frames: int | None = None, passes: int = 1) -> list[Visit]:
    """Increasing and decreasing fog: clear, 750 375 150 75 150 375 750 m, clear."""
    return with_directions(
        [
            Visit(fog_name(metres), Conditions(visibility=metres), frames=frames, passes=passes)
            for metres in FOG_VISIBILITIES
        ]
    )


def random_storm(
    generator: np.random.Generator,
    *,
    visits: int,
    frames: int | None = None,
    passes: int = 1,
) -> list[Visit]:
    """A random walk over the storm's levels that starts and ends in clear weather.

    At each visit the rain goes one level up or down with equal probability, unless only one of them
    exists, or only down leads back to clear in time.

    Args:
        generator: draws the walk.
        visits: number of visits; odd, because each step up needs a step down.
        frames: of each visit; None takes all.
        passes: of each visit.

    Raises:
        InputError: the number of visits is even or less than 3.
    """
    if visits < 3 or visits % 2 == 0:
        raise InputError(
            "random_storm: expected an odd number of visits from 3 on, because it starts and ends "
            f"clear and changes by one level, got {visits}. To fix: set visits to such a number"
        )
    levels = sorted(set(STORM_RATES))
    walk = [0]
    for left in range(visits - 2, -1, -1):
        steps = [walk[-1] + step for step in (-1, 1)]
        possible = [level for level in steps if 0 <= level < len(levels) and level <= left]
        walk.append(possible[int(generator.integers(len(possible)))])
    return _rainy([levels[level] for level in walk], frames, passes)


def _rainy(rates: Sequence[float], frames: int | None, passes: int) -> list[Visit]:
    return with_directions(
        [
            Visit(rain_name(rate), Conditions(rain=float(rate)), frames=frames, passes=passes)
            for rate in rates
        ]
    )


def with_directions(visits: Sequence[Visit]) -> list[Visit]:
    """Marks all visits after the first visit to the strongest weather as backward.

    Raises:
        InputError: there is no visit, or one domain has two kinds of weather.
    """
    if not visits:
        raise InputError(
            "schedule: expected at least one domain, got none. To fix: name domains, or set "
            "preset: storm"
        )
    known: dict[str, Conditions] = {}
    for visit in visits:
        if known.setdefault(visit.domain, visit.conditions) != visit.conditions:
            raise InputError(
                f"schedule: expected one weather for domain {visit.domain}, got "
                f"{known[visit.domain]} and {visit.conditions}. To fix: give the two visits "
                "different names"
            )
    worst = max(range(len(visits)), key=lambda i: (visits[i].conditions.strength, -i))
    if all(visit.conditions.strength == visits[0].conditions.strength for visit in visits):
        worst = len(visits) - 1
    return [
        replace(visit, direction="forward" if i <= worst else "backward")
        for i, visit in enumerate(visits)
    ]


def domains(visits: Sequence[Visit]) -> dict[str, Visit]:
    """Every domain once, with its first visit, in order of appearance."""
    found: dict[str, Visit] = {}
    for visit in visits:
        found.setdefault(visit.domain, visit)
    return found
