"""Town at every level of the storm, as one picture for the docs.

python benchmarks/weather_contact_sheet.py docs/pictures/rain_town.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from driftseg.data.town import Town
from driftseg.data.weather.camera import TOWN
from driftseg.data.weather.rain import extinction_per_kilometre, rain, transmission

RATES = (0, 25, 50, 75, 100, 200)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    rows = []
    for seed, index in ((1, 130), (7, 40), (2, 500)):
        scene = Town(seed=seed, size=(320, 240)).render(index)
        assert scene.depth is not None
        assert scene.label is not None
        row = []
        for rate in RATES:
            generator = np.random.default_rng(0)
            row.append(rain(scene.image, scene.depth, rate, generator, camera=TOWN))
        row.append(Town.label_space.paint(scene.label))
        rows.append(np.hstack(row))
    sheet = np.vstack(rows)
    strip = np.full((26, sheet.shape[1], 3), 255, np.uint8)
    hundred = np.full((1, 1), 100.0, np.float32)
    for i, rate in enumerate(RATES):
        text = f"{rate} mm/h"
        if rate:
            through = float(transmission(hundred, rate)[0, 0])
            text += f"   {extinction_per_kilometre(rate):.2f}/km   T(100 m) {through:.2f}"
        place = (i * 320 + 6, 18)
        cv2.putText(strip, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    cv2.putText(strip, "truth", (6 * 320 + 6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1,
                cv2.LINE_AA)  # fmt: skip
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    whole = Image.fromarray(np.vstack([strip, sheet]))
    whole.resize((whole.width * 2 // 3, whole.height * 2 // 3), Image.Resampling.LANCZOS).save(
        arguments.out, optimize=True
    )


if __name__ == "__main__":
    main()
