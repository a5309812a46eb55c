"""What the renderer makes today: other pixels are another renderer, and another weather set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from driftseg.errors import InputError
from driftseg.labels import CAMVID11
from driftseg.scenes.camvid import camvid
from driftseg.weather.camera import CAMVID
from driftseg.weather.conditions import Conditions
from driftseg.weather.geometry import geometry_of
from driftseg.weather.render import RENDERER, render
from driftseg.weather_sets import making
from driftseg.weather_sets.domains import weather_domains
from driftseg.weather_sets.making import WeatherSet, make_set
from driftseg.weather_sets.record import read_record
from weather_trees import town, write_camvid

CONDITIONS = {
    "clear": Conditions(),
    "rain": Conditions(rain=100),
    "fog": Conditions(visibility=75),
    "snow": Conditions(snow=2.5),
    "snow cover": Conditions(snow_cover=0.6),
    "night": Conditions(night=1),
    "wet road": Conditions(wet_road=1),
    "lens drops": Conditions(lens_drops=0.2),
    "all": Conditions(
        rain=50, visibility=150, snow=1, snow_cover=0.3, night=0.5, wet_road=0.5, lens_drops=0.1
    ),
}

RENDERED = {
    "clear": [67.83, 69.84, 67.65, 31.01, 5.71, 5.88, 0.00],
    "rain": [64.50, 64.79, 63.43, 24.15, 4.80, 4.11, 12.78],
    "fog": [94.11, 94.53, 94.47, 28.85, 2.29, 2.52, 27.75],
    "snow": [69.09, 69.51, 68.63, 28.82, 3.89, 4.03, 8.73],
    "snow cover": [89.01, 89.13, 86.60, 36.57, 4.12, 4.80, 28.07],
    "night": [51.05, 49.72, 46.67, 24.43, 6.62, 6.98, 31.93],
    "wet road": [63.22, 64.78, 61.38, 32.53, 5.22, 5.04, 5.36],
    "lens drops": [67.41, 69.17, 67.35, 29.45, 5.82, 6.05, 3.01],
    "all": [69.75, 68.27, 65.44, 12.94, 3.64, 3.67, 24.70],
}
"""Of a frame of Town on its labels' road plane: mean of each channel, spread over all pixels,
mean difference of pixels side by side, of pixels one above the other, and from the clear image;
in grey levels."""


def measured(conditions: Conditions) -> list[float]:
    scene = replace(town(1, (160, 120))[0], depth=None, depth_source=None)
    image = render(
        scene.image, geometry_of(scene, CAMVID, CAMVID11), conditions, np.random.default_rng(5),
        camera=CAMVID,
    ).astype(float)  # fmt: skip
    return [
        *image.mean(axis=(0, 1)), image.std(),
        np.abs(np.diff(image, axis=1)).mean(), np.abs(np.diff(image, axis=0)).mean(),
        np.abs(image - scene.image).mean(),
    ]  # fmt: skip


@pytest.mark.parametrize("weather", list(CONDITIONS))
def test_other_pixels_are_another_renderer(weather: str) -> None:
    # Rounding differs from machine to machine, by far less than a change of what is drawn does.
    assert measured(CONDITIONS[weather]) == pytest.approx(RENDERED[weather], abs=0.05), (
        f"{weather} makes other pixels than renderer {RENDERER} did: if that is meant, raise "
        "RENDERER in weather/render.py and give these numbers anew"
    )


def test_a_set_of_another_renderer_is_not_gone_on_with(tmp_path: Path, monkeypatch) -> None:
    root, out = write_camvid(tmp_path / "camvid", 1), tmp_path / "set"
    wanted = WeatherSet(
        root=root, layout="camvid", scenes=camvid(root, split="val"), camera=CAMVID,
        domains=weather_domains(rain=(50.0,)),
    )  # fmt: skip
    made = make_set(wanted, out)
    assert read_record(out)["settings"]["renderer"] == RENDERER
    assert made.made == 1
    monkeypatch.setattr(making, "RENDERER", RENDERER + 1)
    message = f"renderer {RENDERER} before, now {RENDERER + 1}"
    with pytest.raises(InputError, match=message):
        make_set(wanted, out)
