"""mmsegmentation's SegFormer: the encoder is the same, the head is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from weight_files import RANDOM_HEADS, State, fresh

from driftseg.errors import InputError
from driftseg.models.checkpoints import load_weights, open_checkpoint

_RULES = (
    (r"^backbone\.patch_embed<(\d)>\.proj", r"backbone.layers.\1.0.projection"),
    (r"^backbone\.patch_embed<(\d)>\.norm", r"backbone.layers.\1.0.norm"),
    (r"^backbone\.block<(\d)>\.(\d+)", r"backbone.layers.\1.1.\2"),
    (r"^backbone\.norm<(\d)>", r"backbone.layers.\1.2"),
    (r"attn\.proj", "attn.attn.out_proj"),
    (r"mlp\.fc1", "ffn.layers.0"),
    (r"mlp\.dwconv\.dwconv", "ffn.layers.1"),
    (r"mlp\.fc2", "ffn.layers.4"),
)


def _from_zero(match: re.Match[str]) -> str:
    return f"{match[1]}<{int(match[2]) - 1}>."


@pytest.fixture
def file(nvlabs: State, tmp_path: Path) -> Path:
    """NVlabs' encoder as mmsegmentation names it, and a head of its kind."""
    state = dict(nvlabs)
    for name in [name for name in state if ".attn.q." in name]:
        joined = name.replace("attn.q.", "attn.attn.in_proj_")
        state[joined] = torch.cat([state.pop(name), state.pop(name.replace(".q.", ".kv."))])
    renamed: State = {}
    for name, tensor in state.items():
        if not name.startswith("backbone."):
            continue
        name = re.sub(r"(embed|block|norm)(\d)\.", _from_zero, name, count=1)
        for pattern, text in _RULES:
            name = re.sub(pattern, text, name)
        if re.search(r"ffn\.layers\.[04]\.weight", name):
            tensor = tensor[:, :, None, None]
        renamed[name] = tensor
    renamed["decode_head.convs.0.conv.weight"] = torch.ones(32, 32, 1, 1)
    renamed["decode_head.fusion_conv.conv.weight"] = torch.ones(32, 128, 1, 1)
    path = tmp_path / "segformer_mit-b0.pth"
    torch.save({"state_dict": renamed, "meta": {"CLASSES": ("a", "b")}}, path)
    return path


def test_the_encoder_is_taken_whole(file: Path, nvlabs: State, tmp_path: Path) -> None:
    model, wanted = fresh(), fresh()
    report = load_weights(model, file, may_stay_random=RANDOM_HEADS)
    assert report.layout == "mmsegmentation SegFormer"
    assert {name.partition(".")[0] for name in report.random} == {"head", "early_head"}
    torch.save(nvlabs, tmp_path / "b.pth")
    load_weights(wanted, tmp_path / "b.pth", may_stay_random=RANDOM_HEADS)
    assert_close(model.encoder.state_dict(), wanted.encoder.state_dict(), rtol=0, atol=0)


def test_query_key_and_value_stand_as_torch_has_them(file: Path, tmp_path: Path) -> None:
    torch.manual_seed(9)
    theirs = nn.MultiheadAttention(256, 8, batch_first=True).eval()
    held = torch.load(file, weights_only=True)
    for name, tensor in theirs.state_dict().items():
        held["state_dict"][f"backbone.layers.3.1.0.attn.attn.{name}"] = tensor
    torch.save(held, tmp_path / "a.pth")
    model = fresh()
    load_weights(model, tmp_path / "a.pth", may_stay_random=RANDOM_HEADS)
    tokens = torch.rand(1, 12, 256)
    with torch.no_grad():
        ours = model.encoder.stages[3].blocks[0].attention(tokens, 3, 4)
        assert_close(ours, theirs(tokens, tokens, tokens)[0])


def test_the_whole_is_refused(file: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"and model\.may_stay_random=\[head, early_head\] for driftseg train",
    ):
        open_checkpoint(file)
