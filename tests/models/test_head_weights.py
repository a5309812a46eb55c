"""Heads from a file of their own: beside another file's encoder, or from one without any."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.testing import assert_close
from weight_files import CLASSES, NAMES, RANDOM_HEADS, WIDTH, State, assert_same_logits, fresh

from driftseg.errors import InputError
from driftseg.models.checkpoints import digest, inspect, load_weights
from driftseg.models.making import ModelSettings
from tiny_networks import build

HEADS_ALONE = {
    "NVlabs SegFormer": "nvlabs",
    "DAFormer": "daformer",
    "HAMLET": "hamlet",
    "Hugging Face SegFormer (names of transformers 4)": "hugging_face",
}


@pytest.fixture
def heads(folder: Path, nvlabs: State, hamlet: State) -> dict[str, State]:
    """One head, alone, in every layout: in two of them its fusion is in the other order."""
    whole = {
        "nvlabs": nvlabs,
        "hamlet": hamlet,
        "daformer": {name: t for name, t in hamlet.items() if "_m1" not in name},
        "hugging_face": load_file(folder / "model.safetensors"),
    }
    return {
        layout: {n: t for n, t in state.items() if n.startswith("decode_head.")}
        for layout, state in whole.items()
    }


@pytest.mark.parametrize("layout", HEADS_ALONE)
def test_encoder_and_head_from_two_files(
    layout: str, heads: dict, theirs: nn.Module, nvlabs: State, tmp_path: Path, images: Tensor
) -> None:
    backbone = {n: t for n, t in nvlabs.items() if n.startswith("backbone.")}
    torch.save(backbone, tmp_path / "encoder.pth")
    torch.save({"state_dict": heads[HEADS_ALONE[layout]]}, tmp_path / "head.pth")
    model = fresh(early_head=False)
    load_weights(model, tmp_path / "encoder.pth", may_stay_random=["head"])
    encoder = {name: tensor.clone() for name, tensor in model.encoder.state_dict().items()}
    report = load_weights(model, tmp_path / "head.pth", parts=["head"])
    assert report.layout == layout
    assert report.random == []
    assert {name.partition(".")[0] for name in report.matched} == {"head"}
    assert_close(model.encoder.state_dict(), encoder, rtol=0, atol=0)
    assert_same_logits(model, theirs, images)


def test_transformers_5_head_alone(theirs: nn.Module, folder: Path, tmp_path: Path) -> None:
    state = {n: t for n, t in theirs.state_dict().items() if n.startswith("decode_head.")}
    if not any("linear_projections" in name for name in state):
        pytest.skip("this transformers has the names of version 4 in memory too")
    torch.save(state, tmp_path / "head.pth")
    model, other = fresh(early_head=False), fresh(early_head=False)
    assert "transformers 5" in load_weights(model, tmp_path / "head.pth", parts=["head"]).layout
    load_weights(other, folder)
    assert_close(model.head.state_dict(), other.head.state_dict(), rtol=0, atol=0)


def test_parts_of_a_whole_file(nvlabs: State, tmp_path: Path) -> None:
    """What is not asked for stays as it is, may be lacking, and is said to be left out."""
    path = tmp_path / "a.pth"
    torch.save(nvlabs, path)
    model, whole = fresh(early_head=False), fresh(early_head=False)
    load_weights(whole, path)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    report = load_weights(model, path, parts=["head", "encoder.stage3"])
    filled = ("head.", "encoder.stages.2.")
    for name, tensor in model.state_dict().items():
        source = whole.state_dict() if name.startswith(filled) else before
        assert torch.equal(tensor, source[name]), name
    assert report.random == []
    assert "backbone.norm1.bias: not asked for" in report.ignored
    load_weights(model, path, parts=["encoder"])
    assert digest(model) == digest(whole)


def test_our_own_heads_fit_another_encoders_file(tmp_path: Path) -> None:
    """Swin's encoder from its ImageNet file, heads from a file of ours that holds nothing else."""
    trained = build("tiny_swin", classes=5, head_width=16)
    state = trained.state_dict()
    torch.save({n: t for n, t in state.items() if "head." in n}, tmp_path / "heads.pth")
    model = build("tiny_swin", classes=5, head_width=16)
    report = load_weights(model, tmp_path / "heads.pth", parts=RANDOM_HEADS)
    assert report.layout == "driftseg"
    for part in RANDOM_HEADS:
        mine, theirs = getattr(model, part), getattr(trained, part)
        assert_close(mine.state_dict(), theirs.state_dict(), rtol=0, atol=0)
    found = inspect(tmp_path / "heads.pth")
    assert (found.encoder, found.classes, list(found.parameters)) == (None, 5, [*RANDOM_HEADS])


class TestRefusals:
    def refuse(self, path: Path, match: str, **options: object) -> None:
        model = fresh()
        before = digest(model)
        with pytest.raises(InputError, match=match) as caught:
            load_weights(model, path, **options)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
        assert digest(model) == before

    def test_a_head_alone_is_no_network(self, heads: dict, tmp_path: Path) -> None:
        torch.save(heads["nvlabs"], tmp_path / "head.pth")
        self.refuse(tmp_path / "head.pth", "lacks 46 of 46 tensors of encoder.stage1",
                    may_stay_random=["early_head"])  # fmt: skip
        self.refuse(tmp_path / "head.pth", "lacks 9 of 9 tensors of early_head",
                    parts=["head", "early_head"])  # fmt: skip

    def test_a_head_of_another_encoder_or_of_other_classes(
        self, heads: dict, tmp_path: Path
    ) -> None:
        state = heads["daformer"]
        wide = {**state, "decode_head.linear_c.3.proj.weight": torch.zeros(WIDTH, 512)}
        torch.save(wide, tmp_path / "head.pth")
        self.refuse(tmp_path / "head.pth", "expected the model's architecture, got another: "
r"head\.embed\.3\.weight has the shape \(32, 256\), "
"the file holds", parts=["head"])  # fmt: skip
        more = {**state, "decode_head.linear_pred.bias": torch.zeros(CLASSES + 1)}
        torch.save(more, tmp_path / "head.pth")
        self.refuse(tmp_path / "head.pth", r"head\.classifier\.bias", parts=["head"])

    def test_half_a_head_is_of_no_layout(self, heads: dict, tmp_path: Path) -> None:
        """Without its fusion nothing tells in which order that stands."""
        state = {n: t for n, t in heads["daformer"].items() if "linear_fuse" not in n}
        torch.save(state, tmp_path / "head.pth")
        self.refuse(
            tmp_path / "head.pth",
            "expected one of the layouts NVlabs SegFormer, "
            "HAMLET, DAFormer, NVlabs MiT encoder, "
            "mmsegmentation SegFormer,",
            parts=["head"],
        )

    def test_parts_that_there_are_not(self, heads: dict, tmp_path: Path) -> None:
        torch.save(heads["daformer"], tmp_path / "head.pth")
        self.refuse(tmp_path / "head.pth", "expected parts of a network, got neck",
                    parts=["neck"])  # fmt: skip
        self.refuse(
            tmp_path / "head.pth",
            "expected parts of a network, got output_norms",
            parts=["output_norms"],
        )


def test_a_config_names_both_files(
    heads: dict, hamlet: State, nvlabs: State, tmp_path: Path
) -> None:
    """The encoder's file holds a head too, of other classes: it is not looked at."""
    other = {**nvlabs, "decode_head.linear_pred.bias": torch.zeros(CLASSES + 1)}
    torch.save(other, tmp_path / "encoder.pth")
    torch.save(heads["hamlet"], tmp_path / "heads.pth")
    torch.save(hamlet, tmp_path / "whole.pth")
    settings = {"encoder": "mit_b0", "head_width": WIDTH, "weights": str(tmp_path / "encoder.pth"),
                "head_weights": str(tmp_path / "heads.pth")}  # fmt: skip
    model, reports = ModelSettings(**settings).make(classes=len(NAMES))
    assert [report.layout for report in reports] == ["NVlabs SegFormer", "HAMLET"]
    assert [report.random for report in reports] == [[], []]
    whole = fresh()
    load_weights(whole, tmp_path / "whole.pth")
    assert digest(model) == digest(whole)
