"""Several processes share one batch: each takes its rows, and all make the same draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from driftseg.labels import CAMVID11
from driftseg.replay.replay import Replay
from driftseg.replay.transforms import AugmentationSettings
from driftseg.town.scenes import TownScenes

SETTINGS = {
    "plain": {},
    "scaled": {"scale": (0.6, 1.7)},
    "weather": {"weather": {"kinds": ["rain", "night"], "camera": "town"}, "photometric": False},
}


def made(settings: str) -> Replay:
    return Replay(
        TownScenes(seed=1, frames=5, every=20, size=(96, 64)),
        augmentation=AugmentationSettings(**SETTINGS[settings]).make(
            CAMVID11, size=(48, 32), view=None
        ),
        batch_size=4, minimum_share=0.01, temperature=0.1, generator=np.random.default_rng(0),
    )  # fmt: skip


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("uniform", [False, True])
def test_shares_make_up_the_batch(settings: str, uniform: bool) -> None:
    whole, shares = made(settings), [made(settings) for _ in range(2)]
    for _ in range(5):
        batch = whole.sample(uniform=uniform)
        parts = [
            share.sample(uniform=uniform, rows=slice(2 * n, 2 * n + 2))
            for n, share in enumerate(shares)
        ]
        assert torch.equal(batch.images, torch.cat([part.images for part in parts]))
        assert torch.equal(batch.labels, torch.cat([part.labels for part in parts]))
        states = [replay.state_dict() for replay in (whole, *shares)]
        assert states[0] == states[1] == states[2]
