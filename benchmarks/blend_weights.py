"""Which number that needs no label ranks the weights of the target's statistics as mIoU does?

    python -m benchmarks.blend_weights                                 # Town, bundled model
    python -m benchmarks.blend_weights --data CAMVID --checkpoint FILE # examples/camvid_source.yaml

For each weather the target's batch-normalisation statistics move over 20 frames, by a tenth a
frame. Then the source model answers with each weight of the blend. Printed as CSV: mIoU in percent
on other frames; mean entropy of the answers; agreement of a frame's answer with its mirror
image's; and mIoU on 16 source images restyled to the target. No weight is trained.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

import driftseg
from driftseg.frame import Image, Label, Scene
from driftseg.learners.answering import answer, to_label
from driftseg.learners.parts.losses import entropy
from driftseg.learners.parts.restyle import combined
from driftseg.models.roles import Roles
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
    given = parser.parse_args()
    torch.set_num_threads(1)
    source, domains, camera = town() if given.data is None else camvid(given.data)
    weather = Weather(CAMERAS[camera], source.label_space, 0)
    print("world,weather,weight,mean_iou,entropy,mirrored_agreement,restyled_iou")
    for name, (target, held_out, conditions) in domains.items():
        model = driftseg.load_model(*([] if given.checkpoint is None else [given.checkpoint]))
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
            numbers = (
                f"{100 * mean_iou(roles, others):.1f}", *unsure(roles, frames[-10:]),
                f"{100 * mean_iou(roles, worn):.1f}",
            )  # fmt: skip
            print(",".join((camera, name, f"{weight:.2f}", *numbers)), flush=True)


def town() -> World:
    def load(seed: int, frames: int, every: int) -> Dataset:
        return driftseg.load_dataset("town", seed=seed, frames=frames, every=every, size=[256, 192])

    domains = {name: (load(7, 24, 15), load(8, 16, 47), it) for name, it in CONDITIONS.items()}
    return load(1, 40, 86), domains, "town"


def camvid(root: Path) -> World:
    def load(**settings: object) -> Dataset:
        return driftseg.load_dataset("camvid", root, **settings)

    stream, held_out = load(split="val", stop=51), load(split="val", start=51)
    domains = {name: (stream, held_out, conditions) for name, conditions in CONDITIONS.items()}
    dusk = {"split": "train", "include": ["0001TP_*"]}
    domains["dusk"] = (load(**dusk, stop=41), load(**dusk, start=41), Conditions())
    days = {"include": ["0006R0_*", "0016E5_*"], "exclude": ["0006R0_f03[3-9]*"]}
    return load(split="train", **days), domains, "camvid"


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
    for scene in scenes(source, 16):
        image = np.asarray(cv2.resize(scene.image, size), np.uint8)
        label = cv2.resize(known(scene), size, interpolation=cv2.INTER_NEAREST)
        frame = frames[int(generator.integers(len(frames)))]
        made.append((restyle(image, frame, generator), np.asarray(label, np.uint8)))
    return made


@torch.no_grad()
def mean_iou(roles: Roles, pairs: Sequence[Labelled]) -> float:
    classes = roles.network.classes
    counts = np.zeros((classes, classes))
    for image, label in pairs:
        answered = answer(roles, image)
        said, counted = to_label(answered.logits, answered.size), label < classes
        places = label[counted].astype(int) * classes + said[counted]
        counts += np.bincount(places, minlength=classes**2).reshape(classes, classes)
    hit, present = np.diag(counts), counts.sum(axis=1) > 0
    union = counts.sum(axis=0) + counts.sum(axis=1) - hit
    return float((hit[present] / union[present]).mean())


@torch.no_grad()
def unsure(roles: Roles, frames: Sequence[Image]) -> tuple[str, str]:
    """Mean entropy, and agreement of the answers to a frame and to its mirror image."""
    entropies, agreements = [], []
    for frame in frames:
        logits = answer(roles, frame).logits
        mirrored = answer(roles, np.ascontiguousarray(frame[:, ::-1])).logits.flip(-1)
        entropies.append(float(entropy(logits)))
        agreements.append(float((logits.softmax(1) * mirrored.softmax(1)).sum(1).mean()))
    return f"{np.mean(entropies):.3f}", f"{np.mean(agreements):.3f}"


if __name__ == "__main__":
    main()
