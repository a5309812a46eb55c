"""Files that cannot be opened are told for what they are: pieces, adapters, other sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from weight_files import CLASSES, State, fresh, save_ours, split

from driftseg.errors import InputError
from driftseg.models.checkpoints import inspect, load_weights, open_checkpoint
from driftseg.models.segmenter import Segmenter, build_segmenter

transformers = pytest.importorskip("transformers")

SWIN = {"embed_dim": 96, "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24]}
STAGES = ["stage1", "stage2", "stage3", "stage4"]


def swin() -> Segmenter:
    with torch.random.fork_rng():
        return build_segmenter("swin_t", classes=5, head_width=16, early_head=False)


def swin_file(path: Path, **changes: object) -> Path:
    """A SwinBackbone's weights alone, without its config.json."""
    config = transformers.SwinConfig(**SWIN, out_features=STAGES, **changes)
    save_file(transformers.SwinBackbone(config).state_dict(), path)
    return path


def told(source: Path) -> str:
    """What open_checkpoint says; inspect says the same, or that a run cannot take the file."""
    with pytest.raises(InputError) as caught:
        open_checkpoint(source)
    text = str(caught.value)
    assert "\n" not in text
    assert inspected(source) == text
    return text


def inspected(source: Path) -> str | None:
    try:
        return inspect(source).refusal
    except InputError as error:
        return str(error)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"window_size": 12}, "(attention windows of 12, driftseg's of 7)"),
        ({"mlp_ratio": 2.0}, "(feed-forward 2 times as wide, driftseg's 4 times)"),
        (
            {"qkv_bias": False},
            "with the widths and depths of swin_t and another structure",
        ),
    ],
)
def test_a_swin_of_the_same_widths_that_is_built_otherwise(
    changes: dict, words: str, tmp_path: Path
) -> None:
    path = swin_file(tmp_path / "a.safetensors", **changes)
    assert words in told(path)
    with pytest.raises(InputError) as caught:
        load_weights(swin(), path, parts=["encoder"])
    assert words in str(caught.value)
    assert "looks like swin_t, the model is swin_t" not in str(caught.value)


def test_absolute_positions(tmp_path: Path) -> None:
    path = swin_file(tmp_path / "a.safetensors", use_absolute_embeddings=True)
    assert "something else. To fix: give a network without absolute position embeddings" in told(
        path
    )
    with pytest.raises(InputError, match="a network without absolute position embeddings"):
        load_weights(swin(), path, parts=["encoder"])


def test_timm_s_swin_gives_its_features(tmp_path: Path) -> None:
    """It is Microsoft's but for where merging is filed, which was taken for another encoder."""
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    theirs = timm.create_model("swin_tiny_patch4_window7_224", pretrained=False, img_size=448)
    theirs = theirs.eval()
    with torch.no_grad():
        for norm in (m for m in theirs.modules() if isinstance(m, torch.nn.LayerNorm)):
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.normal_(0, 0.1)
    torch.save(theirs.state_dict(), tmp_path / "timm.pth")
    model = swin().eval()
    report = load_weights(
        model, tmp_path / "timm.pth", parts=["encoder"], may_stay_random=["output_norms"]
    )
    assert report.layout == "timm Swin"
    images = torch.rand(1, 3, 448, 448)  # where no map is one window, which none shifts
    with torch.no_grad():
        x, ours = model.start(images).x, theirs.patch_embed(model.start(images).x)
        for stage, layer in enumerate(theirs.layers):
            x, ours = model.encoder.stage(stage, x), layer(ours)
            wanted = ours.permute(0, 3, 1, 2)
            torch.testing.assert_close(x, wanted, rtol=0, atol=2e-5 * float(wanted.abs().max()))


def test_timm_s_window_and_its_second_version(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    for name, words in (
        ("swin_tiny_patch4_window7_224", "driftseg's of 7"),
        ("swinv2_tiny_window8_256", "is a Swin V2, which driftseg does not have"),
    ):
        changes = {"window_size": 14} if "v2" not in name else {}
        theirs = timm.create_model(name, pretrained=False, **changes)
        torch.save(theirs.state_dict(), tmp_path / "timm.pth")
        assert words in told(tmp_path / "timm.pth")


def test_one_piece_of_several(tmp_path: Path, nvlabs: State, folder: Path) -> None:
    index = split(folder, tmp_path, "safetensors")
    piece = tmp_path / "model-00001-of-00002.safetensors"
    assert told(piece) == (
        f"{piece}: expected a whole checkpoint, got piece 1 of 2. To fix: give the folder "
        f"{tmp_path}, or its model.safetensors.index.json"
    )
    open_checkpoint(tmp_path)
    index.unlink()
    wanted = (
        f"{piece}: expected a whole checkpoint, got piece 1 of 2. To fix: fetch "
        f"model.safetensors.index.json and all pieces into {tmp_path}, and give that folder"
    )
    assert told(tmp_path) == told(piece) == wanted


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ({"student": [torch.zeros(2)]}, "'student' (a list of 1 without names)"),
        ({"student": None, "epoch": 3}, "'student' (NoneType), 'epoch' (int)"),
        ({"student": {}}, "'student' (a mapping of 0 names)"),
        ({"optimizer": {"state": {0: torch.zeros(2)}}}, "'optimizer' (state of training)"),
        ({}, "nothing"),
    ],
)
def test_a_file_without_named_tensors(held: dict, words: str, tmp_path: Path) -> None:
    torch.save(held, tmp_path / "a.pth")
    assert f"expected named tensors, got {words}. To fix: give a file" in told(tmp_path / "a.pth")


@pytest.mark.filterwarnings("ignore")  # of PEFT, on names that torch will drop
def test_adapters_of_peft(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    config = transformers.SegformerConfig(num_labels=CLASSES, decoder_hidden_size=32)
    model = transformers.SegformerForSemanticSegmentation(config)
    names = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    target = "q_proj" if "q_proj" in names else "query"
    model = peft.get_peft_model(model, peft.LoraConfig(target_modules=[target], r=2))
    torch.save(model.state_dict(), tmp_path / "whole.pth")
    assert "To fix: save model.merge_and_unload(), which merges the adapters of PEFT" in told(
        tmp_path / "whole.pth"
    )
    model.save_pretrained(tmp_path / "alone")
    wanted = "expected a network, got adapters of PEFT alone"
    assert wanted in told(tmp_path / "alone")
    assert wanted in told(tmp_path / "alone" / "adapter_model.safetensors")
    torch.save(model.merge_and_unload().state_dict(), tmp_path / "merged.pth")
    open_checkpoint(tmp_path / "merged.pth")


@pytest.mark.filterwarnings("ignore")  # torch warns that sparse tensors are new
@pytest.mark.parametrize("kind", ["sparse", "csr", "meta"])
def test_tensors_without_plain_numbers(kind: str, nvlabs: State, tmp_path: Path) -> None:
    name = "backbone.block1.0.attn.q.weight"
    change = {"sparse": "to_sparse", "csr": "to_sparse_csr"}
    made = nvlabs[name].to("meta") if kind == "meta" else getattr(nvlabs[name], change[kind])()
    torch.save({**nvlabs, name: made}, tmp_path / "a.pth")
    text = told(tmp_path / "a.pth")
    assert f"got {name}, which" in text
    assert "expected a dense tensor of numbers" in text


def test_our_own_files_hold_floats(tmp_path: Path) -> None:
    """Integers of the right shape and digest would be copied as numbers."""
    import json

    from driftseg.models.checkpoints.own import METADATA_KEY, digest_tensors, read_metadata

    save_ours(tmp_path / "a.safetensors", fresh(early_head=False))
    state = load_file(tmp_path / "a.safetensors")
    name = "encoder.stages.0.embedding.projection.weight"
    state[name] = (state[name] * 100).to(torch.int8)
    facts = json.loads(read_metadata(tmp_path / "a.safetensors")[METADATA_KEY])
    facts["digest"] = digest_tensors(state)
    save_file(state, tmp_path / "a.safetensors", {METADATA_KEY: json.dumps(facts)})
    assert f"expected plain numbers, got int8 in {name}" in told(tmp_path / "a.safetensors")
