"""Every layout of Swin's files loads to the levels of its origin; what is left out is said."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
import torch
from safetensors.torch import load_file
from swin_files import STAGES, backbone, facts, to_imagenet, to_microsoft, to_mmsegmentation
from torch import Tensor, nn
from torch.testing import assert_close
from weight_files import RANDOM_HEADS, State, draw

from driftseg.errors import InputError
from driftseg.models.checkpoints import (
    PARTS,
    LoadReport,
    digest,
    inspect,
    load_checkpoint,
    load_weights,
)
from driftseg.models.checkpoints import save_checkpoint as save
from driftseg.models.making import Part
from driftseg.models.segmenter import Segmenter, build_segmenter
from tiny_networks import TINY_SWIN, build

transformers = pytest.importorskip("transformers")

FRESH = (*RANDOM_HEADS, "output_norms")


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    return backbone(TINY_SWIN).float()


@pytest.fixture(scope="module")
def folder(theirs: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What save_pretrained writes: the names of transformers 4, in every version."""
    path = tmp_path_factory.mktemp("swin")
    theirs.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def microsoft(folder: Path) -> State:
    return to_microsoft(load_file(folder / "model.safetensors"))


def fresh() -> Segmenter:
    torch.manual_seed(0)
    return build("tiny_swin", classes=5, head_width=16).eval()


@torch.no_grad()
def assert_same_levels(model: Segmenter, theirs: nn.Module, *, norms: bool = True) -> None:
    """``norms``: through the output norms that the file holds, otherwise before them."""
    images = torch.rand((1, 3, 76, 100), generator=torch.Generator().manual_seed(3))
    x = model.start(images).x
    wanted = theirs(x).feature_maps
    for index, feature in enumerate(wanted):
        x = model.encoder.stage(index, x)
        if norms:
            assert_close(model.encoder.level(index, x), feature, rtol=0, atol=1e-4)
        else:
            norm = theirs.hidden_states_norms[STAGES[index]]
            mine = norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            assert_close(mine, feature, rtol=0, atol=1e-4)
    assert torch.isfinite(model(images)).all()


REBUILT = "follows from the sizes; driftseg computes it"


def left_out(report: LoadReport, *, rebuilt: bool = False) -> dict[str, str]:
    """Names and reasons; without the tables of indices, which not every transformers writes."""
    reasons = dict(text.split(": ", 1) for text in report.ignored)
    return {n: reason for n, reason in reasons.items() if rebuilt or reason != REBUILT}


def norms_of(model: Segmenter) -> State:
    return {n: t.clone() for n, t in model.state_dict().items() if ".output_norm." in n}


def test_hugging_face_backbone_folder(theirs: nn.Module, folder: Path) -> None:
    model = fresh()
    report = load_weights(model, folder, may_stay_random=RANDOM_HEADS)
    assert report.layout == "Hugging Face Swin (names of transformers 4)"
    assert {name.partition(".")[0] for name in report.random} == set(RANDOM_HEADS)
    assert all("layernorm" in name for name in left_out(report))
    assert_same_levels(model, theirs)


def test_hugging_face_names_of_transformers_5(theirs: nn.Module, tmp_path: Path) -> None:
    state = theirs.state_dict()
    if not any("q_proj" in name for name in state):
        pytest.skip("this transformers has the names of version 4 in memory too")
    torch.save(state, tmp_path / "pytorch_model.bin")
    model = fresh()
    report = load_weights(model, tmp_path, may_stay_random=RANDOM_HEADS)
    assert report.layout == "Hugging Face Swin (names of transformers 5)"
    assert_same_levels(model, theirs)


def test_hugging_face_upernet(theirs: nn.Module, folder: Path, tmp_path: Path) -> None:
    """The head is not ours and is left out by name; the encoder comes with its output norms."""
    state = {f"backbone.{n}": t for n, t in load_file(folder / "model.safetensors").items()}
    state["decode_head.classifier.weight"] = torch.zeros(5, 512, 1, 1)
    state["auxiliary_head.convs.0.conv.weight"] = torch.zeros(8, 64, 3, 3)
    torch.save(state, tmp_path / "upernet.bin")
    model = fresh()
    report = load_weights(model, tmp_path / "upernet.bin", may_stay_random=RANDOM_HEADS)
    reasons = left_out(report)
    assert reasons["decode_head.classifier.weight"] == "of a head that driftseg does not have"
    assert {name.partition(".")[0] for name in report.random} == set(RANDOM_HEADS)
    assert_same_levels(model, theirs)


@pytest.mark.parametrize("prefix", ["swin.", ""], ids=["classifier", "model"])
def test_hugging_face_imagenet(theirs: nn.Module, prefix: str, tmp_path: Path) -> None:
    """SwinForImageClassification's and SwinModel's own files hold no output norms."""
    kind = transformers.SwinForImageClassification if prefix else transformers.SwinModel
    other = kind(transformers.SwinConfig(**facts(TINY_SWIN), num_labels=7))
    origin = getattr(theirs, "swin", theirs).state_dict()  # in version 4 the norms are among it
    (other.swin if prefix else other).load_state_dict(origin, strict=False)
    other.save_pretrained(tmp_path)
    model = fresh()
    report = load_weights(model, tmp_path, may_stay_random=FRESH)
    wanted = {f"{prefix}layernorm.weight", f"{prefix}layernorm.bias"}
    wanted |= {"classifier.weight", "classifier.bias"} if prefix else set()
    assert set(left_out(report)) == wanted
    assert_same_levels(model, theirs, norms=False)


@pytest.mark.parametrize("prefix", ["backbone.", "", "module.backbone."])
def test_microsoft_segmentation(
    theirs: nn.Module, microsoft: State, prefix: str, tmp_path: Path
) -> None:
    state = {prefix + name: tensor for name, tensor in microsoft.items()}
    state["decode_head.conv_seg.weight"] = torch.zeros(5, 512, 1, 1)
    torch.save({"state_dict": state}, tmp_path / "upernet_swin.pth")
    model = fresh()
    report = load_weights(model, tmp_path / "upernet_swin.pth", may_stay_random=RANDOM_HEADS)
    assert report.layout == "Microsoft Swin"
    reasons = set(left_out(report, rebuilt=True).values())
    assert reasons == {REBUILT, "of a head that driftseg does not have"}
    assert_same_levels(model, theirs)


def test_microsoft_imagenet(theirs: nn.Module, microsoft: State, tmp_path: Path) -> None:
    """Output norms stay fresh, only where that was said, and the report says it again."""
    path = tmp_path / "swin.pth"
    torch.save({"model": to_imagenet(microsoft)}, path)
    model = fresh()
    before = digest(model)
    with pytest.raises(
        InputError,
        match="expected output norms of the encoder, got none, as "
        r"in ImageNet files.*output_norms",
    ) as caught:
        load_weights(model, path, may_stay_random=RANDOM_HEADS)
    assert "\n" not in str(caught.value)
    assert digest(model) == before

    report = load_weights(model, path, may_stay_random=FRESH)
    assert_same_levels(model, theirs, norms=False)
    for name, tensor in norms_of(model).items():
        assert torch.equal(tensor, torch.full_like(tensor, float(name.endswith("weight"))))
    reasons = left_out(report)
    assert "classifier of whole images" in reasons["norm.weight"]
    assert "classifies whole images" in reasons["head.weight"]
    lines = str(report).splitlines()
    assert lines[1].endswith("stay random: head, early_head")
    assert lines[2] == "8 tensors stay fresh (weight 1, bias 0): output_norms"


def test_some_output_norms_are_none(theirs: nn.Module, microsoft: State, tmp_path: Path) -> None:
    """Detection files lack the first; a mixture of trained and fresh norms is not loaded."""
    path = tmp_path / "swin.pth"
    torch.save({n: t for n, t in microsoft.items() if not n.startswith("norm0.")}, path)
    model = fresh()
    before = norms_of(model)
    report = load_weights(model, path, may_stay_random=FRESH)
    assert_close(norms_of(model), before, rtol=0, atol=0)
    assert left_out(report)["norm2.bias"] == "the file lacks other output norms"
    assert_same_levels(model, theirs, norms=False)


def test_the_permission_changes_nothing_for_a_whole_file(
    theirs: nn.Module, microsoft: State, tmp_path: Path
) -> None:
    torch.save(microsoft, tmp_path / "swin.pth")
    model = fresh()
    load_weights(model, tmp_path / "swin.pth", may_stay_random=FRESH)
    assert_same_levels(model, theirs)


def test_mmsegmentation_merges_in_another_order(
    theirs: nn.Module, microsoft: State, tmp_path: Path
) -> None:
    state = to_mmsegmentation(microsoft)
    name = "backbone.stages.1.downsample.reduction.weight"
    assert not torch.equal(state[name], microsoft["layers.1.downsample.reduction.weight"])
    torch.save({"state_dict": state}, tmp_path / "swin.pth")
    model = fresh()
    report = load_weights(model, tmp_path / "swin.pth", may_stay_random=RANDOM_HEADS)
    assert report.layout == "mmsegmentation Swin"
    assert_same_levels(model, theirs)

    # as it stands in the file it would fit, and be wrong
    with torch.no_grad():
        model.encoder.stages[2].embedding.projection.weight.copy_(state[name])
    with pytest.raises(AssertionError):
        assert_same_levels(model, theirs)


def test_a_lacking_tensor_is_no_output_norm(microsoft: State, tmp_path: Path) -> None:
    """Naming output_norms opens the door for nothing else."""
    lacking = {n: t for n, t in microsoft.items() if n != "layers.1.downsample.norm.bias"}
    torch.save(lacking, tmp_path / "swin.pth")
    with pytest.raises(InputError, match=r"lacks 1 of \d+ tensors of encoder\.stage3"):
        load_weights(fresh(), tmp_path / "swin.pth", may_stay_random=FRESH)
    report = load_weights(
        fresh(), tmp_path / "swin.pth", may_stay_random=(*RANDOM_HEADS, "encoder.stage3")
    )
    assert "encoder.stages.2.output_norm.weight" in report.random  # part of its stage
    assert "encoder.stages.3.output_norm.weight" in report.matched


def test_another_window_and_another_size_are_refused(microsoft: State, tmp_path: Path) -> None:
    path = tmp_path / "swin.pth"
    table = "layers.0.blocks.0.attn.relative_position_bias_table"
    torch.save({**microsoft, table: torch.zeros(23 * 23, 1)}, path)
    match = r"expected the model's architecture, got another: .*\(169, 1\), the"
    with pytest.raises(InputError, match=match):
        load_weights(fresh(), path, may_stay_random=FRESH)
    torch.save({**microsoft, "layers.0.blocks.0.attn.qkv.bias": torch.tensor(1.0)}, path)
    with pytest.raises(InputError, match=r"another architecture|lacks"):
        load_weights(fresh(), path, may_stay_random=FRESH)
    torch.save(fresh().state_dict(), path)
    with pytest.raises(InputError, match="the model is mit_b0"):
        load_weights(build_segmenter("mit_b0", classes=5), path, may_stay_random=FRESH)


def test_a_config_may_name_every_part() -> None:
    assert get_args(Part) == PARTS


def test_imagenet_by_name_says_what_to_fetch() -> None:
    with pytest.raises(InputError, match=r"swin_tiny_\S+\.pth .* microsoft/swin-tiny-"):
        load_weights(build_segmenter("swin_t", classes=3), "imagenet")


def test_our_own_file_and_inspection(tmp_path: Path) -> None:
    model = build_segmenter("swin_t", classes=3, head_width=16).eval()
    with torch.no_grad():
        draw(model.state_dict(), seed=2)
    path = tmp_path / "a.safetensors"
    names = ("road", "car", "sky")
    save(path, model, encoder="swin_t", head_width=16, label_space="toy", classes=names, half=True)
    again, info = load_checkpoint(path)
    assert info.encoder == "swin_t"
    assert digest(again) == info.digest
    found = inspect(path)
    assert (found.encoder, found.classes, found.class_names) == ("swin_t", 3, names)
    parameters = {p: n for p, n in found.parameters.items() if p.startswith("encoder")}
    assert sum(parameters.values()) == 27_520_698
    assert parameters["encoder.stage2"] == 966_636
    assert not any(re.search("mask|index", name) for name in load_file(path))
    images: Tensor = torch.rand((1, 3, 40, 60), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert again(images).shape == (1, 3, 10, 15)
