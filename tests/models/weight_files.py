"""Small networks with known random weights, in the layouts of other projects."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.testing import assert_close

from driftseg.models.checkpoints import open_checkpoint, save_checkpoint
from driftseg.models.segmenter import Segmenter, build_segmenter

State = dict[str, Tensor]
NAMES = ("road", "building", "tree", "car", "sky")
CLASSES, WIDTH = len(NAMES), 32
RANDOM_HEADS = ("head", "early_head")


def draw(state: State, seed: int) -> None:
    """Random values of a sane scale for every tensor, norms and statistics included."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            continue
        values = torch.randn(tensor.shape, generator=generator)
        if name.endswith("running_var"):
            values = 0.5 + values.abs()
        elif tensor.ndim > 1:
            values = values / tensor[0].numel() ** 0.5
        else:
            values = 0.3 * values + (1 if name.endswith("weight") else 0)
        tensor.copy_(values)


def fresh(encoder: str = "mit_b0", classes: int = CLASSES, **options: Any) -> Segmenter:
    torch.manual_seed(0)
    return build_segmenter(encoder, classes=classes, head_width=WIDTH, **options).eval()


def publish_epsilons(theirs: nn.Module) -> None:
    """Sets the published epsilon in every LayerNorm of a network of transformers."""
    for path, module in theirs.named_modules():
        if isinstance(module, nn.LayerNorm):
            early = "patch_embeddings" in path or "sequence_reduction" in path
            module.eps = 1e-5 if early else 1e-6


def to_nvlabs(state: State) -> State:
    """A Hugging Face file's tensors as NVlabs' training writes them, rewritten by patterns."""
    state = dict(state)
    for stage in range(4):
        for block in range(2):
            start = f"segformer.encoder.block.{stage}.{block}.attention.self."
            for leaf in ("weight", "bias"):
                pair = [state.pop(f"{start}{word}.{leaf}") for word in ("key", "value")]
                state[f"{start}kv.{leaf}"] = torch.cat(pair)
    one_higher = {str(i): str(i + 1) for i in range(4)}
    rules = (
        (r"^segformer\.encoder\.", "backbone."),
        (r"patch_embeddings\.(\d)\.layer_norm", r"patch_embed<\1>.norm"),
        (r"patch_embeddings\.(\d)", r"patch_embed<\1>"),
        (r"backbone\.layer_norm\.(\d)", r"backbone.norm<\1>"),
        (r"block\.(\d)", r"block<\1>"),
        (r"attention\.self\.query", "attn.q"),
        (r"attention\.self\.kv", "attn.kv"),
        (r"attention\.self\.sr", "attn.sr"),
        (r"attention\.self\.layer_norm", "attn.norm"),
        (r"attention\.output\.dense", "attn.proj"),
        (r"layer_norm_([12])", r"norm\1"),
        (r"mlp\.dense([12])", r"mlp.fc\1"),
        (r"linear_c\.(\d)", r"linear_c<\1>"),
        (r"linear_fuse", "linear_fuse.conv"),
        (r"decode_head\.batch_norm", "decode_head.linear_fuse.bn"),
        (r"decode_head\.classifier", "decode_head.linear_pred"),
        (r"<(\d)>", lambda match: one_higher[match[1]]),
    )  # fmt: skip
    renamed = {}
    for name, tensor in state.items():
        for pattern, text in rules:
            name = re.sub(pattern, text, name)
        renamed[name] = tensor
    renamed["decode_head.conv_seg.weight"] = torch.zeros(CLASSES, 128, 1, 1)
    renamed["decode_head.conv_seg.bias"] = torch.zeros(CLASSES)
    return renamed


def to_hamlet(nvlabs: State) -> State:
    """NVlabs' tensors in HAMLET's naming and order, with an early head of its own."""
    state = {re.sub(r"linear_c(\d)", lambda m: f"linear_c.{int(m[1]) - 1}", n): t
             for n, t in nvlabs.items()}  # fmt: skip
    fuse = state["decode_head.linear_fuse.conv.weight"]
    blocks = [fuse[:, i * WIDTH : (i + 1) * WIDTH] for i in range(4)]
    state["decode_head.linear_fuse.conv.weight"] = torch.cat(blocks[::-1], dim=1)
    early = {
        "decode_head.linear_fuse_m1.conv.weight": torch.empty(WIDTH, WIDTH, 1, 1),
        **{
            f"decode_head.linear_fuse_m1.bn.{leaf}": torch.empty(WIDTH)
            for leaf in ("weight", "bias", "running_mean", "running_var")
        },
        "decode_head.linear_pred_m1.weight": torch.empty(CLASSES, WIDTH, 1, 1),
        "decode_head.linear_pred_m1.bias": torch.empty(CLASSES),
    }
    draw(early, seed=2)
    return {**state, **early}


@torch.no_grad()
def assert_same_logits(model: Segmenter, theirs: nn.Module, images: Tensor) -> None:
    wanted = theirs(model.start(images).x).logits
    assert_close(model(images), wanted, rtol=0, atol=1e-4 * wanted.abs().max().item())


def split(folder: Path, out: Path, suffix: str) -> Path:
    """A folder's weights in two pieces and an index, as large models are saved."""
    state = load_file(folder / "model.safetensors")
    stem = {"safetensors": "model", "bin": "pytorch_model"}[suffix]
    names = list(state)
    halves = {f"{stem}-0000{i + 1}-of-00002.{suffix}": names[i::2] for i in range(2)}
    for file, held in halves.items():
        piece = {name: state[name] for name in held}
        if suffix == "bin":
            torch.save(piece, out / file)
        else:
            save_file(piece, out / file)
    index = out / f"{stem}.{suffix}.index.json"
    places = {name: file for file, held in halves.items() for name in held}
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    (out / "config.json").write_text((folder / "config.json").read_text())
    return index


def assert_parity(source: str | Path, theirs: nn.Module, images: Tensor, **options: Any) -> None:
    """An opened network answers as the one that the file is from."""
    model, _ = open_checkpoint(source, **options)
    assert not model.training
    with torch.no_grad():
        wanted = theirs(model.start(images).x).logits
        assert_close(model(images), wanted, rtol=0, atol=1e-5)


def hub_answers(monkeypatch: pytest.MonkeyPatch, files: list[str]) -> None:
    """A hub whose models hold these files, and a computer that has none of them yet."""
    siblings = [SimpleNamespace(rfilename=name) for name in files]

    def model_info(self: object, hub_id: str, timeout: float) -> SimpleNamespace:
        return SimpleNamespace(siblings=siblings)

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *names: None)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", model_info)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


def save_ours(path: Path, model: Segmenter, **options: Any) -> None:
    facts: dict[str, Any] = {
        "encoder": "mit_b0", "head_width": WIDTH, "label_space": "toy", "classes": NAMES,
    }  # fmt: skip
    save_checkpoint(path, model, **{**facts, **options})
