"""A model of another's making through a real shift, by the public API alone.

    python benchmarks/any_model.py --camvid FOLDER --network my_module:make --shift dusk --seed 0

``my_module:make`` gives a torch module that predicts Cityscapes' 19 classes (and perhaps more,
which ``--ignore`` names). Two shifts of CamVid, in its authors' frames of 480x360 enlarged to
``--size``: ``dusk``, the 62 training frames of 0001TP; ``storm``, six frames a visit of the day
0006R0 in rendered rain. The source is what is left of a day elsewhere, ``--source`` frames of
0016E5 with their labels told in Cityscapes' classes. Every frame is answered before it is learnt
from; predictions are told in CamVid's eleven classes, and one without a counterpart is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

import driftseg
from driftseg.evaluation.confusion import Score
from driftseg.labels import CAMVID11, CITYSCAPES19, find_mapping
from driftseg.parts import load
from driftseg.scenes.dataset import Dataset
from driftseg.weather.camera import CAMVID
from driftseg.weather.conditions import Conditions
from driftseg.weather.weather import Weather

IN_CITYSCAPES = {
    "sky": "sky", "building": "building", "pole": "pole", "road": "road", "pavement": "sidewalk",
    "tree": "vegetation", "sign": "traffic sign", "fence": "fence", "car": "car",
    "pedestrian": "person", "bicyclist": "bicycle",
}  # fmt: skip
STORM = (0, 25, 50, 100, 200, 100, 50, 25, 0)
FRAMES = 6
METHODS: dict[str, tuple[str, dict[str, object]]] = {
    "source model": ("source_only", {}),
    "norm_statistics": ("norm_statistics", {}),
    "tent": ("tent", {}),
    "dacs": ("dacs", {}),
    "restyled replay": ("restyled_replay", {}),
    "auto": ("auto", {}),
    "restyled replay, lora": (
        "restyled_replay",
        {"train": ["adapters"], "adapters": {"kind": "lora", "at": ["*"], "factor": 10.0}},
    ),
}


@dataclass(frozen=True)
class Frame:
    """One image of the stream."""

    visit: str
    image: np.ndarray
    label: np.ndarray


def camvid(root: Path, sequence: str, **settings: object) -> Dataset:
    """Training frames of one sequence."""
    return driftseg.load_dataset(
        "camvid", root, split="train", include=[f"{sequence}*"], size=None, **settings
    )


def enlarged(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR))


def stream(root: Path, shift: str, size: tuple[int, int]) -> list[Frame]:
    """Frames in order; images at the size that the model sees, labels as they are."""
    if shift == "dusk":
        dusk = camvid(root, "0001TP")
        scenes = [dusk.scene(number) for number in range(len(dusk))]
        return [Frame("dusk", enlarged(s.image, size), s.label) for s in scenes]
    day, weather = camvid(root, "0006R0"), Weather(CAMVID, CAMVID11, 0)
    found = []
    for visit, rate in enumerate(STORM):
        for number in range(FRAMES):
            scene = day.scene((visit * FRAMES + number) % len(day))
            name = "clear" if rate == 0 else f"rain {rate}"
            image = weather.on(scene, Conditions(rain=rate), name)
            found.append(Frame(f"{visit} {name}", enlarged(image, size), scene.label))
    return found


def source(root: Path, size: tuple[int, int], number: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Labelled day frames, evenly chosen, in Cityscapes' classes."""
    day = camvid(root, "0016E5", label_space="cityscapes19", mapping=IN_CITYSCAPES)
    chosen = np.linspace(0, len(day) - 1, number).round().astype(int)
    scenes = [day.scene(int(n)) for n in chosen]
    nearest = cv2.INTER_NEAREST_EXACT
    return [
        (enlarged(s.image, size), np.asarray(cv2.resize(s.label, size, interpolation=nearest)))
        for s in scenes
    ]


def play(
    model: driftseg.Model, method: str, frames: list[Frame], given: list, seed: int
) -> dict[str, object]:
    """Mean IoU of each visit, of predictions made before learning."""
    name, settings = METHODS[method]
    adapter = driftseg.adapt(model, name, source=given, seed=seed, **settings)
    told = find_mapping(CITYSCAPES19, CAMVID11)
    assert told is not None
    scores: dict[str, Score] = {}
    started = time.perf_counter()
    for frame in frames:
        answer = adapter.predict(frame.image)
        adapter.learn()
        height, width = frame.label.shape
        label = cv2.resize(answer.label, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        scores.setdefault(frame.visit, Score(11)).add(told.apply(label), frame.label)
    seconds = time.perf_counter() - started
    return {
        "method": method, "seed": seed, "updates": adapter.state().updates,
        "seconds_a_frame": round(seconds / len(frames), 3),
        "visits": {visit: round(100 * score.mean_iou(), 1) for visit, score in scores.items()},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--camvid", type=Path, required=True)
    parser.add_argument("--network", required=True, help="module:function")
    parser.add_argument("--ignore", type=int, nargs="*", default=[])
    parser.add_argument("--shift", choices=("dusk", "storm"), default="dusk")
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480))
    parser.add_argument("--source", type=int, default=204, help="labelled frames of the day")
    parser.add_argument("--frames", type=int, help="of the stream; all if it is not set")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    size = (given.size[0], given.size[1])
    frames = stream(given.camvid, given.shift, size)[: given.frames]
    labelled = source(given.camvid, size, given.source)
    for method in given.methods:
        model = driftseg.load_model(
            load(given.network, where="--network")(), classes=CITYSCAPES19.classes,
            ignore_outputs=given.ignore,
        )  # fmt: skip
        row = play(model, method, frames, labelled, given.seed)
        print(json.dumps({"shift": given.shift, "source": given.source, **row}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
