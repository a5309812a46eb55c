"""Town at every level of the storm, of the fog, or in the other kinds of weather, as one picture.

python benchmarks/weather_contact_sheet.py docs/pictures/rain_town.png
python benchmarks/weather_contact_sheet.py docs/pictures/fog_town.png --weather fog --scenes 2
python benchmarks/weather_contact_sheet.py docs/pictures/others_town.png --weather others --scenes 2
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from driftseg.stream.schedule import domains, foggy, storm
from driftseg.town.town import Town
from driftseg.weather.camera import TOWN
from driftseg.weather.conditions import Conditions
from driftseg.weather.fog import transmission as fog_transmission
from driftseg.weather.geometry import geometry_of
from driftseg.weather.rain import transmission as rain_transmission
from driftseg.weather.render import render

PLACES = ((1, 130), (7, 40), (2, 500))
"""Seeds of Town and steps of the camera."""
HUNDRED = np.full((1, 1), 100.0, np.float32)
"""Metres."""


OTHERS = (
    Conditions(),
    Conditions(rain=50, wet_road=1),
    Conditions(rain=50, wet_road=1, lens_drops=0.15),
    Conditions(snow=2.5),
    Conditions(snow=1, snow_cover=0.7),
    Conditions(night=1),
    Conditions(night=1, rain=50, wet_road=1),
)


def shown(weather: str) -> list[Conditions]:
    if weather == "others":
        return list(OTHERS)
    return [v.conditions for v in domains(storm() if weather == "rain" else foggy()).values()]


def caption(conditions: Conditions, weather: str) -> str:
    if weather == "others":
        return str(conditions).replace(" and ", ", ")
    if conditions.clear:
        return {"rain": "0 mm/h", "fog": "clear"}[weather]
    if weather == "fog":
        through = fog_transmission(HUNDRED, conditions.visibility)[0, 0]
        told = f"{conditions.visibility:g} m"
    else:
        through = rain_transmission(HUNDRED, conditions.rain)[0, 0]
        told = f"{conditions.rain:g} mm/h"
    return f"{told}   {conditions.strength:.2f}/km   T(100 m) {through:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--weather", choices=("rain", "fog", "others"), default="rain")
    parser.add_argument("--scenes", type=int, default=len(PLACES))
    arguments = parser.parse_args()
    conditions = shown(arguments.weather)
    rows = []
    for seed, index in PLACES[: arguments.scenes]:
        scene = Town(seed=seed, size=(320, 240)).render(index)
        assert scene.label is not None
        geometry = geometry_of(scene, TOWN, Town.label_space)
        row = [
            render(scene.image, geometry, each, np.random.default_rng(0), camera=TOWN)
            for each in conditions
        ]
        row.append(Town.label_space.paint(scene.label))
        rows.append(np.hstack(row))
    sheet = np.vstack(rows)
    strip = np.full((26, sheet.shape[1], 3), 255, np.uint8)
    for i, text in enumerate([*(caption(c, arguments.weather) for c in conditions), "truth"]):
        place = (i * 320 + 6, 18)
        cv2.putText(strip, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    whole = Image.fromarray(np.vstack([strip, sheet]))
    whole.resize((whole.width * 2 // 3, whole.height * 2 // 3), Image.Resampling.LANCZOS).save(
        arguments.out, optimize=True
    )


if __name__ == "__main__":
    main()
