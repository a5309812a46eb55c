"""What a part of each frame's own batch statistics does to a source model that learns nothing.

    python -m benchmarks.frame_statistics                                 # Town, bundled model
    python -m benchmarks.frame_statistics --data CAMVID --checkpoint FILE # camvid_source.yaml
    python -m benchmarks.frame_statistics --data CAMVID --network MODULE:FUNCTION --ignore 19

Statistics of batch normalisation are (1 - alpha) source + alpha frame, as in the methods `alpha_bn`
and `auto`. Printed as CSV: mIoU in percent on 14 frames of each weather for each alpha. A network
of your own predicts Cityscapes' classes, and ``--ignore`` names further outputs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

import driftseg
from driftseg.evaluation.confusion import Score
from driftseg.frame import Image, Label, Scene
from driftseg.labels import CAMVID11, CITYSCAPES19, find_mapping
from driftseg.learners.answering import answer, to_label
from driftseg.models.roles import Roles
from driftseg.parts import load as make
from driftseg.scenes.dataset import Dataset
from driftseg.weather.camera import CAMERAS
from driftseg.weather.conditions import Conditions
from driftseg.weather.weather import Weather

ALPHAS = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0)
CONDITIONS = {
    "clear": Conditions(), "rain50": Conditions(rain=50), "rain100": Conditions(rain=100),
    "rain200": Conditions(rain=200), "night": Conditions(night=1),
    "fog50": Conditions(visibility=50), "snow": Conditions(snow=2.5, snow_cover=0.6),
}  # fmt: skip
Labelled = tuple[Image, Label]


def main() -> None:
    given = arguments(__doc__).parse_args()
    torch.set_num_threads(1)
    own = given.network is not None
    domains, camera = town() if given.data is None else camvid(given.data, foreign=own)
    weather = Weather(CAMERAS[camera], CAMVID11, 0)
    roles = Roles(load(given).network, [], norm_statistics="blend_with_frame")
    world = "foreign" if own else camera
    print("world,weather," + ",".join(f"alpha_{alpha:g}" for alpha in ALPHAS))
    for name, (held_out, conditions) in domains.items():
        pairs = [
            (weather.on(scene, conditions, name), known(scene)) for scene in scenes(held_out, 14)
        ]
        found = []
        for alpha in ALPHAS:
            roles.blend_statistics(alpha)
            found.append(100 * mean_iou(roles, pairs))
        print(f"{world},{name}," + ",".join(f"{score:.1f}" for score in found), flush=True)


def arguments(told: str | None) -> argparse.ArgumentParser:
    """Which model, and on what."""
    parser = argparse.ArgumentParser(description=told)
    parser.add_argument("--data", type=Path, help="folder of CamVid")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--network", help="module:function that makes a torch module")
    parser.add_argument("--ignore", type=int, nargs="*", default=[])
    return parser


def load(given: argparse.Namespace) -> driftseg.Model:
    if given.network is not None:
        return driftseg.load_model(
            make(given.network, where="--network")(), classes=CITYSCAPES19.classes,
            ignore_outputs=given.ignore,
        )  # fmt: skip
    return driftseg.load_model(*([] if given.checkpoint is None else [given.checkpoint]))


def town() -> tuple[dict[str, tuple[Dataset, Conditions]], str]:
    held_out = driftseg.load_dataset("town", seed=8, frames=16, every=47, size=[256, 192])
    return {name: (held_out, conditions) for name, conditions in CONDITIONS.items()}, "town"


def camvid(root: Path, *, foreign: bool) -> tuple[dict[str, tuple[Dataset, Conditions]], str]:
    """A network from elsewhere sees frames of 384x288 of another drive."""
    size = {"size": [384, 288]} if foreign else {}

    def load(**settings: object) -> Dataset:
        return driftseg.load_dataset("camvid", root, **size, **settings)

    if foreign:
        held_out = load(split="train", include=["0006R0_*"], start=80)
    else:
        held_out = load(split="val", start=51)
    domains = {name: (held_out, conditions) for name, conditions in CONDITIONS.items()}
    domains["dusk"] = (load(split="train", include=["0001TP_*"], start=41), Conditions())
    return domains, "camvid"


def scenes(dataset: Dataset, count: int) -> list[Scene]:
    """So many, spread over a dataset."""
    places = np.linspace(0, len(dataset) - 1, count).astype(int)
    return [dataset.scene(int(place)) for place in places]


def known(scene: Scene) -> Label:
    assert scene.label is not None, "expected labelled scenes, got one without"
    return scene.label


@torch.no_grad()
def mean_iou(roles: Roles, pairs: Sequence[Labelled]) -> float:
    score = Score(len(CAMVID11))
    told = find_mapping(CITYSCAPES19, CAMVID11) if roles.network.classes == 19 else None
    for image, label in pairs:
        answered = answer(roles, image)
        said = to_label(answered.logits, answered.size)
        score.add(said if told is None else told.apply(said), label)
    return score.mean_iou()


if __name__ == "__main__":
    main()
