"""Swin against transformers' SwinBackbone and SwinModel, and against the published counts."""

from __future__ import annotations

import math

import pytest
import torch
from swin_files import backbone, facts
from torch import Tensor, nn
from torch.testing import assert_close
from weight_files import draw

from driftseg.models.checkpoints.translation import recognise, translate
from driftseg.models.encoders.swin import (
    SWIN_SIZES,
    Swin,
    SwinSize,
    WindowAttention,
    relative_positions,
    shift_mask,
)
from driftseg.models.segmenter import build_segmenter
from tiny_networks import TINY_SWIN

transformers = pytest.importorskip("transformers")

SIZES = {"tiny": TINY_SWIN, **SWIN_SIZES}


def ours_from(theirs: nn.Module, size: SwinSize) -> Swin:
    model = Swin(size).double().eval()
    layout = recognise(theirs.state_dict())
    assert layout is not None
    found = translate(layout, theirs.state_dict())
    state = model.state_dict()
    held = {n.removeprefix("encoder."): t for n, t in found.tensors.items()}
    assert held.keys() <= state.keys()
    model.load_state_dict({**state, **held})
    return model


def image(height: int, width: int, batch: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(height)
    return torch.randn((batch, 3, height, width), generator=generator, dtype=torch.float64)


LARGE = [pytest.param(name, marks=pytest.mark.slow) for name in ("swin_s", "swin_b")]


@pytest.fixture(scope="module", params=["tiny", "swin_t", *LARGE])
def pair(request: pytest.FixtureRequest) -> tuple[Swin, nn.Module]:
    theirs = backbone(SIZES[request.param])
    return ours_from(theirs, SIZES[request.param]), theirs


# windows fill the first grid; nothing fits; odd grids at merging; smaller than one window
@pytest.mark.parametrize("size", [(224, 112), (100, 132), (77, 103), (20, 30)], ids=str)
@torch.no_grad()
def test_levels_equal_transformers(pair: tuple[Swin, nn.Module], size: tuple[int, int]) -> None:
    ours, theirs = pair
    images = image(*size, batch=2)
    levels, maps = ours(images), theirs(images).feature_maps
    assert [level.shape[1] for level in levels] == list(ours.channels)
    for index, (mine, their) in enumerate(zip(levels, maps, strict=True)):
        side = [math.ceil(length / ours.strides[index]) for length in size]
        assert list(mine.shape[2:]) == side
        assert mine.std() > 0.1
        assert_close(mine, their, rtol=1e-10, atol=1e-10)


@torch.no_grad()
def test_stages_equal_transformers_model() -> None:
    """The stages' outputs, of which level i is only a view: merging reads them before the norm.

    transformers' SwinModel does not shift where a grid is no larger than a window, as the
    authors' classifier; 256 pixels keep every grid larger.
    """
    config = transformers.SwinConfig(**facts(TINY_SWIN))
    theirs = transformers.SwinModel(config).double().eval()
    draw(theirs.state_dict(), seed=5)
    ours = ours_from(theirs, TINY_SWIN)
    images = image(256, 480)
    answer = theirs.encoder(
        *theirs.embeddings(images),
        output_hidden_states=True,
        output_hidden_states_before_downsampling=True,
    )
    x = images
    for index in range(4):
        x = ours.stage(index, x)
        assert_close(x, answer.reshaped_hidden_states[index + 1], rtol=1e-10, atol=1e-10)
    assert_close(x.flatten(2).transpose(1, 2), answer.last_hidden_state, rtol=1e-10, atol=1e-10)


def test_gradients_equal_transformers() -> None:
    """Also the bias table's, which reaches attention as a mask."""
    theirs = backbone(TINY_SWIN)
    ours = ours_from(theirs, TINY_SWIN)
    images = image(64, 96)
    sum(level.square().mean() for level in ours(images)).backward()
    sum(level.square().mean() for level in theirs(images).feature_maps).backward()
    gradients = {n: p.grad for n, p in theirs.named_parameters() if p.grad is not None}
    layout = recognise(gradients)
    assert layout is not None
    wanted = translate(layout, gradients).tensors
    mine = {f"encoder.{n}": p.grad for n, p in ours.named_parameters()}
    assert mine.keys() == wanted.keys()
    for name, gradient in mine.items():
        assert gradient is not None
        assert gradient.abs().max() > 0, name
        assert_close(gradient, wanted[name], rtol=1e-8, atol=1e-12)


@torch.no_grad()
def test_parity_would_notice(pair: tuple[Swin, nn.Module]) -> None:
    """The shift, the mask and the epsilon each show at the tolerance used above."""
    ours, theirs = pair
    images = image(100, 132)
    wanted = theirs(images).feature_maps[-1]
    block = ours.stages[0].blocks[1]
    changes = (
        (block.attention, "shift", 0),
        (block.attention, "shift", 2),
        (block.attention_norm, "eps", 1e-6),
    )
    for module, name, value in changes:
        kept = getattr(module, name)
        setattr(module, name, value)
        try:
            assert (ours(images)[-1] - wanted).abs().max() > 1e-8, (name, value)
        finally:
            setattr(module, name, kept)


@torch.no_grad()
def test_shifted_windows_against_attention_among_true_neighbours() -> None:
    """Without shift, padding or mask: every token attends over those that share its window."""
    attention = WindowAttention(8, 2, 3).double()
    height, width = 14, 21
    tokens = image(height, width)[:, :1].expand(2, 8, -1, -1).flatten(2).transpose(1, 2)
    tokens = tokens * torch.linspace(0.5, 2, 8, dtype=torch.float64)
    place = torch.arange(height * width)
    row, column = place // width, place % width
    window = ((row + 4) // 7) * 100 + (column + 4) // 7  # the grid of windows moved by 3
    offsets = (row[:, None] - row + 6) * 13 + column[:, None] - column + 6
    together = window[:, None] == window
    table = attention.relative_position_bias_table
    bias = table[offsets.clamp(0, 168)].permute(2, 0, 1).masked_fill(~together, -torch.inf)
    query = attention.query(tokens).unflatten(2, (2, 4)).transpose(1, 2)
    key, value = (
        part.unflatten(2, (2, 4)).transpose(1, 2)
        for part in attention.key_value(tokens).chunk(2, dim=2)
    )
    weights = (query @ key.transpose(2, 3) / 2 + bias).softmax(3)
    wanted = attention.projection((weights @ value).transpose(1, 2).flatten(2))
    assert_close(attention(tokens, height, width), wanted, rtol=1e-10, atol=1e-10)


def test_masks_are_shared_and_belong_to_no_file() -> None:
    model = build_segmenter("swin_t", classes=3)
    assert not [name for name, _ in model.encoder.named_buffers()]
    first = shift_mask(14, 21, torch.device("cpu"), torch.float32)
    assert first is shift_mask(14, 21, torch.device("cpu"), torch.float32)
    assert first.shape == (6, 49, 49)
    assert not first[0].any()  # the first window wraps nowhere


def test_what_inference_mode_has_cached_serves_training() -> None:
    relative_positions.cache_clear()  # what other tests have left would hide it
    shift_mask.cache_clear()
    model = Swin(TINY_SWIN)
    images = image(45, 59).float()
    with torch.inference_mode():
        model(images)
    model(images)[3].sum().backward()
    assert model.stages[0].blocks[1].attention.relative_position_bias_table.grad is not None


# encoder parameters with the four output norms, and by stage
COUNTS = {
    "swin_t": (27_520_698, [229_782, 966_636, 10_956_168, 15_368_112]),
    "swin_s": (48_838_602, [229_782, 966_636, 32_274_072, 15_368_112]),
    "swin_b": (86_745_016, [404_680, 1_714_832, 57_318_944, 27_306_560]),
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_the_published_ones(name: str) -> None:
    with torch.device("meta"):
        model = build_segmenter(name, classes=19)
    stages = [sum(p.numel() for p in stage.parameters()) for stage in model.encoder.stages]
    assert (sum(p.numel() for p in model.encoder.parameters()), stages) == COUNTS[name]
    assert sum(stages) == COUNTS[name][0]


def test_every_norm_carries_the_published_epsilon() -> None:
    norms = [m for m in Swin(TINY_SWIN).modules() if isinstance(m, nn.LayerNorm)]
    assert {norm.eps for norm in norms} == {1e-5}
    assert len(norms) == 1 + 3 + 2 * sum(TINY_SWIN.depths) + 4


def test_drop_path_grows_linearly_to_the_published_rate() -> None:
    with torch.device("meta"):
        model = Swin(SWIN_SIZES["swin_t"])
        still = Swin(SWIN_SIZES["swin_t"], drop_path=0)
    rates = [block.drop_path.rate for stage in model.stages for block in stage.blocks]
    assert rates == pytest.approx([0.3 * i / 11 for i in range(12)])
    assert {block.drop_path.rate for stage in still.stages for block in stage.blocks} == {0}
