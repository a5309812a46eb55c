"""Town at every level of the storm, or of the fog, as one picture for the docs.

python benchmarks/weather_contact_sheet.py docs/pictures/rain_town.png
python benchmarks/weather_contact_sheet.py docs/pictures/fog_town.png --weather fog --scenes 2
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from driftseg.data.schedule import Visit, domains, foggy, storm
from driftseg.data.town import Town
from driftseg.data.weather import fog, rain
from driftseg.data.weather.camera import TOWN
from driftseg.frame import Scene

PLACES = ((1, 130), (7, 40), (2, 500))
"""Seeds of Town and steps of the camera."""
HUNDRED = np.full((1, 1), 100.0, np.float32)
"""Metres."""


def render(scene: Scene, visit: Visit) -> np.ndarray:
    assert scene.depth is not None
    image = fog.fog(scene.image, scene.depth, visit.visibility, camera=TOWN)
    return rain.rain(image, scene.depth, visit.rain, np.random.default_rng(0), camera=TOWN)


def caption(visit: Visit, clear: str) -> str:
    if visit.visibility is not None:
        through = fog.transmission(HUNDRED, visit.visibility)[0, 0]
        return f"{visit.visibility:g} m   {visit.strength:.2f}/km   T(100 m) {through:.2f}"
    if visit.rain > 0:
        through = rain.transmission(HUNDRED, visit.rain)[0, 0]
        return f"{visit.rain:g} mm/h   {visit.strength:.2f}/km   T(100 m) {through:.2f}"
    return clear


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--weather", choices=("rain", "fog"), default="rain")
    parser.add_argument("--scenes", type=int, default=len(PLACES))
    arguments = parser.parse_args()
    clear = {"rain": "0 mm/h", "fog": "clear"}[arguments.weather]
    visits = domains(storm() if arguments.weather == "rain" else foggy()).values()
    rows = []
    for seed, index in PLACES[: arguments.scenes]:
        scene = Town(seed=seed, size=(320, 240)).render(index)
        assert scene.label is not None
        row = [render(scene, visit) for visit in visits]
        row.append(Town.label_space.paint(scene.label))
        rows.append(np.hstack(row))
    sheet = np.vstack(rows)
    strip = np.full((26, sheet.shape[1], 3), 255, np.uint8)
    for i, text in enumerate([*(caption(visit, clear) for visit in visits), "truth"]):
        place = (i * 320 + 6, 18)
        cv2.putText(strip, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    whole = Image.fromarray(np.vstack([strip, sheet]))
    whole.resize((whole.width * 2 // 3, whole.height * 2 // 3), Image.Resampling.LANCZOS).save(
        arguments.out, optimize=True
    )


if __name__ == "__main__":
    main()
