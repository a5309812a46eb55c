"""Runs take a checkpoint in whatever form a user has it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn
from typer.testing import CliRunner
from whole_runs import play

from driftseg.cli.main import app
from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.labels import CAMVID11
from driftseg.models.checkpoints import load_checkpoint
from driftseg.runs.build import build

transformers = pytest.importorskip("transformers")

SHUFFLED = (*CAMVID11.classes[4:], *CAMVID11.classes[:4])


@pytest.fixture
def segformer(tmp_path: Path):
    def make(names: tuple[str, ...], where: str = "mit_b0") -> Path:
        torch.manual_seed(2)
        config = transformers.SegformerConfig(
            decoder_hidden_size=16, id2label=dict(enumerate(names))
        )
        model = transformers.SegformerForSemanticSegmentation(config)
        with torch.no_grad():  # so that every output is answered somewhere
            nn.init.normal_(model.decode_head.classifier.weight)
        model.save_pretrained(tmp_path / where)
        return tmp_path / where

    return make


def rows(done) -> list:
    return [(row["intersection"], row["union"]) for row in done.frames]


SOURCE_ONLY = {"method": {"name": "source_only"}, "source": None}


def test_a_folder_in_another_order_scores_alike(tiny_run, segformer, tmp_path: Path) -> None:
    """The same weights, once in the target's order and once in another."""
    straight = segformer(CAMVID11.classes, "straight")
    shuffled = segformer(SHUFFLED, "shuffled")
    one = transformers.SegformerForSemanticSegmentation.from_pretrained(straight)
    two = transformers.SegformerForSemanticSegmentation.from_pretrained(shuffled)
    places = [CAMVID11.classes.index(name) for name in SHUFFLED]
    with torch.no_grad():
        two.decode_head.classifier.weight.copy_(one.decode_head.classifier.weight[places])
        two.decode_head.classifier.bias.copy_(one.decode_head.classifier.bias[places])
    two.save_pretrained(shuffled)
    done = [play({**tiny_run, **SOURCE_ONLY, "checkpoint": str(p)}) for p in (straight, shuffled)]
    assert rows(done[0]) == rows(done[1])
    assert any(sum(row["intersection"]) for row in done[0].frames)
    notes = [each.environment["notes"] for each in done]
    moved = "the checkpoint's classes stand in another order"
    assert [any(note.startswith(moved) for note in each) for each in notes] == [False, True]


def test_a_folder_learns_and_is_kept(tiny_run, segformer) -> None:
    folder = segformer(CAMVID11.classes)
    done = play({**tiny_run, "checkpoint": str(folder), "keep_checkpoint": True})
    _, info = load_checkpoint(done.path / "checkpoints" / "last.safetensors")
    assert (info.classes, info.encoder, info.early_head) == (CAMVID11.classes, "mit_b0", False)


def only_right(done) -> set[int]:
    """Classes of which any pixel was right."""
    return {place for row in done.frames for place, n in enumerate(row["intersection"]) if n}


def saying(folder: Path, output: int) -> dict[str, torch.Tensor]:
    """The weights of a folder, changed to answer one output everywhere."""
    state = transformers.SegformerForSemanticSegmentation.from_pretrained(folder).state_dict()
    bias = torch.zeros_like(state["decode_head.classifier.bias"])
    bias[output] = 1e4
    return {**state, "decode_head.classifier.bias": bias}


class TestAFileOfSeveralSets:
    @pytest.fixture
    def values(self, tiny_run, segformer, tmp_path: Path) -> dict:
        folder = segformer(CAMVID11.classes)
        sets = {"student": saying(folder, 0), "teacher": saying(folder, 3)}
        held = {f"{of}.{name}": t for of, state in sets.items() for name, t in state.items()}
        torch.save({"state_dict": held}, tmp_path / "two.pth")
        return {**tiny_run, **SOURCE_ONLY, "checkpoint": str(tmp_path / "two.pth"),
                "classes": list(CAMVID11.classes)}  # fmt: skip

    def test_the_set_that_is_named_runs(self, values: dict) -> None:
        assert only_right(play(values)) == {0}
        done = play(values, weights="teacher")
        assert only_right(done) == {3}
        assert done.config["weights"] == "teacher"
        assert any("; teacher (" in note for note in done.environment["notes"])
        assert not any("are not known" in note for note in done.environment["notes"])

    def test_a_set_that_is_not_there(self, values: dict) -> None:
        with pytest.raises(
            InputError,
            match="expected a set of weights of the file, got "
            r"'static'.*choose from student",
        ):
            play(values, weights="static")


class TestOutputsOfNoClass:
    @pytest.mark.parametrize("output", ["void", 11])
    def test_are_never_answered(self, output: str | int, tiny_run, segformer) -> None:
        folder = segformer((*CAMVID11.classes, "void"))
        model = transformers.SegformerForSemanticSegmentation.from_pretrained(folder)
        model.load_state_dict(saying(folder, 11))
        model.save_pretrained(folder)
        values = {**tiny_run, **SOURCE_ONLY, "checkpoint": str(folder)}
        with pytest.raises(InputError, match=r"ignore_outputs=\[void\] drops 'void'"):
            play(values)
        done = play(values, ignore_outputs=[output])
        assert only_right(done)
        assert done.config["ignore_outputs"] == [output]
        assert any("dropped and are never answered: 11 (void)" in note
                   for note in done.environment["notes"])  # fmt: skip

    def test_classes_leave_them_out(self, tiny_run, segformer, tmp_path: Path) -> None:
        """Of a file that names none: here its first output is void."""
        state = saying(segformer(("void", *CAMVID11.classes)), 4)
        torch.save({"state_dict": state}, tmp_path / "a.pth")
        values = {**tiny_run, **SOURCE_ONLY, "checkpoint": str(tmp_path / "a.pth")}
        with pytest.raises(InputError, match="set classes to their names, in the order of the out"):
            play(values)
        names = list(CAMVID11.classes)
        assert only_right(play(values, classes=names, ignore_outputs=[0])) == {3}

    def test_an_output_that_is_not_there(self, tiny_run) -> None:
        with pytest.raises(
            InputError, match="ignore_outputs: expected an output of the head, got 'voids'"
        ):
            play({**tiny_run, **SOURCE_ONLY}, ignore_outputs=["voids"])


def test_encoder_in_the_name_of_a_folder(tiny_run, segformer, tmp_path: Path) -> None:
    segformer(CAMVID11.classes)
    parts = build(check({**tiny_run, **SOURCE_ONLY, "checkpoint": str(tmp_path / "{encoder}"),
                         "model": {"encoder": "mit_b0"}}, RunConfig, where="test"))  # fmt: skip
    assert parts.checkpoint.layout.startswith("Hugging Face SegFormer")


@pytest.mark.parametrize(
    ("names", "match"),
    [
        ((*CAMVID11.classes[:10], "void"), r"only the checkpoint has void; the checkpoint lacks "
         r"bicyclist.*or score_in to score.*drops 'void', which is no class"),
        (tuple(f"LABEL_{i}" for i in range(11)), "expected names of its 11 classes, got none "
"in the file"),
    ],
)  # fmt: skip
def test_other_and_unknown_classes(names, match: str, tiny_run, segformer) -> None:
    values = {**tiny_run, **SOURCE_ONLY, "checkpoint": str(segformer(names))}
    with pytest.raises(InputError, match=match):
        play(values)
    assert not Path(values["out"]).exists()


def test_unknown_classes_cannot_be_scored_in_another_space(tiny_run, segformer) -> None:
    names = tuple(f"LABEL_{i}" for i in range(19))
    with pytest.raises(InputError, match="expected names of its 19 classes, got none in the file"):
        play({**tiny_run, **SOURCE_ONLY, "score_in": "camvid11",
              "checkpoint": str(segformer(names))})  # fmt: skip


def test_a_hub_id_without_a_network(tiny_run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *names: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        InputError,
        match="expected a file or folder here, or a model on the "
        r"Hugging Face hub, got neither \(expected the model "
        "in the",
    ):
        play({**tiny_run, **SOURCE_ONLY, "checkpoint": "someone/segformer"})


def test_evaluate_and_inspect_tell_the_notes(
    tiny_run, segformer, write_config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    folder = segformer(SHUFFLED)
    config = write_config({**tiny_run, **SOURCE_ONLY, "checkpoint": str(folder)})
    scored = CliRunner().invoke(app, ["evaluate", str(config)])
    assert scored.exit_code == 0, scored.output
    assert "its outputs were put into the order wanted" in scored.output
    told = CliRunner().invoke(app, ["inspect", str(folder)])
    assert told.exit_code == 0
    assert "checkpoint:  yes" in told.output
    assert f"classes      11: {', '.join(SHUFFLED)}" in told.output
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "strides": [4, 2, 2, 1]}))
    told = CliRunner().invoke(app, ["inspect", str(folder)])
    assert told.exit_code == 0
    assert "checkpoint:  no: " in told.output
    assert "got [4, 2, 2, 1] in config.json" in told.output
