"""Our own checkpoints: what is written is what is read, or an error."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.testing import assert_close
from weight_files import (
    NAMES,
    WIDTH,
    draw,
    fresh,
    save_ours,
)

from driftseg.errors import InputError
from driftseg.models.checkpoints import (
    digest,
    load_checkpoint,
    load_weights,
    read_info,
)
from driftseg.models.segmenter import build_segmenter


def test_an_encoder_that_is_a_part_of_lite0_is_an_encoder_of_its_own(
    tmp_path: Path, images: Tensor
) -> None:
    model = build_segmenter("tiny_networks:tiny_lite", classes=len(NAMES), head_width=WIDTH).eval()
    path = tmp_path / "a.safetensors"
    save_ours(path, model, encoder="tiny_networks:tiny_lite")
    again, info = load_checkpoint(path)
    assert info.encoder == "tiny_networks:tiny_lite"
    with torch.no_grad():
        assert torch.equal(again(images), model(images))
    with pytest.raises(ValueError, match="expected heads of width 5, got"):
        save_ours(path, model, encoder="tiny_networks:tiny_lite", head_width=5)


@pytest.mark.parametrize("early_head", [True, False])
def test_our_own_round_trip(tmp_path: Path, early_head: bool, images: Tensor) -> None:
    model = fresh(early_head=early_head)
    draw(model.state_dict(), seed=6)
    path = tmp_path / "deeper" / "a.safetensors"
    save_ours(path, model, extra={"miou": 0.5})
    path.with_suffix(".json").unlink()  # the file alone suffices
    before = torch.random.get_rng_state()
    again, info = load_checkpoint(path)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not again.training
    assert digest(again) == digest(model) == info.digest
    assert (info.encoder, info.head_width, info.early_head) == ("mit_b0", WIDTH, early_head)
    assert (info.label_space, info.classes, info.half) == ("toy", NAMES, False)
    assert info.extra == {"miou": 0.5}
    with torch.no_grad():
        assert torch.equal(again(images), model(images))
    other = fresh(early_head=early_head)
    assert load_weights(other, path).layout == "driftseg"
    assert digest(other) == digest(model)


def test_half_precision(tmp_path: Path, images: Tensor) -> None:
    model = fresh()
    draw(model.state_dict(), seed=7)
    save_ours(tmp_path / "whole.safetensors", model)
    save_ours(tmp_path / "half.safetensors", model, half=True)
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("half", "whole")]
    assert sizes[0] < 0.55 * sizes[1]
    again, info = load_checkpoint(tmp_path / "half.safetensors")
    assert info.half
    assert info.digest == digest(again) != digest(model)
    assert {p.dtype for p in again.parameters()} == {torch.float32}
    assert torch.equal(again.head.norm.running_var, model.head.norm.running_var)
    with torch.no_grad():
        wanted = model(images)
        assert_close(again(images), wanted, rtol=0, atol=0.01 * wanted.abs().max().item())


def test_half_precision_keeps_what_does_not_fit(tmp_path: Path) -> None:
    model = fresh()
    with torch.no_grad():
        model.head.fuse.weight[0, 0] = 1e6
    save_ours(tmp_path / "a.safetensors", model, half=True)
    again, _ = load_checkpoint(tmp_path / "a.safetensors")
    assert torch.equal(again.head.fuse.weight, model.head.fuse.weight)


def test_the_sidecar_repeats_the_facts(tmp_path: Path) -> None:
    save_ours(tmp_path / "a.safetensors", fresh())
    facts = json.loads((tmp_path / "a.json").read_text())
    info = read_info(tmp_path / "a.safetensors")
    assert (facts["encoder"], tuple(facts["classes"])) == (info.encoder, info.classes)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.safetensors"]


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.safetensors"
    save_ours(path, fresh())
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    model = fresh()
    draw(model.state_dict(), seed=8)
    with pytest.raises(OSError, match="no space"):
        save_ours(path, model)
    assert path.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.safetensors"]


@pytest.mark.parametrize(
    "wrong", [{"encoder": "mit_b1"}, {"head_width": 7}, {"classes": ("road",)}]
)
def test_facts_that_do_not_fit_are_not_written(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(
        ValueError,
        match=r"^expected (the encoder mit_b1|heads of width 7|\d+ class names, one for each)",
    ):
        save_ours(tmp_path / "a.safetensors", fresh(), **wrong)
    assert list(tmp_path.iterdir()) == []


def test_our_own_refusals(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a \.safetensors file for a checkpoint, got "):
        save_ours(tmp_path / "a.pth", fresh())
    with pytest.raises(InputError, match="expected a checkpoint of driftseg, got another file"):
        load_checkpoint(folder / "model.safetensors")
    with pytest.raises(
        InputError, match="expected a checkpoint file, got a path where there is none"
    ):
        load_checkpoint(tmp_path / "absent.safetensors")

    path = tmp_path / "a.safetensors"
    save_ours(path, fresh())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged"):
        load_checkpoint(path)
    path.write_bytes(content[:-10])
    with pytest.raises(InputError, match="truncated"):
        load_checkpoint(path)

    later = {"driftseg": json.dumps({"format_version": 99})}
    save_file({"a": torch.zeros(1)}, path, later)
    with pytest.raises(InputError, match="install a later driftseg"):
        read_info(path)
    for damaged in ("{", "[]", '{"format_version": 1}'):
        save_file({"a": torch.zeros(1)}, path, {"driftseg": damaged})
        with pytest.raises(
            InputError,
            match=r"expected readable driftseg metadata, got an error \(",
        ):
            read_info(path)


def test_digest_sees_names_shapes_and_values() -> None:
    model = fresh()
    first = digest(model)
    assert re.fullmatch(r"[0-9a-f]{12}", first)
    assert digest(fresh()) == first
    with torch.no_grad():
        model.head.norm.running_mean[0] += 1e-7
    assert digest(model) != first
    assert digest(fresh(early_head=False)) != first
