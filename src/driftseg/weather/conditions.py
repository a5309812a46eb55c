"""What the weather is, in the units that meteorologists and drivers use."""

from __future__ import annotations

from dataclasses import dataclass, fields

from driftseg.weather.amounts import check_amount, check_share, check_visibility
from driftseg.weather.fog import extinction_per_kilometre as fog_extinction
from driftseg.weather.rain import extinction_per_kilometre as rain_extinction
from driftseg.weather.snow import extinction_per_kilometre as snow_extinction

NIGHT_COUNTS_AS = 10.0
"""Extinction in 1/km that a whole night counts as where weather is put in an order; about that of
rain of 180 mm/h. Ours."""

WET_FROM = 25.0
"""mm/h of rain that wets a road wholly and leaves no sun. Ours."""
WET = 0.8
"""How wet such a road is. Ours."""
GREY_SNOW = 0.5
"""mm/h of water that falls as snow and leaves no sun. Ours."""
GREY_FOG = 8.0
"""Extinction of fog in 1/km that leaves no shadows, a visibility of 375 m. Ours."""


@dataclass(frozen=True)
class Conditions:
    """The weather of a domain; by default there is none."""

    rain: float = 0.0
    """mm/h."""
    visibility: float | None = None
    """Metres that one sees in the fog; None is no fog."""
    night: float = 0.0
    """0 is day, 1 is night under street lamps."""
    snow: float = 0.0
    """mm/h of water that falls as snow: 0.5 is light, 1 moderate, 2.5 heavy."""
    snow_cover: float = 0.0
    """Share of the ground, and of what looks upwards, that lies under snow."""
    wet_road: float | None = None
    """How wet the ground is: 0 is dry, 1 a film of water that mirrors what stands on it. None
    follows the rain, where it is known what is ground: `wetness`."""
    clouds: float | None = None
    """How much of the sun the clouds take away, 0 to 1. None follows the weather: `overcast`."""
    lens_drops: float = 0.0
    """Share of the picture that lies behind drops on the lens or windscreen, up to a half."""

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
        """Whether images stay as they are."""
        others = [field.name for field in fields(self) if field.name != "visibility"]
        foggy = fog_extinction(self.visibility) > 0
        return not foggy and not any(getattr(self, name) for name in others)

    @property
    def wetness(self) -> float:
        """Of the ground: as given, or what the rain makes of it: `WET`, from `WET_FROM` mm/h on."""
        return WET * min(1.0, self.rain / WET_FROM) if self.wet_road is None else self.wet_road

    @property
    def overcast(self) -> float:
        """How much of the sun is gone: as given, or what goes with the weather.

        Rain takes it all from `WET_FROM` mm/h on, snow from `GREY_SNOW`, fog from an extinction of
        `GREY_FOG`; there is no sun at night, and none on snow that lies everywhere.
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
        """How bad it is, by which visits are put in order.

        The extinction, in 1/km; the night counts as `NIGHT_COUNTS_AS`.
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
