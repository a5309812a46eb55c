"""MiT and the head against transformers' SegFormer, and against the published counts."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from weight_files import draw, publish_epsilons

from driftseg.models.checkpoints.translation import recognise, translate
from driftseg.models.encoders.mit import MIT_SIZES
from driftseg.models.segmenter import Segmenter, build_segmenter

transformers = pytest.importorskip("transformers")


def reference(name: str, classes: int) -> nn.Module:
    """transformers' network in float64, with the published epsilon set in every LayerNorm."""
    size = MIT_SIZES[name]
    config = transformers.SegformerConfig(
        hidden_sizes=list(size.channels),
        depths=list(size.depths),
        decoder_hidden_size=size.head_width,
        num_labels=classes,
        attn_implementation="sdpa",  # the eager form rounds its softmax to float32
    )
    model = transformers.SegformerForSemanticSegmentation(config).double().eval()
    publish_epsilons(model)
    return model


def ours_from(theirs: nn.Module, name: str, classes: int) -> Segmenter:
    model = build_segmenter(name, classes=classes, early_head=False).double().eval()
    state = theirs.state_dict()
    layout = recognise(state)
    assert layout is not None
    found = translate(layout, state)
    assert not found.ignored
    model.load_state_dict(found.tensors)
    return model


@pytest.fixture(scope="module", params=["mit_b0", "mit_b2"])
def pair(request: pytest.FixtureRequest) -> tuple[Segmenter, nn.Module]:
    with torch.no_grad():
        theirs = reference(request.param, classes=7)
        draw(theirs.state_dict(), seed=3)
    return ours_from(theirs, request.param, classes=7), theirs


@pytest.mark.parametrize("size", [(64, 96), (70, 90)])
@torch.no_grad()
def test_levels_and_logits_equal_transformers(
    pair: tuple[Segmenter, nn.Module], size: tuple[int, int]
) -> None:
    ours, theirs = pair
    generator = torch.Generator().manual_seed(5)
    images = torch.rand((2, 3, *size), generator=generator, dtype=torch.float64)
    normalised = ours.start(images).x

    answer = theirs(normalised, output_hidden_states=True)
    levels = ours.encoder(normalised)
    assert len(answer.hidden_states) == len(levels) == 4
    for mine, their in zip(levels, answer.hidden_states, strict=True):
        assert_close(mine, their, rtol=1e-10, atol=1e-10)
    assert_close(ours(images), answer.logits, rtol=1e-10, atol=1e-10)


@torch.no_grad()
def test_parity_would_notice_the_other_epsilon(pair: tuple[Segmenter, nn.Module]) -> None:
    ours, theirs = pair
    images = torch.rand((1, 3, 64, 64), dtype=torch.float64, generator=torch.Generator())
    norm = ours.encoder.stages[0].blocks[0].attention_norm
    norm.eps = 1e-5
    try:
        assert (ours(images) - theirs(ours.start(images).x).logits).abs().max() > 1e-8
    finally:
        norm.eps = 1e-6


# encoder parameters, head parameters (19 classes), LayerNorm parameters, LayerNorms, tensors
COUNTS = {
    "mit_b0": (3_319_392, 399_635, 7_168, 30, 176),
    "mit_b1": (13_151_424, 530_707, 14_336, 30, 176),
    "mit_b2": (24_196_288, 3_164_947, 25_984, 53, 332),
    "mit_b3": (44_072_128, 3_164_947, 49_024, 89, 572),
    "mit_b4": (60_842_688, 3_164_947, 69_376, 128, 832),
    "mit_b5": (81_443_008, 3_164_947, 92_800, 161, 1_052),
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_the_published_ones(name: str) -> None:
    with torch.device("meta"):
        model = build_segmenter(name, classes=19)
    norms = [module for module in model.encoder.modules() if isinstance(module, nn.LayerNorm)]
    assert COUNTS[name] == (
        sum(p.numel() for p in model.encoder.parameters()),
        sum(p.numel() for p in model.head.parameters()),
        sum(p.numel() for norm in norms for p in norm.parameters()),
        len(norms),
        len(model.encoder.state_dict()),
    )


def test_mit_b1_parameters_by_stage() -> None:
    with torch.device("meta"):
        model = build_segmenter("mit_b1", classes=19)
    counts = [sum(p.numel() for p in stage.parameters()) for stage in model.encoder.stages]
    assert counts == [639_488, 1_006_208, 3_682_880, 7_822_848]


def test_layer_norm_epsilons_by_module() -> None:
    with torch.device("meta"):
        model = build_segmenter("mit_b2", classes=19)
    for name, module in model.named_modules():
        if isinstance(module, nn.LayerNorm):
            published = 1e-5 if name.endswith(("embedding.norm", "reduction_norm")) else 1e-6
            assert module.eps == published, name
