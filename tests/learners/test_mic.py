"""MIC's mask and its loss beside DACS's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from adapting import frames, make, network, play
from torch.nn import functional as F

from driftseg.learners.answering import to_images
from driftseg.learners.masked import Masking
from driftseg.models.segmenter import upsample
from driftseg.models.wrapped import IMAGENET_DEVIATION, IMAGENET_MEAN


def test_blocks_are_hidden_whole_and_their_share_is_stated() -> None:
    masking = Masking(0.7, 64.0, 1.0)
    seen = masking.seen((512, 1024), np.random.default_rng(0))
    blocks = seen.view(8, 64, 16, 64)
    assert torch.equal(blocks, blocks[:, :1, :, :1].expand_as(blocks))
    shares = [masking.seen((512, 1024), np.random.default_rng(n)).float().mean() for n in range(40)]
    assert float(sum(shares)) / 40 == pytest.approx(0.3, abs=0.02)


def test_the_block_scales_with_the_frame() -> None:
    seen = Masking(0.5, 64.0, 1.0).seen((64, 96), np.random.default_rng(1))
    blocks = seen.view(8, 8, 12, 8)
    assert torch.equal(blocks, blocks[:, :1, :, :1].expand_as(blocks))


def test_hidden_pixels_have_the_mean_colour() -> None:
    images = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    masking = Masking(0.7, 64.0, 1.0)
    hidden = masking.hide(images, np.random.default_rng(2))
    seen = masking.seen((64, 96), np.random.default_rng(2))
    assert torch.equal(hidden[0][:, seen], images[0][:, seen])
    mean = images.mean((2, 3))[0]
    assert torch.allclose(hidden[0][:, ~seen], mean[:, None].expand(-1, int((~seen).sum())))
    assert torch.equal(Masking(0.0, 64.0, 1.0).hide(images, np.random.default_rng(0)), images)


def test_the_first_frames_other_losses_are_dacs() -> None:
    """The masked image is drawn after the mixed one, so the first step's own draws are DACS's."""
    dacs, mic = (play(make(name, "mit"), frames()[:1])[0] for name in ("dacs", "mic"))
    assert mic["source"] == dacs["source"]
    assert mic["pseudo_label_weight"] == dacs["pseudo_label_weight"]
    assert mic["masked"] > 0
    assert mic["mixed"] == pytest.approx(dacs["mixed"] + mic["masked"], rel=1e-4)


def test_a_weight_of_nothing_is_dacs() -> None:
    dacs, mic = (
        play(make("dacs", "mit"), frames()[:1]),
        play(make("mic", "mit", mask_weight=0.0), frames()[:1]),
    )
    assert mic[0]["mixed"] == pytest.approx(dacs[0]["mixed"])


def test_nothing_hidden_and_nothing_distorted_is_the_teachers_own_label() -> None:
    """The teacher is the student at first, so the loss is the student's on its own answers."""
    net = network("plain")
    net.module.dropout.rate = 0.0
    model = make("mic", net, mask_ratio=0.0, jitter=0.0, blur=False,
                 confidence={"threshold": 0.0})  # fmt: skip
    row = play(model, frames()[:1])[0]
    assert row["pseudo_label_weight"] == pytest.approx(1.0)
    with torch.no_grad():
        logits = upsample(network("plain").module(_normalised()), (64, 96))
    assert row["masked"] == pytest.approx(
        float(F.cross_entropy(logits, logits.argmax(1))), rel=1e-3
    )


def _normalised() -> torch.Tensor:
    shape = (1, 3, 1, 1)
    mean, deviation = (torch.tensor(v).view(shape) for v in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    return (to_images(frames()[0], torch.device("cpu")) - mean) / deviation
