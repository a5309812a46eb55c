"""What MiT spares: copies between tokens and maps, and wide tensors of the feed-forward part."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functional_call

from driftseg.models.adapters.lora import LoraLinear
from driftseg.models.encoders.mit import MixFeedForward, PatchEmbedding, to_map, to_tokens

CHANNELS, HEIGHT, WIDTH = 8, 6, 5


def part(dtype: torch.dtype = torch.float32) -> tuple[MixFeedForward, Tensor]:
    generator = torch.Generator().manual_seed(0)
    module = MixFeedForward(CHANNELS).to(dtype)
    for parameter in module.parameters():
        nn.init.normal_(parameter, generator=generator)
    tokens = torch.randn((2, HEIGHT * WIDTH, CHANNELS), generator=generator, dtype=dtype)
    return module, tokens.requires_grad_()


def kept(call) -> int:
    """Elements of distinct storages that a call keeps for its backward pass."""
    sizes = {}

    def pack(tensor: Tensor) -> Tensor:
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        result = call()
    assert result.requires_grad
    return sum(sizes.values()) // 4


def test_tokens_and_maps_are_views_of_each_other() -> None:
    tokens = torch.randn((2, HEIGHT * WIDTH, CHANNELS))
    grid = to_map(tokens, HEIGHT, WIDTH)
    assert grid.shape == (2, CHANNELS, HEIGHT, WIDTH)
    assert torch.equal(grid, tokens.transpose(1, 2).reshape(2, CHANNELS, HEIGHT, WIDTH))
    assert torch.equal(to_tokens(grid), tokens)
    assert to_tokens(grid).data_ptr() == grid.data_ptr() == tokens.data_ptr()
    assert torch.equal(to_tokens(grid.contiguous()), tokens)


def test_convolutions_keep_channels_last() -> None:
    module, tokens = part()
    grid = module.depthwise(to_map(module.expand(tokens), HEIGHT, WIDTH))
    assert grid.is_contiguous(memory_format=torch.channels_last)
    embedding = PatchEmbedding(CHANNELS, 16, kernel=3, stride=2)
    grid = embedding.projection(to_map(tokens, HEIGHT, WIDTH))
    assert grid.is_contiguous(memory_format=torch.channels_last)


class TestRecomputing:
    def test_is_by_the_weights_that_were_lent_in_the_forward_pass(self) -> None:
        """Lent weights are gone when the backward pass comes; it must not take the module's own."""
        module, tokens = part(torch.float64)
        lent = {n: (3 * p.detach()).requires_grad_() for n, p in module.named_parameters()}
        functional_call(module, lent, (tokens, HEIGHT, WIDTH)).square().sum().backward()
        got = [tokens.grad, *(tensor.grad for tensor in lent.values())]
        other = tokens.detach().clone().requires_grad_()
        module.load_state_dict(lent)
        module(other, HEIGHT, WIDTH).square().sum().backward()
        expected = [other.grad, *(p.grad for p in module.parameters())]
        assert all(torch.allclose(a, b) for a, b in zip(got, expected, strict=True))

    def test_gradients_are_the_same_to_the_last_bit(self) -> None:
        module, tokens = part()
        wanted = [tokens, *module.parameters()]
        results = [call(tokens, HEIGHT, WIDTH) for call in (module, module._feed)]
        assert torch.equal(*results)
        mine, plain = (torch.autograd.grad(r.square().sum(), wanted) for r in results)
        for one, other in zip(mine, plain, strict=True):
            assert torch.equal(one, other)
            assert one.any()

    @pytest.mark.parametrize("frozen", [True, False])
    def test_the_wide_tensors_are_not_kept(self, frozen: bool) -> None:
        """Neither while the part learns nor while a gradient only crosses it."""
        module, tokens = part()
        module.requires_grad_(not frozen)
        wide = tokens.numel() * module.expand.out_features // CHANNELS
        weights = sum(p.numel() for p in module.parameters())
        assert kept(lambda: module(tokens, HEIGHT, WIDTH)) <= tokens.numel() + weights
        assert kept(lambda: module._feed(tokens, HEIGHT, WIDTH)) >= (2 if frozen else 3) * wide

    @pytest.mark.parametrize("frozen", [True, False])
    def test_low_rank_updates_draw_their_dropout_once(self, frozen: bool) -> None:
        module, tokens = part()
        module.expand.weight.requires_grad_(not frozen)
        updated = LoraLinear(module.expand, ("expand",), ("expand",), rank=2, alpha=2, dropout=0.5)
        updated.updates["expand"].reset(torch.Generator().manual_seed(1))
        nn.init.ones_(updated.updates["expand"].up.weight)
        module.expand = updated
        generator = torch.Generator().manual_seed(2)
        updated.updates["expand"].dropout.generator = generator
        module.train()
        result = module(tokens, HEIGHT, WIDTH)
        drawn = generator.get_state()
        result.sum().backward()
        assert torch.equal(generator.get_state(), drawn)
        assert updated.updates["expand"].down.weight.grad.any()
