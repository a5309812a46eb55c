"""What tells of harm without labels, while `auto` learns at its whole rate (``harm: null``).

    python -m benchmarks.harm_signs --weather rain100                          # Town, bundled model
    python -m benchmarks.harm_signs --weather rain100 --checkpoint FILE        # Town, another model
    python -m benchmarks.harm_signs --weather rain100 --data CAMVID --checkpoint FILE   # or dusk
    python -m benchmarks.harm_signs --weather rain100 --data CAMVID --network MODULE:FUNCTION \
        --ignore 19

Printed as CSV, after 5, 10, 20 and 30 frames: held-out mIoU in percent of source model and student,
both with the frame's statistics, and three measures of the student over those of the source model
on the same frames: disagreement between a frame and its mirror image, uncertainty, and loss on
source images.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import yaml

import driftseg
from benchmarks.frame_statistics import (
    Labelled,
    arguments,
    camvid,
    known,
    load,
    mean_iou,
    scenes,
    town,
)
from driftseg.frame import SourceBatch
from driftseg.labels import CAMVID11
from driftseg.learners.answering import answer
from driftseg.learners.parts.losses import (
    mirror_disagreement,
    uncertainty,
    weighted_cross_entropy,
)
from driftseg.models.roles import Roles
from driftseg.scenes.dataset import Dataset
from driftseg.weather.camera import CAMERAS
from driftseg.weather.weather import Weather

AFTER = (5, 10, 20, 30)
"""Frames after which all is measured."""
OWN_NETWORK = Path("examples/camvid_own_network.yaml")
"""Has the eight source images of a network of one's own."""


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--weather", required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    own = given.network is not None
    domains, camera = town() if given.data is None else camvid(given.data, foreign=own)
    held_out, conditions = domains[given.weather]
    weather = Weather(CAMERAS[camera], CAMVID11, 0)
    source, target = streams(given.data, own=own, dusk=given.weather == "dusk")
    pairs = [
        (weather.on(scene, conditions, given.weather), known(scene))
        for scene in scenes(held_out, 14)
    ]
    adapted = driftseg.adapt(
        load(given), "auto", source=source, guard="off", harm=None,
        replay={"temperature": 0.05, "minimum_share": 0.004},
    )  # fmt: skip
    adapted.predict(pairs[0][0])
    model = adapted._adaptive
    assert model is not None
    print("weather,frames,source,student,disagreement,uncertainty,loss")
    for number, scene in enumerate(scenes(target, max(AFTER)), 1):
        adapted.predict(weather.on(scene, conditions, f"stream {number}"))
        adapted.learn()
        if number in AFTER:
            batches = [model.learner.replay.sample() for _ in range(8)]
            with model.roles.answering_with(model.roles.overlays["static"], stored=False):
                before = measured(model.roles, pairs, batches)
            now = measured(model.roles, pairs, batches)
            ratios = ",".join(
                f"{one / other:.2f}" for one, other in zip(now[1:], before[1:], strict=True)
            )
            told = f"{given.weather},{number},{before[0]:.1f},{now[0]:.1f},{ratios}"
            print(told, flush=True)


def streams(root: Path | None, *, own: bool, dusk: bool) -> tuple[Dataset, Dataset]:
    """Labelled source images, and the scenes that the method sees."""
    made = driftseg.load_dataset
    if root is None:
        size = [256, 192]
        return (made("town", seed=1, frames=240, every=86, size=size),
                made("town", seed=7, frames=62, every=5, size=size))  # fmt: skip
    if own:
        config = yaml.safe_load(OWN_NETWORK.read_text())
        labels, target = config["source"], config["target"]
    else:
        labels = {"split": "train", "include": ["0006R0_*", "0016E5_*"],
                  "exclude": ["0006R0_f03[3-9]*"]}  # fmt: skip
        target = {"split": "val", "stop": 51}
    if dusk:
        size = {"size": target["size"]} if own else {}
        target = {"split": "train", "include": ["0001TP_*"], "stop": 41, **size}
    return made(root=root, **{"kind": "camvid", **labels}), made(
        root=root, **{"kind": "camvid", **target}
    )


@torch.no_grad()
def measured(
    roles: Roles, pairs: Sequence[Labelled], batches: Sequence[SourceBatch]
) -> tuple[float, float, float, float]:
    """Percent of mIoU, and the means of the three measures."""
    apart, unsure = [], []
    for image, _ in pairs:
        plain = answer(roles, image).logits
        mirrored = answer(roles, np.ascontiguousarray(image[:, ::-1])).logits
        apart.append(float(mirror_disagreement(plain, mirrored)))
        unsure.append(float(uncertainty(plain)))
    losses = []
    with roles.unblended():
        for batch in batches:
            levels = roles.levels("student", roles.prefix(batch.images))
            logits = roles.logits("student", levels)
            losses.append(float(weighted_cross_entropy(logits, batch.labels)))
    found = (np.mean(apart), np.mean(unsure), np.mean(losses))
    return (100 * mean_iou(roles, pairs), *map(float, found))


if __name__ == "__main__":
    main()
