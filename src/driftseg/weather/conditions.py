"""The weather of a domain in meteorological units."""

from __future__ import annotations

from dataclasses import dataclass, fields

from driftseg.weather.amounts import check_amount, check_share, check_visibility
from driftseg.weather.fog import extinction_per_kilometre as fog_extinction
from driftseg.weather.rain import extinction_per_kilometre as rain_extinction
from driftseg.weather.snow import extinction_per_kilometre as snow_extinction

NIGHT_COUNTS_AS = 10.0
"""Extinction in 1/km that a full night counts as in the order of weather; about that of rain of 180
mm/h. Ours."""

WET_FROM = 25.0
"""mm/h of rain from which a road is fully wet and there is no sun. Ours."""
WET = 0.8
"""Wetness of such a road, 0 to 1. Ours."""
GREY_SNOW = 0.5
"""mm/h of water that falls as snow, from which there is no sun. Ours."""
GREY_FOG = 8.0
"""Extinction of fog in 1/km from which there are no shadows (visibility 375 m). Ours."""


@dataclass(frozen=True)
class Conditions:
    """The weather of a domain; by default there is none."""

    rain: float = 0.0
    """mm/h."""
    visibility: float | None = None
    """Visibility in fog in metres; None is no fog."""
    night: float = 0.0
    """0 is day, 1 is night under street lamps."""
    snow: float = 0.0
    """mm/h of water that falls as snow: 0.5 is light, 1 moderate, 2.5 heavy."""
    snow_cover: float = 0.0
    """Share of the ground and of upward surfaces that snow covers."""
    wet_road: float | None = None
    """Wetness of the ground: 0 is dry, 1 is a film of water with reflections. None follows the rain
    where the ground is known: `wetness`."""
    clouds: float | None = None
    """Share of sunlight that clouds remove, 0 to 1. None follows the weather: `overcast`."""
    lens_drops: float = 0.0
    """Share of the picture that drops on the lens or windscreen cover, 0 to 0.5."""

    def __post_init__(self) -> None:
        for name in ("rain", "snow"):
            check_amount(name, getattr(self, name))
        for name, most in (("night", 1), ("snow_cover", 1), ("lens_drops", 0.5)):
            check_share(name, getattr(self, name), most)
        for name in ("wet_road", "clouds"):
            if (share := getattr(self, name)) is not None:
                check_share(name, share)
        check_visibility(self.visibility)

    @property
    def clear(self) -> bool:
        """Whether images do not change."""
        others = [field.name for field in fields(self) if field.name != "visibility"]
        foggy = fog_extinction(self.visibility) > 0
        return not foggy and not any(getattr(self, name) for name in others)

    @property
    def wetness(self) -> float:
        """Of the ground: as given, or from the rain, which gives `WET` from `WET_FROM` mm/h on."""
        return WET * min(1.0, self.rain / WET_FROM) if self.wet_road is None else self.wet_road

    @property
    def overcast(self) -> float:
        """Share of sunlight that is missing: as given, or from the weather.

        It is 1 from `WET_FROM` mm/h of rain, `GREY_SNOW` mm/h of snow or an extinction of fog of
        `GREY_FOG` on, at full night, and where snow covers everything.
        """
        if self.clouds is not None:
            return self.clouds
        return min(1.0, max(
            self.rain / WET_FROM, self.snow / GREY_SNOW, self.snow_cover, self.night,
            fog_extinction(self.visibility) / GREY_FOG,
        ))  # fmt: skip

    @property
    def extinction(self) -> float:
        """Of rain, fog and falling snow together, 1/km."""
        return (
            rain_extinction(self.rain)
            + fog_extinction(self.visibility)
            + snow_extinction(self.snow)
        )

    @property
    def strength(self) -> float:
        """Strength of the weather, by which visits are sorted.

        The extinction in 1/km; night counts as `NIGHT_COUNTS_AS`.
        """
        return self.extinction + NIGHT_COUNTS_AS * self.night

    def __str__(self) -> str:
        """In words, for records."""
        told = []
        if self.rain > 0:
            told.append(f"rain {self.rain:g} mm/h")
        if fog_extinction(self.visibility) > 0:
            told.append(f"fog {self.visibility:g} m")
        if self.snow > 0:
            told.append(f"snow {self.snow:g} mm/h")
        for name in ("night", "snow_cover", "wet_road", "clouds", "lens_drops"):
            if value := getattr(self, name):
                told.append(f"{name.replace('_', ' ')} {value:g}")
        if self.wet_road == 0 and self.rain > 0:
            told.append("dry road")
        if self.clouds == 0 and not self.clear:
            told.append("sun")
        return " and ".join(told) or "as it is"


CLEAR = Conditions()
