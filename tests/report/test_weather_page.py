"""The contact sheet of a weather set."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftseg.images.reading import read_image
from driftseg.labels import CAMVID11
from driftseg.report.weather_page import write_weather_page
from driftseg.scenes.folder import folder
from driftseg.weather.camera import TOWN
from driftseg.weather_sets.domains import weather_domains
from driftseg.weather_sets.making import WeatherSet, make_set


def shown(page: Path) -> list[np.ndarray]:
    """Its pictures, row by row."""
    return [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
        for data in re.findall(r"data:image/jpeg;base64,([^\"]+)", page.read_text(encoding="utf-8"))
    ]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """One photo, its upper half black, that was taken with the camera held sideways."""
    root = tmp_path / "photos"
    root.mkdir()
    upright = np.full((48, 32, 3), 200, np.uint8)
    upright[:24] = 0
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the right brings it upright
    Image.fromarray(np.rot90(upright)).save(root / "a.png", exif=exif)
    return root


def made(root: Path, out: Path) -> Path:
    scenes = folder(root, label_space=CAMVID11)
    make_set(WeatherSet(root, "folder", scenes, weather_domains(fog=(375.0,)), TOWN), out)
    return out


def test_photos_stand_as_upright_as_their_weather(photos: Path, tmp_path: Path) -> None:
    page = write_weather_page(made(photos, tmp_path / "set"), read_image)
    original, foggy = shown(page)
    assert original.shape == foggy.shape == (48, 32, 3)
    assert original[:20].mean() < 20
    assert original[28:].mean() > 180


def test_a_file_that_was_damaged_since_leaves_its_place_empty(photos: Path, tmp_path: Path) -> None:
    out = made(photos, tmp_path / "set")
    foggy = out / "fog" / "375m" / "a.png"
    foggy.write_bytes(foggy.read_bytes()[:60])
    assert len(shown(write_weather_page(out, read_image))) == 1
