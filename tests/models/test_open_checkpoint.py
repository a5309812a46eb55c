"""A whole network from files of other projects answers as the network that wrote the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from weight_files import CLASSES, NAMES, WIDTH, State, assert_parity, fresh, save_ours, split

from driftseg.errors import InputError
from driftseg.labels import CITYSCAPES19
from driftseg.models.checkpoints import (
    digest,
    inspect,
    load_checkpoint,
    load_weights,
    open_checkpoint,
    save_checkpoint,
)

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    """transformers' network exactly as it makes and saves it, its own epsilons included."""
    config = transformers.SegformerConfig(
        decoder_hidden_size=WIDTH, id2label=dict(enumerate(CITYSCAPES19.classes))
    )
    torch.manual_seed(5)
    model = transformers.SegformerForSemanticSegmentation(config).eval()
    path = tmp_path_factory.mktemp("published")
    model.save_pretrained(path)
    return model, path


class TestHuggingFace:
    def test_what_transformers_saved(
        self, published: tuple[nn.Module, Path], images: Tensor
    ) -> None:
        theirs, folder = published
        before = torch.random.get_rng_state()
        model, info = open_checkpoint(folder)
        assert torch.equal(torch.random.get_rng_state(), before)
        assert (info.encoder, info.head_width, info.early_head) == ("mit_b0", WIDTH, False)
        assert model.early_head is None
        assert (info.label_space, info.classes) == ("cityscapes19", CITYSCAPES19.classes)
        assert info.classes_known
        assert info.digest == digest(model)
        assert info.notes == ()
        assert_parity(folder, theirs, images)

    def test_weights_of_any_size(self, theirs: nn.Module, folder: Path, images: Tensor) -> None:
        _, info = open_checkpoint(folder)
        assert (info.label_space, info.classes) == ("own", NAMES)
        assert_parity(folder, theirs, images)
        assert_parity(folder / "model.safetensors", theirs, images)

    @pytest.mark.parametrize("suffix", ["safetensors", "bin"])
    def test_pieces_with_an_index(
        self, suffix: str, theirs: nn.Module, folder: Path, tmp_path: Path, images: Tensor
    ) -> None:
        index = split(folder, tmp_path, suffix)
        assert_parity(tmp_path, theirs, images)
        assert_parity(index, theirs, images)
        found = inspect(tmp_path)
        assert found.size > (folder / "model.safetensors").stat().st_size * 0.99
        assert found.refusal is None

    def test_generic_names_are_no_classes(self, tmp_path: Path) -> None:
        config = transformers.SegformerConfig(decoder_hidden_size=WIDTH, num_labels=4)
        transformers.SegformerForSemanticSegmentation(config).save_pretrained(tmp_path)
        _, info = open_checkpoint(tmp_path)
        assert (info.classes_known, info.label_space) == (False, "unknown")
        assert info.classes == ("class 0", "class 1", "class 2", "class 3")
        assert info.notes == (
            "the classes of the 4 outputs are not known (names such as LABEL_0 say nothing)",
        )
        _, named = open_checkpoint(tmp_path, classes=("a", "b", "c", "d"))
        assert (named.classes_known, named.classes, named.notes) == (True, tuple("abcd"), ())
        lines = inspect(tmp_path).lines()
        assert "classes      4, but the file does not name them" in lines
        verdict = next(line for line in lines if line.startswith("checkpoint:"))
        assert "no: " in verdict
        assert "or write them into id2label of its config.json" in verdict


class TestPth:
    def test_nvlabs(self, theirs: nn.Module, nvlabs: State, tmp_path: Path, images: Tensor) -> None:
        palette = [[i, 2 * i, 3 * i] for i in range(CLASSES)]
        path = tmp_path / "segformer.b0.pth"
        torch.save({"state_dict": nvlabs, "meta": {"CLASSES": NAMES, "PALETTE": palette}}, path)
        _, info = open_checkpoint(path)
        assert info.layout == "NVlabs SegFormer"
        assert info.classes == NAMES
        assert info.colours[2] == (2, 4, 6)
        assert len(info.notes) == 1
        assert "decode_head.conv_seg" in info.notes[0]
        assert_parity(path, theirs, images)

    def test_classes_of_later_mmsegmentation(self, nvlabs: State, tmp_path: Path) -> None:
        meta = {"dataset_meta": {"classes": list(NAMES), "palette": [(1, 2, 3)] * CLASSES}}
        torch.save({"state_dict": nvlabs, "meta": meta}, tmp_path / "a.pth")
        _, info = open_checkpoint(tmp_path / "a.pth")
        assert (info.classes, info.colours) == (NAMES, ((1, 2, 3),) * CLASSES)

    def test_hamlet_has_an_early_head(
        self, theirs: nn.Module, hamlet: State, tmp_path: Path, images: Tensor
    ) -> None:
        torch.save(hamlet, tmp_path / "a.pth")
        model, info = open_checkpoint(tmp_path / "a.pth")
        assert info.early_head
        assert model.early_head is not None
        assert torch.equal(
            model.early_head.classifier.weight, hamlet["decode_head.linear_pred_m1.weight"]
        )
        assert_parity(tmp_path / "a.pth", theirs, images)
        plain = {name: tensor for name, tensor in hamlet.items() if "_m1" not in name}
        torch.save(plain, tmp_path / "daformer.pth")
        assert_parity(tmp_path / "daformer.pth", theirs, images)

    @pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
    def test_other_floats_become_float32(
        self, kind: torch.dtype, nvlabs: State, tmp_path: Path
    ) -> None:
        state = {n: t.to(kind) if t.is_floating_point() else t for n, t in nvlabs.items()}
        torch.save(state, tmp_path / "a.pth")
        model, _ = open_checkpoint(tmp_path / "a.pth")
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        wanted = nvlabs["decode_head.linear_pred.weight"].to(kind).float()
        assert torch.equal(model.head.classifier.weight, wanted)


WRAPPERS = [
    ("state_dict",),
    ("model_state_dict",),
    ("model", "state_dict"),
    ("state_dict", "module."),
    ("model", "_orig_mod.module.net."),
    ("checkpoint", "ema.module."),
    ("state_dict", "segmentation_network.student."),
    ("weights", "of", "any", "depth.and.name."),
]


@pytest.mark.parametrize("words", WRAPPERS, ids="/".join)
def test_wrappers_of_any_name_and_depth(
    words: tuple[str, ...], theirs: nn.Module, nvlabs: State, tmp_path: Path, images: Tensor
) -> None:
    held: dict[str, Any] = nvlabs
    for word in reversed(words):
        if word.endswith("."):
            held = {word + name: tensor for name, tensor in held.items()}
        else:
            held = {word: held, "epoch": 3, "optimizer": {"state": {0: {"step": torch.ones(1)}}}}
    torch.save(held, tmp_path / "a.pth")
    _, info = open_checkpoint(tmp_path / "a.pth")
    assert not any("left out" in note and "conv_seg" not in note for note in info.notes)
    assert_parity(tmp_path / "a.pth", theirs, images)


SEVERAL = {
    "mappings": lambda one, two: {"model": one, "model_ema": two},
    "mappings of dicts": lambda one, two: {"state_dict": one, "ema_state_dict": two},
    "prefixes": lambda one, two: {
        "state_dict": {
            **{f"student.{n}": t for n, t in one.items()},
            **{f"teacher.{n}": t for n, t in two.items()},
        }
    },
    "one without": lambda one, two: {**one, **{f"ema_model.{n}": t for n, t in two.items()}},
    "both wrapped": lambda one, two: {
        "state_dict": {
            **{f"model.{n}": t for n, t in one.items()},
            **{f"ema.module.{n}": t for n, t in two.items()},
        }
    },
}


@pytest.mark.parametrize("form", SEVERAL)
def test_the_set_that_is_taken_is_named(form: str, nvlabs: State, tmp_path: Path) -> None:
    bias = "decode_head.linear_pred.bias"
    other = {**nvlabs, bias: nvlabs[bias] + 1}
    torch.save(SEVERAL[form](nvlabs, other), tmp_path / "a.pth")
    model, info = open_checkpoint(tmp_path / "a.pth")
    assert torch.equal(model.head.classifier.bias, nvlabs[bias])
    note = info.notes[0]
    assert note.startswith("the file holds 2 sets of weights: student")
    assert ", teacher (" in note
    assert "; student" in note
    assert "was taken; weights chooses another" in note
    model, info = open_checkpoint(tmp_path / "a.pth", weights="teacher")
    assert torch.equal(model.head.classifier.bias, other[bias])
    assert "; teacher (" in info.notes[0]
    other_model = fresh(early_head=False)
    report = load_weights(other_model, tmp_path / "a.pth", weights="teacher")
    assert digest(other_model) == info.digest
    assert report.lines()[-1] == info.notes[0]
    found = inspect(tmp_path / "a.pth", weights="teacher")
    assert found.roles == ("student", "teacher")
    assert found.weights.startswith("teacher (")
    with pytest.raises(
        InputError,
        match=r"/a\.pth: expected a set of weights of the file, got "
        r"'static'\. To fix: choose from",
    ):
        open_checkpoint(tmp_path / "a.pth", weights="static")


def test_sets_of_one_kind_have_the_names_of_their_wrappers(nvlabs: State, tmp_path: Path) -> None:
    torch.save({"net_a": nvlabs, "net_b": nvlabs}, tmp_path / "a.pth")
    assert (
        open_checkpoint(tmp_path / "a.pth")[1]
        .notes[0]
        .startswith("the file holds 2 sets of weights: net_a, net_b; net_a was taken")
    )
    open_checkpoint(tmp_path / "a.pth", weights="net_b")
    torch.save({"a": {"net": nvlabs}, "b": {"net": nvlabs}}, tmp_path / "b.pth")
    with pytest.raises(
        InputError, match="expected the name of one set of weights, got 'net', the name of 2 sets"
    ):
        open_checkpoint(tmp_path / "b.pth", weights="net")


def test_tensors_outside_every_network_are_told(nvlabs: State, tmp_path: Path) -> None:
    held = {**{f"net.{n}": t for n, t in nvlabs.items()}, "criterion.weight": torch.ones(5)}
    torch.save(held, tmp_path / "a.pth")
    _, info = open_checkpoint(tmp_path / "a.pth")
    assert info.notes[0] == (
        "some tensors of the file belong to no network that driftseg knows and were left out: "
        "criterion.weight"
    )


class TestSaving:
    def test_an_opened_network_becomes_our_own_file(self, folder: Path, tmp_path: Path,
                                                    images: Tensor) -> None:  # fmt: skip
        model, info = open_checkpoint(folder)
        save_checkpoint(
            tmp_path / "own.safetensors", model, encoder=info.encoder, head_width=info.head_width,
            label_space=info.label_space, classes=info.classes,
        )  # fmt: skip
        again, own = open_checkpoint(tmp_path / "own.safetensors")
        with torch.no_grad():
            assert_close(again(images), model(images), rtol=0, atol=1e-6)
        assert (own.classes, own.digest, own.layout) == (NAMES, info.digest, "driftseg")
        assert load_checkpoint(tmp_path / "own.safetensors")[1] == own

    def test_colours_and_missing_names_are_kept(self, nvlabs: State, tmp_path: Path) -> None:
        colours = tuple((i, i, i) for i in range(CLASSES))
        path = tmp_path / "own.safetensors"
        save_ours(path, fresh(), colours=colours, classes_known=False)
        _, info = open_checkpoint(path)
        assert (info.colours, info.classes_known) == (colours, False)
        assert inspect(path).classes_known is False

    def test_files_without_such_facts_are_as_they_were(self, tmp_path: Path) -> None:
        save_ours(tmp_path / "a.safetensors", fresh())
        facts = json.loads((tmp_path / "a.json").read_text())
        assert sorted(facts) == [
            "classes", "digest", "early_head", "encoder", "extra", "format_version", "half",
            "head_width", "label_space",
        ]  # fmt: skip
