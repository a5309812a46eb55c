"""Folders for transformers: same logits there, same tensors back here."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from exported_networks import CLASSES, drawn, tiny_mit
from torch.testing import assert_close

import driftseg
from driftseg import InputError
from driftseg.models.adapters import adapter_spec, attach, save_adapters
from driftseg.models.checkpoints import save_checkpoint
from driftseg.models.encoders.sites import adapters_of
from driftseg.models.segmenter import Segmenter, build_segmenter
from foreign_models import foreign


def mit_b0(classes: int = 5, *, early: bool = True) -> Segmenter:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_segmenter("mit_b0", classes=classes, head_width=16, early_head=early)
        drawn(model)
    return model.eval()


def save(path: Path, model: Segmenter, **extra: object) -> Path:
    save_checkpoint(path, model, encoder="mit_b0", head_width=16, label_space="own",
                    classes=CLASSES, extra=extra)  # fmt: skip
    return path


def test_a_folder_is_that_model_in_transformers(tmp_path: Path) -> None:
    from transformers import AutoImageProcessor, SegformerForSemanticSegmentation

    checkpoint = save(tmp_path / "street.safetensors", mit_b0(), steps=120)
    done = driftseg.export(checkpoint, "huggingface", tmp_path / "street")
    assert done.notes == ("the early head is left out: transformers' SegFormer has none",)
    theirs = SegformerForSemanticSegmentation.from_pretrained(done.path).eval()
    processor = AutoImageProcessor.from_pretrained(done.path)
    image = np.random.default_rng(0).integers(0, 256, (97, 131, 3), dtype=np.uint8)
    with torch.no_grad():
        found = theirs(**processor(image, return_tensors="pt")).logits
        ours = driftseg.load_model(checkpoint).network
        given = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
        wanted = ours.logits(ours.levels(ours.start(given), {}), {})
    assert_close(found, wanted, rtol=0, atol=1e-3 * float(wanted.abs().max()))
    assert theirs.config.id2label == dict(enumerate(CLASSES))
    card = (done.path / "README.md").read_text()
    assert "| 2 | tree |" in card
    assert "* steps: 120" in card
    assert "license:" not in card


def test_a_folder_comes_back_exactly(tmp_path: Path) -> None:
    model = mit_b0(early=False)
    done = driftseg.export(save(tmp_path / "m.safetensors", model), "huggingface", tmp_path / "hf")
    back = driftseg.load_model(done.path)
    assert back.classes == CLASSES
    wanted = model.state_dict()
    found = back.module.state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert sorted(path.name for path in done.path.iterdir()) == [
        "README.md", "config.json", "model.safetensors", "preprocessor_config.json",
    ]  # fmt: skip


def test_a_folder_leaves_as_it_came(tmp_path: Path) -> None:
    """Names as it spelt them, and its own preprocessing, also when it has learnt meanwhile."""
    first = driftseg.export(
        save(tmp_path / "m.safetensors", mit_b0()), "huggingface", tmp_path / "first"
    ).path
    config = json.loads((first / "config.json").read_text())
    names = ["Road", "Building", "Tree", "car", "SKY"]
    config["id2label"] = {str(number): name for number, name in enumerate(names)}
    (first / "config.json").write_text(json.dumps(config))
    images = json.loads((first / "preprocessor_config.json").read_text())
    images |= {
        "do_resize": True,
        "size": {"height": 512, "width": 1024},
        "image_std": [0.229, 0.224, 0.225],
    }
    (first / "preprocessor_config.json").write_text(json.dumps(images))
    adapter = driftseg.adapt(driftseg.load_model(first), "tent", learning_rate=1e-2, guard="off")
    adapter.predict(np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8))
    adapter.learn()
    second = driftseg.export(adapter, "huggingface", tmp_path / "second").path
    told = json.loads((second / "config.json").read_text())
    assert [*told["id2label"].values()] == names
    assert told["label2id"] == {name: number for number, name in enumerate(names)}
    assert json.loads((second / "preprocessor_config.json").read_text()) == images
    one, other = (driftseg.load_model(path).module.state_dict() for path in (first, second))
    moved = {name for name in one if not torch.equal(one[name], other[name])}
    assert moved
    assert all("norm" in name for name in moved)


def adapted(kind: str) -> Segmenter:
    model = mit_b0()
    spec = adapter_spec(kind, **({"rank": 2} if kind == "lora" else {"width": 4}))
    attach(model, spec, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for _, one in adapters_of(model):
            for parameter in one.parameters():
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


def test_a_runs_adapters_are_found_and_merged(tmp_path: Path) -> None:
    model = adapted("lora")
    save_adapters(tmp_path / "adapters.safetensors", model, encoder="mit_b0")
    checkpoint = save(tmp_path / "last.safetensors", mit_b0())
    found = driftseg.export(checkpoint, "huggingface", tmp_path / "with").path
    named = driftseg.export(
        checkpoint, "huggingface", tmp_path / "named", adapters=tmp_path / "adapters.safetensors"
    ).path
    without = driftseg.export(checkpoint, "huggingface", tmp_path / "without", adapters="none").path
    given = torch.rand((1, 3, 64, 96), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        wanted, bare = model(given), mit_b0()(given)
        scale = float(wanted.abs().max())
        for path, logits in ((found, wanted), (named, wanted), (without, bare)):
            assert_close(driftseg.load_model(path).module(given), logits, rtol=0, atol=1e-5 * scale)
    assert float((wanted - bare).abs().max()) > 0.01 * scale


def test_what_segformer_cannot_be_is_refused(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        lite = build_segmenter("efficientnet_lite0", classes=5, head_width=16).eval()
    for given, told in (
        (
            lite,
            r"expected a SegFormer \(a MiT encoder and its all-MLP head\), got the encoder "
            r"efficientnet_lite0.*take onnx",
        ),
        (tiny_mit(), r"got the encoder Mit\. To fix: take onnx"),
        (
            adapted("adaptformer"),
            r"cannot be added to its weights \(AdaptFormer\)\. To fix: take onnx",
        ),
        (driftseg.load_model(foreign("plain")), r"got a Plain of your own\. To fix: take onnx"),
    ):
        with pytest.raises(InputError, match=told):
            driftseg.export(given, "huggingface", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_transformers_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        InputError,
        match="expected the library transformers, got no "
        r"installation.*driftseg\[export",
    ):
        driftseg.export(mit_b0(), "huggingface", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
