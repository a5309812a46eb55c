"""The domains of a weather set, and the names of their folders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from driftseg.errors import InputError
from driftseg.stream.schedule import fog_name, rain_name
from driftseg.weather.conditions import Conditions

SNOW_COVER = 0.6
"""Share of the ground under snow if snow falls and labels show the ground. Ours."""


@dataclass(frozen=True)
class WeatherDomain:
    """One kind of weather that is rendered on all images."""

    name: str
    """Name as in schedules, because drops depend on it: rain100, fog375, night1, snow1."""
    folder: str
    """rain/100mm, fog/375m, night/1, snow/1mm."""
    conditions: Conditions

    def on(self, *, labelled: bool) -> Conditions:
        """The conditions of one image; images without a label get no snow on the ground."""
        return self.conditions if labelled else replace(self.conditions, snow_cover=0.0)

    def extinction(self, severity: float) -> float:
        """Extinction of rain, fog and falling snow together, 1/km."""
        return severity * self.conditions.extinction

    def transmission(self, severity: float, metres: float = 100.0) -> float:
        """Share of light that passes the air over a distance."""
        return math.exp(-self.extinction(severity) * metres / 1000)


def weather_domains(
    *,
    rain: Sequence[float] = (),
    fog: Sequence[float] = (),
    night: Sequence[float] = (),
    snow: Sequence[float] = (),
    snow_cover: float | None = None,
    wet_road: float | None = None,
    clouds: float | None = None,
    lens_drops: float = 0.0,
) -> list[WeatherDomain]:
    """One domain for each value.

    Args:
        rain: rates in mm/h.
        fog: visibilities in metres.
        night: 0 is day, 1 is night.
        snow: rates in mm/h of water.
        snow_cover: share of the ground under snow in domains of snow; None is `SNOW_COVER`.
        wet_road: wetness of the ground in domains of rain; None follows the rain.
        clouds: share of sunlight that clouds remove in all domains; None follows the weather.
        lens_drops: share of the picture that drops cover in domains of rain.

    Raises:
        InputError: there is no domain, a domain is repeated, a value gives no weather, wetness
            comes without rain, or snow on the ground without falling snow.
    """
    for name, value in (("wet_road", wet_road), ("lens_drops", lens_drops)):
        if value and not rain:
            raise InputError(
                f"{name}: expected rain beside it, got none. To fix: name rain rates in mm/h, too"
            )
    if snow_cover is not None and not snow:
        raise InputError(
            "snow_cover: expected snow beside it, got none. To fix: name snow rates in mm/h, too"
        )
    lying = SNOW_COVER if snow_cover is None else snow_cover
    found = [
        WeatherDomain(
            rain_name(rate),
            f"rain/{rate:g}mm",
            Conditions(rain=rate, wet_road=wet_road, clouds=clouds, lens_drops=lens_drops),
        )
        for rate in rain
    ]
    found += [
        WeatherDomain(
            fog_name(metres), f"fog/{metres:g}m", Conditions(visibility=metres, clouds=clouds)
        )
        for metres in fog
    ]
    found += [
        WeatherDomain(f"night{depth:g}", f"night/{depth:g}", Conditions(night=depth, clouds=clouds))
        for depth in night
    ]
    found += [
        WeatherDomain(
            f"snow{rate:g}",
            f"snow/{rate:g}mm",
            Conditions(snow=rate, snow_cover=lying, clouds=clouds),
        )
        for rate in snow
    ]
    _check(found, {"rain": rain, "night": night, "snow": snow})
    return found


def _check(found: Sequence[WeatherDomain], values: dict[str, Sequence[float]]) -> None:
    if not found:
        raise InputError(
            "expected some weather, got none. To fix: name rain (mm/h), fog (metres of "
            "visibility), night (0 to 1) or snow (mm/h)"
        )
    for name, given in values.items():
        if 0 in given:
            raise InputError(
                f"{name}: expected a value above 0, got 0, which is no weather. To fix: leave "
                "it out"
            )
    if any(domain.conditions.visibility == math.inf for domain in found):
        raise InputError(
            "fog: expected a finite visibility, got inf, which is no weather. To fix: leave it out"
        )
    names = [domain.name for domain in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"expected every weather once, got {', '.join(twice)} twice. To fix: leave one out"
        )
