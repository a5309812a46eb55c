"""Small datasets on disk, made of Town, in the layouts of weather sets' sources; and the sets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from driftseg.frame import Scene
from driftseg.labels import CAMVID11
from driftseg.scenes.dataset import SceneFiles
from driftseg.scenes.datasets import recognise
from driftseg.scenes.folder import folder
from driftseg.scenes.layout import scenes
from driftseg.town.town import Town
from driftseg.weather.camera import CAMVID
from driftseg.weather_sets.domains import weather_domains
from driftseg.weather_sets.making import Outcome, WeatherSet, make_set

BASELINE, FOCAL = 0.2, 2000.0
TO_CITYSCAPES = {
    "sky": 23, "building": 11, "pole": 17, "road": 7, "pavement": 8, "tree": 21, "sign": 20,
    "fence": 13, "car": 26, "pedestrian": 24, "bicyclist": 33,
}  # fmt: skip
"""Published label ids of Cityscapes."""


def town(count: int, size: tuple[int, int] = (64, 48)) -> list[Scene]:
    street = Town(seed=3, size=size)
    return [street.render(40 * i) for i in range(count)]


def save(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def write_camvid(root: Path, count: int = 3, size: tuple[int, int] = (64, 48)) -> Path:
    """SegNet's layout, one split."""
    for i, scene in enumerate(town(count, size)):
        assert scene.label is not None
        save(root / "val" / f"0016E5_{i:05d}.png", scene.image)
        save(root / "valannot" / f"0016E5_{i:05d}.png", np.minimum(scene.label, 11))
    return root


def write_folder(root: Path, count: int = 3, *, labels: bool = False) -> Path:
    for i, scene in enumerate(town(count)):
        assert scene.label is not None
        save(root / f"frame{i}.png", scene.image)
        if labels:
            save(root / "labels" / f"frame{i}.png", scene.label)
    return root


def write_cityscapes(root: Path, count: int = 2, size: tuple[int, int] = (64, 48)) -> Path:
    """Images, label ids, disparity and camera files of two cities, in val."""
    table = np.array([TO_CITYSCAPES[name] for name in CAMVID11.classes] + [0] * 245, np.uint8)
    for i, scene in enumerate(town(count, size)):
        city = ("bern", "ulm")[i % 2]
        name, place = f"{city}_{i:06d}_000019", Path("val", city)
        assert scene.label is not None
        assert scene.depth is not None
        save(root / "leftImg8bit" / place / f"{name}_leftImg8bit.png", scene.image)
        save(root / "gtFine" / place / f"{name}_gtFine_labelIds.png", table[scene.label])
        levels = np.round(BASELINE * FOCAL / scene.depth * 256 + 1).clip(1, 65535)
        levels[scene.label == 0] = 0
        save(root / "disparity" / place / f"{name}_disparity.png", levels.astype(np.uint16))
        camera = root / "camera" / place / f"{name}_camera.json"
        camera.parent.mkdir(parents=True, exist_ok=True)
        values = {"extrinsic": {"baseline": BASELINE}, "intrinsic": {"fx": FOCAL}}
        camera.write_text(json.dumps(values))
    return root


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def files(folder: Path) -> dict[str, bytes]:
    """Everything below a folder, links followed."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def wanted(root: Path, rain=(50.0,), fog=(), **changes) -> WeatherSet:
    size = changes.get("size")
    layout = recognise(root)
    if layout is None:
        labels = root / "labels" if (root / "labels").is_dir() else None
        found: SceneFiles = folder(root, label_space=CAMVID11, labels=labels, size=size)
    else:
        found = scenes(layout, root, size=size)
    values = {"scenes": found, "camera": CAMVID, **changes}
    return WeatherSet(
        root, layout.name if layout else "folder", domains=weather_domains(rain=rain, fog=fog),
        **values,
    )  # fmt: skip


def make(root: Path, out: Path, *, workers: int = 1, **changes) -> Outcome:
    return make_set(wanted(root, **changes), out, workers=workers)
