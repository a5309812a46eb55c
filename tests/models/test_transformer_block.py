"""The block that MiT and Swin share: what an adapter of a branch is given, and drop path."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from driftseg.models.encoders.mit import MIT_SIZES, Mit
from driftseg.models.encoders.sites import Branch
from driftseg.models.encoders.swin import Swin
from driftseg.models.encoders.transformer import TransformerBlock
from tiny_networks import TINY_SWIN

HEIGHT, WIDTH, CHANNELS = 2, 5, 8


class Times(nn.Module):
    """Stands for a branch; it sees that the grid is handed on as it lies."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        assert (height, width) == (HEIGHT, WIDTH)
        return self.factor * tokens


class Recorder(nn.Module):
    """Stands for an adapter."""

    def forward(self, at: Branch) -> Tensor:
        self.given = at
        return at.x + 10 * at.output


@pytest.fixture
def block() -> TransformerBlock:
    made = TransformerBlock(
        CHANNELS, attention=Times(2), feed_forward=Times(3), epsilon=1e-6, drop_path=0.25
    )
    with torch.no_grad():
        for norm, scale in ((made.attention_norm, 0.5), (made.feed_forward_norm, 2.0)):
            norm.weight.fill_(scale)
    return made.eval()


def tokens(batch: int = 1) -> Tensor:
    shape = (batch, HEIGHT * WIDTH, CHANNELS)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_what_adapters_of_the_branches_are_given(block: TransformerBlock) -> None:
    block.attention_adapter, block.feed_forward_adapter = Recorder(), Recorder()
    x = tokens()
    result = block(x, HEIGHT, WIDTH)
    first, second = block.attention_adapter.given, block.feed_forward_adapter.given
    normed = block.attention_norm(x)
    middle = x + 10 * 2 * normed
    later = block.feed_forward_norm(middle)
    for at, wanted in ((first, (x, normed, 2 * normed)), (second, (middle, later, 3 * later))):
        for mine, theirs in zip((at.x, at.normed, at.output), wanted, strict=True):
            assert torch.equal(mine, theirs)
        assert at.drop_path is block.drop_path
        assert (at.height, at.width) == (HEIGHT, WIDTH)
    assert torch.equal(result, middle + 10 * (3 * later))


def test_drop_path_leaves_out_whole_branches_of_single_samples(block: TransformerBlock) -> None:
    """At a rate of 1/4 what stays is 4/3 as large; each branch is drawn for by itself."""
    x = tokens().expand(400, -1, -1)
    block.train()
    block.drop_path.generator = torch.Generator().manual_seed(0)
    result = block(x, HEIGHT, WIDTH)

    def possible(attention: bool, feed_forward: bool) -> Tensor:
        y = x[0] + (4 / 3 * 2 * block.attention_norm(x[0]) if attention else 0)
        return y + (4 / 3 * 3 * block.feed_forward_norm(y) if feed_forward else 0)

    kept = {
        (one, two): sum(torch.allclose(sample, possible(one, two), atol=1e-5) for sample in result)
        for one in (True, False)
        for two in (True, False)
    }
    assert sum(kept.values()) == 400
    assert kept[True, True] / 400 == pytest.approx(9 / 16, abs=0.08)
    assert kept[True, False] / 400 == pytest.approx(3 / 16, abs=0.06)
    assert kept[False, True] / 400 == pytest.approx(3 / 16, abs=0.06)


@torch.no_grad()
@pytest.mark.parametrize("name", ["mit_b0", "tiny_swin"])
def test_initial_values(name: str) -> None:
    """Published: truncated normal of .02 for matrices and Swin's table, biases 0, norms 1 and 0."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Mit(MIT_SIZES["mit_b0"]) if name == "mit_b0" else Swin(TINY_SWIN)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            assert float(module.weight.std()) == pytest.approx(0.02, rel=0.15)
            assert module.bias is None or not module.bias.any()
        elif isinstance(module, nn.LayerNorm):
            assert torch.equal(module.weight, torch.ones_like(module.weight))
            assert not module.bias.any()
        elif isinstance(module, nn.Conv2d) and name == "mit_b0":
            fan_out = module.weight[0, 0].numel() * module.out_channels / module.groups
            assert float(module.weight.std()) == pytest.approx((2 / fan_out) ** 0.5, rel=0.15)
    tables = [p for n, p in model.named_parameters() if n.endswith("bias_table")]
    assert bool(tables) == (name == "tiny_swin")
    for table in tables:
        assert float(table.std()) == pytest.approx(0.02, rel=0.25)
