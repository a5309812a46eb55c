"""What cannot be opened is refused by name, in one line, by open_checkpoint and by inspect."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from weight_files import NAMES, RANDOM_HEADS, State, fresh

from driftseg.errors import InputError
from driftseg.models.checkpoints import inspect, load_weights, open_checkpoint

transformers = pytest.importorskip("transformers")


def refuse(source: Path | str, match: str, **options: Any) -> None:
    with pytest.raises(InputError, match=match) as caught:
        open_checkpoint(source, **options)
    assert "\n" not in str(caught.value)


def refuse_and_tell(source: Path, match: str) -> None:
    """By both, with the same words."""
    refuse(source, match)
    with pytest.raises(InputError, match=match) as caught:
        open_checkpoint(source)
    assert inspect(source).lines()[-1] == f"checkpoint:  no: {caught.value}"


def changed(folder: Path, out: Path, **settings: Any) -> Path:
    """A folder's weights with another config.json."""
    out.mkdir(exist_ok=True)
    if not (out / "model.safetensors").exists():
        (out / "model.safetensors").symlink_to(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    (out / "config.json").write_text(json.dumps({**config, **settings}))
    return out


SETTINGS = {
    "num_attention_heads": ([1, 2, 4, 8], r"\[1, 2, 5, 8\]"),
    "strides": ([4, 2, 2, 1], r"\[4, 2, 2, 2\]"),
    "patch_sizes": ([3, 3, 3, 3], r"\[7, 3, 3, 3\]"),
    "sr_ratios": ([8, 4, 2, 2], r"\[8, 4, 2, 1\]"),
    "mlp_ratios": ([4, 4, 4, 8], r"\[4, 4, 4, 4\]"),
    "hidden_sizes": ([64, 128, 320, 512], r"\[32, 64, 160, 256\]"),
    "depths": ([2, 2, 2, 3], r"\[2, 2, 2, 2\]"),
    "hidden_act": ("relu", "gelu"),
    "num_channels": (4, "3"),
    "num_encoder_blocks": (3, "4"),
    "layer_norm_eps": (0.001, "1e-06 or 1e-05"),
    "qkv_bias": (False, "True"),
    "use_absolute_position_embeddings": (True, "False"),
}


@pytest.mark.parametrize("key", SETTINGS)
def test_settings_of_another_function(key: str, folder: Path, tmp_path: Path) -> None:
    value, ours = SETTINGS[key]
    path = changed(folder, tmp_path / "a", **{key: value})
    refuse_and_tell(
        path, rf"expected {key} = {ours} as in driftseg's mit_b0, got .* in config\.json"
    )
    with pytest.raises(InputError, match=rf"expected {key} = {ours} as in "):
        load_weights(fresh(early_head=False), path)


def test_settings_that_the_tensors_contradict(folder: Path, tmp_path: Path) -> None:
    path = changed(folder, tmp_path / "a", decoder_hidden_size=64)
    refuse_and_tell(
        path,
        "expected decoder_hidden_size = 32, as the tensors have, got 64 in "
        r"config\.json.*give",
    )
    names = {str(i): f"c{i}x" for i in range(4)}
    refuse_and_tell(
        changed(folder, tmp_path / "a", id2label=names),
        "expected number of classes in id2label = 5, as the tensors have, got 4 in "
        r"config\.json.*give",
    )
    refuse_and_tell(
        changed(folder, tmp_path / "a", model_type="swin"),
        r"expected a config\.json of Hugging Face SegFormer \(names of transformers 4\), which "
        r"the tensors are, got that.*model",
    )
    refuse(
        changed(folder, tmp_path / "a", id2label={"0": "a", "2": "b"}),
        "expected one class for each id from 0 on in id2label, got ids 0, 2,",
    )
    refuse(
        changed(folder, tmp_path / "a", id2label=["a"]),
        "expected one class for each id from 0 on in id2label,",
    )
    (tmp_path / "a" / "config.json").write_text("{")
    refuse(
        tmp_path / "a",
        r"expected JSON, got an error \(Expecting property name enclosed in "
        r"double quotes: line 1 column 2 \(char 1\)\).*fetch or copy it "
        "again",
    )
    (tmp_path / "a" / "config.json").write_text("[1]")
    refuse(tmp_path / "a", "expected settings by name, got none")


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("image_mean", [0.5, 0.5, 0.5], r"image_mean = \[0\.485, 0\.456, 0\.406\], got"),
        ("image_std", [1.0], r"\[0\.229, 0\.224, 0\.225\]"),
        ("rescale_factor", 1.0, r"\[0\.0039\]"),
        ("do_normalize", False, "do_normalize = true, got false"),
    ],
)
def test_images_that_are_normalised_otherwise(
    key: str, value: object, match: str, folder: Path, tmp_path: Path
) -> None:
    path = changed(folder, tmp_path / "a")
    settings = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
                "rescale_factor": 0.00392156862745098, "do_normalize": True}  # fmt: skip
    (path / "preprocessor_config.json").write_text(json.dumps(settings))
    open_checkpoint(path)
    (path / "preprocessor_config.json").write_text(json.dumps({**settings, key: value}))
    refuse_and_tell(path, rf"expected .*{match}.* in the settings\. To fix: give a network")


def test_images_of_mmsegmentation(nvlabs: State, tmp_path: Path) -> None:
    text = "img_norm_cfg = dict(\n    mean=[{}, 116.28, 103.53], std=[58.395, 57.12, 57.375])"
    for mean in (123.675, 100.0):
        meta = {"CLASSES": NAMES, "config": text.format(mean)}
        torch.save({"state_dict": nvlabs, "meta": meta}, tmp_path / f"{mean}.pth")
    open_checkpoint(tmp_path / "123.675.pth")
    refuse_and_tell(
        tmp_path / "100.0.pth",
        "expected images prepared with image_mean = "
        r"\[0\.485, 0\.456, 0\.406\], got "
        r"\[0\.39215686274509803, 0\.456, 0\.406\] in",
    )


def test_code_and_quantisation_in_the_settings(folder: Path, tmp_path: Path) -> None:
    path = changed(folder, tmp_path / "a", auto_map={"AutoModel": "modeling.Own"})
    refuse_and_tell(
        path,
        r"expected a plain SegFormer or Swin, got auto_map in config\.json, "
        "that is code of its own",
    )
    path = changed(folder, tmp_path / "a", quantization_config={"bits": 8})
    refuse_and_tell(path, r"got quantization_config in config\.json, that is quantised weights")


QUERY = "backbone.block1.0.attn.q.weight"


def _as_int8(state: State) -> State:
    return {**state, QUERY: (state[QUERY] * 50).to(torch.int8)}


def _as_fp8(state: State) -> State:
    return {**state, QUERY: state[QUERY].to(torch.float8_e4m3fn)}


def _with_scale(state: State) -> State:
    return {**_as_int8(state), QUERY + "_scale": torch.ones(1)}


def _as_qint8(state: State) -> State:
    return {**state, QUERY: torch.quantize_per_tensor(state[QUERY], 0.1, 0, torch.qint8)}


@pytest.mark.filterwarnings("ignore")  # torch warns that its own quantised tensors will go
@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            _as_int8,
            "expected plain numbers, got int8 in "
            r"backbone\.block1\.0\.attn\.q\.weight.*weights in float16",
        ),
        (
            _as_fp8,
            "expected plain numbers, got float8_e4m3fn in "
            r"backbone\.block1\.0\.attn\.q\.weight",
        ),
        (
            _with_scale,
            "expected plain weights, got quantised ones "
            r"\(backbone\.block1\.0\.attn\.q\.weight_scale belongs to a "
            r"quantisation\)",
        ),
        (
            _as_qint8,
            "expected plain weights, got quantised ones "
            r"\(backbone\.block1\.0\.attn\.q\.weight is quantised\)",
        ),
    ],
    ids=["int8", "fp8", "scale", "qint8"],
)
def test_quantised_tensors(
    change: Callable[[State], State], match: str, nvlabs: State, tmp_path: Path
) -> None:
    torch.save(change(nvlabs), tmp_path / "a.pth")
    refuse_and_tell(tmp_path / "a.pth", match)
    with pytest.raises(InputError, match=match):
        load_weights(fresh(early_head=False), tmp_path / "a.pth")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("backbone.block1.0.adapter.down.weight", "encoder"),
        ("backbone.block1.0.attn.q.lora_A", "encoder"),
        ("backbone.pos_embed1", "encoder"),
        ("backbone.prompt.weight", "encoder"),
        ("decode_head.attention.weight", "head"),
        ("neck.convs.0.weight", "neck"),
    ],
)
def test_tensors_that_nobody_knows(name: str, part: str, nvlabs: State, tmp_path: Path) -> None:
    torch.save({**nvlabs, name: torch.ones(32)}, tmp_path / "a.pth")
    refuse_and_tell(
        tmp_path / "a.pth",
        rf"expected tensors of the layout NVlabs SegFormer, got {name}, without which the network",
    )
    if part == "encoder":
        with pytest.raises(InputError, match=f"NVlabs SegFormer, got {name}, without which"):
            load_weights(fresh(early_head=False), tmp_path / "a.pth")


def test_heads_that_are_not_used_are_left_out(nvlabs: State, tmp_path: Path) -> None:
    other = {
        "auxiliary_head.conv_seg.weight": torch.ones(5, 32, 1, 1),
        "loss.weight": torch.ones(5),
    }
    torch.save({**nvlabs, **other}, tmp_path / "a.pth")
    _, info = open_checkpoint(tmp_path / "a.pth")
    assert any("auxiliary_head.conv_seg.weight" in note for note in info.notes)


def test_no_head_or_another_head(nvlabs: State, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    encoder = {name: t for name, t in nvlabs.items() if name.startswith("backbone.")}
    torch.save(encoder, path)
    refuse_and_tell(
        path,
        r"expected an encoder and a head of driftseg, got an encoder, but no head .*"
        rf"model\.encoder=mit_b0, model\.weights={path} and model\.may_stay_random=\[head, early",
    )
    torch.save({**encoder, "decode_head.embed_layers.0.proj.weight": torch.ones(8, 32)}, path)
    refuse_and_tell(
        path, r"got a head that driftseg does not have \(decode_head\.embed_layers\.0\.proj"
    )
    assert load_weights(fresh(), path, may_stay_random=RANDOM_HEADS).random


def test_upernet_gives_its_encoder(tmp_path: Path) -> None:
    backbone = transformers.SwinConfig(out_features=[f"stage{i}" for i in range(1, 5)])
    config = transformers.UperNetConfig(
        backbone_config=backbone, hidden_size=16, auxiliary_channels=8, num_labels=3
    )
    transformers.UperNetForSemanticSegmentation(config).save_pretrained(tmp_path)
    refuse_and_tell(tmp_path, r"a head that driftseg does not have.*model\.encoder=swin_t")
    model = fresh("swin_t")
    assert {n.split(".")[0] for n in load_weights(
        model, tmp_path, may_stay_random=RANDOM_HEADS
    ).random} == {"head", "early_head"}  # fmt: skip
    settings = json.loads((tmp_path / "config.json").read_text())
    for key, value in {"window_size": 12, "use_absolute_embeddings": True, "mlp_ratio": 2.0,
                       "num_heads": [2, 4, 8, 16], "patch_size": 2, "layer_norm_eps": 1e-3,
                       }.items():  # fmt: skip
        inner = {**settings["backbone_config"], key: value}
        (tmp_path / "config.json").write_text(json.dumps({**settings, "backbone_config": inner}))
        refuse(tmp_path, rf"expected {key} = .* as in driftseg's swin_t, got ")
