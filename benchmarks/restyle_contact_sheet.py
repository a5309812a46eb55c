"""Every restyling of a clear image to a reference, as one picture.

python benchmarks/restyle_contact_sheet.py docs/pictures/restyle_town.png
python benchmarks/restyle_contact_sheet.py OUT.png --data FOLDER_OF_CAMVID --reference dusk
python benchmarks/restyle_contact_sheet.py OUT.png --data FOLDER_OF_CAMVID --reference rain

CamVid's pictures are for looking at, not for publishing. The printed table says how far each
result is from the reference: mean difference of the grey histogram's quantiles, detail at the
finest and the next coarser band, and its direction, the ratio of changes across to changes down.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from driftseg.frame import Scene
from driftseg.labels import CAMVID11
from driftseg.learners.parts.restyle import RESTYLINGS, combined
from driftseg.scenes.camvid import camvid
from driftseg.scenes.dataset import select
from driftseg.town.town import Town
from driftseg.weather.camera import CAMERAS
from driftseg.weather.conditions import Conditions
from driftseg.weather.weather import Weather

SIZE = (320, 240)
COLUMNS = 4
COMBINED = ["histogram", "texture"]


def town(rate: float) -> tuple[np.ndarray, np.ndarray]:
    """A clear street and another one in rain."""
    clear = Town(seed=1, size=SIZE).render(130)
    other = Town(seed=7, size=SIZE).render(40)
    return clear.image, rained_on(other, rate, "town")


def real(root: Path, reference: str, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """A day frame, and one of another street at dusk or in rain."""
    train = camvid(root, split="train", size=SIZE)
    day = select(train, include=["0016E5_*"], where="day").scene(30).image
    if reference == "dusk":
        return day, select(train, include=["0001TP_*"], where="dusk").scene(20).image
    other = select(train, include=["0006R0_*"], where="other day").scene(40)
    return day, rained_on(other, rate, "camvid")


def rained_on(scene: Scene, rate: float, camera: str) -> np.ndarray:
    weather = Weather(CAMERAS[camera], CAMVID11, seed=0)
    return weather.on(scene, Conditions(rain=rate), "wet")


def told(image: np.ndarray, reference: np.ndarray) -> str:
    shares = np.linspace(0.02, 0.98, 25)
    grey, wanted = (cv2.cvtColor(x, cv2.COLOR_RGB2GRAY).astype(np.float32)
                    for x in (image, reference))  # fmt: skip
    apart = np.abs(np.quantile(grey, shares) - np.quantile(wanted, shares)).mean()
    once, twice = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (1.0, 2.0))
    across, down = (np.abs(np.diff(grey, axis=axis)).mean() for axis in (1, 0))
    return (f"{apart:10.1f}{(grey - once).std():10.2f}{(once - twice).std():10.2f}"
            f"{across / down:10.2f}")  # fmt: skip


def sheet(panels: dict[str, np.ndarray]) -> Image.Image:
    tiles = []
    for name, image in panels.items():
        strip = np.full((22, image.shape[1], 3), 255, np.uint8)
        cv2.putText(strip, name, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
        tiles.append(np.vstack([strip, image]))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)]
    return Image.fromarray(np.vstack(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, help="CamVid's folder; without it the scenes are Town")
    parser.add_argument("--reference", choices=("rain", "dusk"), default="rain")
    parser.add_argument("--rate", type=float, default=200.0, help="of the rain, in mm/h")
    parser.add_argument("--colours", type=int, default=160, help="of the picture's palette")
    arguments = parser.parse_args()
    if arguments.data is None:
        if arguments.reference == "dusk":
            parser.error("Town has no dusk: give --data")
        source, reference = town(arguments.rate)
    else:
        source, reference = real(arguments.data, arguments.reference, arguments.rate)
    panels = {"source": source, "reference": reference}
    for name, restyle in RESTYLINGS.items():
        panels[name] = restyle(source, reference, np.random.default_rng(0))
    panels[f"[{', '.join(COMBINED)}]"] = combined(COMBINED)(
        source, reference, np.random.default_rng(0)
    )
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    whole = sheet(panels)
    whole = whole.resize((whole.width * 3 // 4, whole.height * 3 // 4), Image.Resampling.LANCZOS)
    whole.quantize(arguments.colours).save(arguments.out, optimize=True)
    print(f"{'':24}{'quantiles':>10}{'finest':>10}{'coarser':>10}{'across':>10}")
    for name, image in panels.items():
        print(f"{name:24}{told(image, reference)}")


if __name__ == "__main__":
    main()
