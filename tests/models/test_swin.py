"""Swin within the stage contract: what belongs to a stage, what decays, what is random."""

from __future__ import annotations

import pytest
import torch
from networks import network, picture
from torch import Tensor, nn
from torch.testing import assert_close

from driftseg.models.encoders.stages import DropPath
from driftseg.models.roles import Roles
from driftseg.models.segmenter import Segmenter, build_segmenter
from driftseg.models.trainable import choices, parameter_groups, set_generator, trainable_names


@pytest.fixture(scope="module")
def swin_t() -> Segmenter:
    with torch.device("meta"):
        return build_segmenter("swin_t", classes=11)


def test_a_stage_is_merging_blocks_and_output_norm(swin_t: Segmenter) -> None:
    for index, depth in enumerate((2, 2, 6, 2)):
        owners = {name.split(".")[2] for name in swin_t.encoder.group(index)}
        assert owners == {"embedding", "blocks", "output_norm"}
        stage = swin_t.encoder.stages[index]
        assert len(stage.blocks) == depth
        assert [block.attention.shift for block in stage.blocks] == [0, 3] * (depth // 2)
    merging = swin_t.encoder.stages[1].embedding
    assert tuple(merging.projection.weight.shape) == (192, 4 * 96)
    assert merging.projection.bias is None
    assert swin_t.head.width == 768


@torch.no_grad()
def test_output_norms_are_seen_by_heads_alone() -> None:
    model = network("tiny_swin")
    x = model.start(picture()).x
    before = model.encoder(x)
    model.encoder.stages[1].output_norm.weight.mul_(2)
    after = model.encoder(x)
    same = [torch.equal(one, other) for one, other in zip(before, after, strict=True)]
    assert same == [True, False, True, True]


@torch.no_grad()
@pytest.mark.parametrize("size", [(64, 96), (61, 75), (4, 4)], ids=str)
def test_levels_of_a_batch_are_those_of_its_images(size: tuple[int, int]) -> None:
    model = network("tiny_swin").double()
    images = picture(batch=3, size=size).double()
    together = model.encoder(images)
    for place in range(3):
        alone = model.encoder(images[place : place + 1])
        for one, many in zip(alone, together, strict=True):
            assert_close(one[0], many[place], rtol=1e-10, atol=1e-10)


def test_only_norms_and_position_biases_do_not_decay(swin_t: Segmenter) -> None:
    names = trainable_names(swin_t, ["encoder", "head"])
    groups = parameter_groups(swin_t, names, learning_rate=1.0, head_factor=10.0, weight_decay=0.01)
    by_id = {id(p): name for name, p in swin_t.named_parameters()}
    still = {by_id[id(p)] for g in groups if g["weight_decay"] == 0 for p in g["params"]}
    tables = {n for n in still if n.endswith(".attention.relative_position_bias_table")}
    assert len(tables) == 12
    norms = {
        f"{name}.{leaf}"
        for name, module in swin_t.named_modules()
        if isinstance(module, nn.LayerNorm | nn.BatchNorm2d) and not name.startswith("early_head")
        for leaf in ("weight", "bias")
    }
    assert still == tables | norms


def test_drop_path_draws_from_the_generator_it_is_given() -> None:
    model = network("tiny_swin")
    paths = [module for module in model.modules() if isinstance(module, DropPath)]
    assert len(paths) == 7
    roles = Roles(model, trainable_names(model, ["encoder", "head"]))

    def logits(seed: int) -> Tensor:
        set_generator(model, torch.Generator().manual_seed(seed))
        levels = roles.levels("student", roles.prefix(picture()), training=True)
        return roles.logits("student", levels, training=True).detach()

    before = torch.random.get_rng_state()
    first = logits(1)
    assert torch.equal(first, logits(1))
    assert not torch.equal(first, logits(2))
    assert torch.equal(before, torch.random.get_rng_state())


def test_modules_to_choose_from(swin_t: Segmenter) -> None:
    """HAMLET's module n: stages n to 4, each with the merging before it, and the head."""
    trainable = trainable_names(swin_t, ["encoder", "head"])
    modules = choices(swin_t, trainable, fusion=True)
    groups = swin_t.parts
    assert list(modules) == [1, 2, 3, 4]
    for first, names in modules.items():
        stages = [n for i in range(first, 5) for n in groups[f"encoder.stage{i}"]]
        assert set(names) == {*stages, *groups["head"]}
        assert f"encoder.stages.{first - 1}.embedding.projection.weight" in names
    assert "encoder.stages.2.embedding.norm.weight" not in modules[4]
