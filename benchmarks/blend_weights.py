"""How well do numbers without the target's labels rank the weights of the target's statistics?

    python -m benchmarks.blend_weights                                 # Town, bundled model
    python -m benchmarks.blend_weights --data CAMVID --checkpoint FILE # examples/camvid_source.yaml
    python -m benchmarks.blend_weights --data CAMVID --network MODULE:FUNCTION --ignore 19

For each weather the target's batch-normalisation statistics move over 20 frames, by a tenth a
frame. Then the source model answers with each weight of the blend. Printed as CSV: mIoU in percent
on other frames; mean entropy and mean uncertainty of the answers to the last frames; cross-entropy
on 8 source images restyled to the target; and the product of the last two, by which the method
`auto` chooses. No weight is trained. A network of your own predicts Cityscapes' classes, and
``--ignore`` names further outputs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

import driftseg
from benchmarks.any_model import IN_CITYSCAPES
from driftseg.evaluation.confusion import Score
from driftseg.frame import Image, Label, Scene
from driftseg.labels import CAMVID11, CITYSCAPES19, find_mapping
from driftseg.learners.answering import answer, to_label
from driftseg.learners.parts.losses import entropy, uncertainty, weighted_cross_entropy
from driftseg.learners.parts.restyle import combined
from driftseg.models.roles import Roles
from driftseg.parts import load as make
from driftseg.scenes.dataset import Dataset
from driftseg.weather.camera import CAMERAS
from driftseg.weather.conditions import Conditions
from driftseg.weather.weather import Weather

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
CONDITIONS = {
    "clear": Conditions(), "rain50": Conditions(rain=50), "rain100": Conditions(rain=100),
    "rain200": Conditions(rain=200), "night": Conditions(night=1),
    "fog50": Conditions(visibility=50), "snow": Conditions(snow=2.5, snow_cover=0.6),
}  # fmt: skip
Labelled = tuple[Image, Label]
World = tuple[Dataset, dict[str, tuple[Dataset, Dataset, Conditions]], str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of CamVid")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--network", help="module:function that makes a torch module")
    parser.add_argument("--ignore", type=int, nargs="*", default=[])
    given = parser.parse_args()
    torch.set_num_threads(1)
    own = given.network is not None
    source, domains, camera = town() if given.data is None else camvid(given.data, foreign=own)
    weather = Weather(CAMERAS[camera], CAMVID11, 0)
    world = "foreign" if own else camera
    print("world,weather,weight,mean_iou,entropy,uncertainty,restyled_loss,product")
    for name, (target, held_out, conditions) in domains.items():
        model = load(given)
        roles = Roles(model.network, [], norm_statistics="blend")
        roles.move_statistics_at(0.1)
        frames = [weather.on(scene, conditions, name) for scene in scenes(target, 20)]
        for frame in frames:
            with torch.no_grad():
                levels = roles.levels("student", answer(roles, frame).walk, update=True)
                roles.logits("student", levels, update=True)
        others = [
            (weather.on(scene, conditions, name), known(scene)) for scene in scenes(held_out, 14)
        ]
        worn = restyled(source, frames)
        for weight in WEIGHTS:
            roles.blend_statistics(weight)
            unsure, uncertain = np.mean([measures(roles, frame) for frame in frames[-8:]], axis=0)
            cost = loss(roles, worn)
            numbers = (unsure, uncertain, cost, uncertain * cost)
            print(
                f"{world},{name},{weight:.2f},{100 * mean_iou(roles, others):.1f},"
                + ",".join(f"{number:.3f}" for number in numbers), flush=True,
            )  # fmt: skip


def load(given: argparse.Namespace) -> driftseg.Model:
    if given.network is not None:
        return driftseg.load_model(
            make(given.network, where="--network")(), classes=CITYSCAPES19.classes,
            ignore_outputs=given.ignore,
        )  # fmt: skip
    return driftseg.load_model(*([] if given.checkpoint is None else [given.checkpoint]))


def town() -> World:
    def load(seed: int, frames: int, every: int) -> Dataset:
        return driftseg.load_dataset("town", seed=seed, frames=frames, every=every, size=[256, 192])

    domains = {name: (load(7, 24, 15), load(8, 16, 47), it) for name, it in CONDITIONS.items()}
    return load(1, 40, 86), domains, "town"


def camvid(root: Path, *, foreign: bool) -> World:
    """A network from elsewhere sees frames of 384x288, and its source is another drive."""
    size = {"size": [384, 288]} if foreign else {}

    def load(**settings: object) -> Dataset:
        return driftseg.load_dataset("camvid", root, **size, **settings)

    days = {"include": ["0006R0_*", "0016E5_*"], "exclude": ["0006R0_f03[3-9]*"]}
    stream, held_out = load(split="val", stop=51), load(split="val", start=51)
    source = load(split="train", **days)
    if foreign:
        drive = {"split": "train", "include": ["0006R0_*"]}
        stream, held_out = load(**drive, stop=60), load(**drive, start=80)
        told = {"label_space": "cityscapes19", "mapping": IN_CITYSCAPES}
        source = load(split="train", include=["0016E5_*"], **told)
    domains = {name: (stream, held_out, conditions) for name, conditions in CONDITIONS.items()}
    dusk = {"split": "train", "include": ["0001TP_*"]}
    domains["dusk"] = (load(**dusk, stop=41), load(**dusk, start=41), Conditions())
    return source, domains, "camvid"


def scenes(dataset: Dataset, count: int) -> list[Scene]:
    """So many, spread over a dataset."""
    places = np.linspace(0, len(dataset) - 1, count).astype(int)
    return [dataset.scene(int(place)) for place in places]


def known(scene: Scene) -> Label:
    assert scene.label is not None, "expected labelled scenes, got one without"
    return scene.label


def restyled(source: Dataset, frames: Sequence[Image]) -> list[Labelled]:
    """Source images of the frames' size in the appearance of random frames."""
    generator, restyle = np.random.default_rng(0), combined(["bands", "texture"])
    size = (frames[0].shape[1], frames[0].shape[0])
    made = []
    for scene in scenes(source, 8):
        image = np.asarray(cv2.resize(scene.image, size), np.uint8)
        label = cv2.resize(known(scene), size, interpolation=cv2.INTER_NEAREST)
        frame = frames[int(generator.integers(len(frames)))]
        made.append((restyle(image, frame, generator), np.asarray(label, np.uint8)))
    return made


@torch.no_grad()
def mean_iou(roles: Roles, pairs: Sequence[Labelled]) -> float:
    score = Score(len(CAMVID11))
    told = find_mapping(CITYSCAPES19, CAMVID11) if roles.network.classes == 19 else None
    for image, label in pairs:
        answered = answer(roles, image)
        said = to_label(answered.logits, answered.size)
        score.add(said if told is None else told.apply(said), label)
    return score.mean_iou()


@torch.no_grad()
def measures(roles: Roles, frame: Image) -> tuple[float, float]:
    """Entropy and uncertainty of the answer to a frame."""
    logits = answer(roles, frame).logits
    return float(entropy(logits)), float(uncertainty(logits))


@torch.no_grad()
def loss(roles: Roles, pairs: Sequence[Labelled]) -> float:
    """Mean cross-entropy."""
    found = [
        float(weighted_cross_entropy(answer(roles, image).logits, torch.from_numpy(label)[None]))
        for image, label in ((image, label.astype(np.int64)) for image, label in pairs)
    ]
    return float(np.mean(found))


if __name__ == "__main__":
    main()
