"""Minutes long: with the guard, no hostile stretch costs a method more than a point."""

from __future__ import annotations

import numpy as np
import pytest

import driftseg
from driftseg.evaluation.confusion import Score
from driftseg.town.scenes import TownScenes
from hostile_frames import spoilt

SIZE = (256, 192)
FRAMES, STRETCH = 600, 50
KINDS = ("black", "frozen", "inverted", "blur", "noise", "overexposed")
METHODS = {
    "tent": {"norm_statistics": "running", "learning_rate": 1e-4},
    "dacs": {},
    "restyled_replay": {
        "adapters": {"kind": "convolution", "ratio": 0.25}, "train": ["adapters", "head"],
        "learning_rate": 1.5e-4, "head_factor": 1,
    },
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_a_hostile_stream_does_not_wreck_a_method(name: str) -> None:
    source = driftseg.load_dataset("town", seed=1, frames=120, every=86, size=SIZE)
    adapter = driftseg.adapt(
        driftseg.load_model(), name, source=source,
        replay={"capacity": 120, "temperature": 0.05, "minimum_share": 0.004}, **METHODS[name],
    )  # fmt: skip
    drive = TownScenes(seed=7, frames=FRAMES, every=3, size=SIZE)
    kinds = [kind for pair in zip(["clear"] * 6, KINDS, strict=True) for kind in pair]
    before = None
    for number in range(FRAMES):
        kind = kinds[number // STRETCH] if number < FRAMES - 25 else "clear"
        at = number - number % STRETCH if kind == "frozen" else number
        image = drive.scene(at).image
        adapter.predict(spoilt(kind, image, number))
        if before is None:
            before = clear(adapter)
        adapter.learn()
    assert clear(adapter) > before - 1


def clear(adapter) -> float:
    town = TownScenes(seed=8, frames=16, every=47, size=SIZE)
    score = Score(11)
    for index in range(len(town)):
        scene = town.scene(index)
        label = adapter._adaptive.answers(np.ascontiguousarray(scene.image))["main"]
        score.add(label, scene.label)
    return 100 * score.mean_iou()
