"""Models on datasets of other label spaces: runs, their records, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from commands import driftseg
from driftseg.config.reading import check, read_config
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.evaluation.confusion import Score
from driftseg.labels import CITYSCAPES19, MAPPINGS
from driftseg.models.checkpoints import load_checkpoint, save_checkpoint
from driftseg.models.segmenter import build_segmenter
from driftseg.runs.build import build
from driftseg.runs.loop import score_domains
from driftseg.runs.record import read_run
from driftseg.runs.run import run
from driftseg.scenes.camvid import CamvidSettings
from driftseg.scenes.cityscapes import CityscapesSettings
from driftseg.scenes.datasets import layouts
from layout_trees import TREES, photo, save, stripes

LAYOUT_KINDS = tuple(layout.name for layout in layouts())


@pytest.fixture(scope="session")
def nineteen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MiT-B0 of Cityscapes' classes, with random weights."""
    path = tmp_path_factory.mktemp("nineteen") / "nineteen.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = build_segmenter("mit_b0", classes=19, head_width=16)
    save_checkpoint(path, model, encoder="mit_b0", head_width=16, label_space="cityscapes19",
                    classes=CITYSCAPES19.classes)  # fmt: skip
    return path


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    TREES["camvid"](tmp_path / "camvid")
    return tmp_path / "camvid"


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    TREES["cityscapes"](tmp_path / "cityscapes")
    return tmp_path / "cityscapes"


@pytest.fixture
def values(tiny_run, nineteen: Path, camvid: Path) -> dict:
    """A model of 19 classes on CamVid's 11."""
    data = {"kind": "camvid", "root": str(camvid), "size": None}
    return {
        **tiny_run, "checkpoint": str(nineteen), "score_in": "camvid11", "source": None,
        "target": {**data, "split": "train"}, "evaluation": {**data, "split": "val"},
        "method": {"name": "tent"}, "camera": "camvid",
        "schedule": [{"name": "clear"}, {"name": "wet", "rain": 50, "frames": 1}],
    }  # fmt: skip


def play(values: dict, **changes):
    return read_run(run(check({**values, **changes}, RunConfig, where="test")))


class TestScoreIn:
    def test_nineteen_classes_on_eleven(self, values: dict, nineteen: Path, camvid: Path) -> None:
        done = play(values)
        assert done.label_space == "camvid11"
        assert len(done.classes) == 11
        told = json.loads((done.path / "schedule.json").read_text())["predictions"]
        assert told["label_space"] == "cityscapes19"
        assert told["classes"] == list(CITYSCAPES19.classes)
        assert told["scored_as"]["truck"] == "car"
        assert any("predictions, before they are scored" in n for n in done.environment["notes"])
        assert done.config["score_in"] == "camvid11"

        model, _ = load_checkpoint(nineteen)
        scene = CamvidSettings(kind="camvid", root=camvid, size=None).make().scene(0)
        x = torch.from_numpy(scene.image).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            logits = torch.nn.functional.interpolate(model(x), (64, 96), mode="bilinear")
        answer = logits[0].argmax(0).to(torch.uint8).numpy()
        score = Score(11)
        score.add(MAPPINGS["cityscapes19", "camvid11"].apply(answer), scene.label)
        assert done.frames[0]["intersection"] == score.intersection.tolist()
        assert done.frames[0]["union"] == score.union.tolist()

    def test_lost_classes_are_wrong(self, tiny_run, tiny_checkpoint, cityscapes: Path) -> None:
        """Eleven classes scored in nineteen: what is called a bicyclist misses its class."""
        data = {"kind": "cityscapes", "root": str(cityscapes)}
        done = play({
            **tiny_run, "score_in": "cityscapes19", "target": data, "source": None,
            "evaluation": None, "method": {"name": "source_only"}, "schedule": [{"name": "clear"}],
        })  # fmt: skip
        labelled = int((stripes((0, 2, 13, 255, 18)) != 255).sum())
        for frame in done.frames:
            assert sum(frame["union"]) >= labelled
        assert any("without a counterpart: bicyclist" in n for n in done.environment["notes"])

    def test_seven_classes(self, values: dict, tmp_path: Path) -> None:
        TREES["idd_lite"](tmp_path / "idd")
        data = {"kind": "idd_lite", "root": str(tmp_path / "idd")}
        done = play(values, score_in="idd_lite7", target=data,
                    evaluation={**data, "split": "val"})  # fmt: skip
        assert len(done.evaluations[0]["iou"]) == len(done.frames[0]["union"]) == 7

    def test_the_method_sees_nothing_of_it(self, values: dict, nineteen: Path) -> None:
        parts = build(check(values, RunConfig, where="test"))
        assert parts.model.predict(photo(1)).label.max() < 19
        assert parts.model.roles.network.head.classes == 19
        assert parts.scored(np.array([[13, 14, 255]], np.uint8)).tolist() == [[8, 8, 255]]

    def test_learning_from_source_in_the_models_space(self, values: dict, cityscapes: Path) -> None:
        """Replay and calibration are labelled in the model's space, scores are not."""
        source = {"kind": "cityscapes", "root": str(cityscapes), "size": [96, 64]}
        done = play(
            values, source=source, calibration={"data": source, "rain": [50]},
            method={"name": "dacs", "confidence": {"rule": "source_precision"}},
        )  # fmt: skip
        assert done.frames[0]["losses"]
        with pytest.raises(
            InputError,
            match="source: expected labels in the label space of "
            r"the model \(19 classes\), got camvid11 \(11 "
            r"classes\).*source\.label_space",
        ):
            play(values, source=values["target"], method={"name": "dacs"})
        with pytest.raises(
            InputError,
            match=r"calibration\.data: expected labels in the label "
            "space of the model, cityscapes19, got camvid11",
        ):
            play(
                values, source=source, calibration={"data": values["target"]},
                method={"name": "dacs", "confidence": {"rule": "source_precision"}},
            )  # fmt: skip

    def test_evaluate(self, values: dict, write_config, tmp_path: Path) -> None:
        parts = build(check({**values, "method": {"name": "source_only"}}, RunConfig, where="x"))
        rows = score_domains(parts, lambda moment: None)
        done = driftseg(tmp_path, "evaluate", write_config(values))
        assert done.returncode == 0, done.stderr
        assert "bicyclist" in done.stdout
        assert f"{rows[0]['mean_iou']:.1f}" in done.stdout

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {"score_in": None},
                "expected the classes of the target, 11 of camvid11, got 19 "
                "classes of cityscapes19; only the checkpoint "
                r"has.*target\.label_space to read its labels in the model's, "
                "or",
            ),
            ({"score_in": "camvid"}, "score_in: expected a known label space, got 'camvid'"),
            (
                {"score_in": "idd_lite7"},
                "score_in: expected the label space of the target, "
                r"camvid11, got idd_lite7.*set",
            ),
        ],
    )
    def test_refusals(self, changes: dict, message: str, values: dict) -> None:
        with pytest.raises(InputError, match=message):
            build(check({**values, **changes}, RunConfig, where="test"))

    def test_no_way(self, values: dict, tmp_path: Path) -> None:
        TREES["idd"](tmp_path / "idd")
        data = {"kind": "idd", "root": str(tmp_path / "idd")}
        changes = {"target": data, "evaluation": None, "score_in": "idd26"}
        with pytest.raises(
            InputError,
            match="score_in: expected a label space that "
            "predictions in cityscapes19 can be mapped to, "
            "got idd26",
        ):
            build(check({**values, **changes}, RunConfig, where="test"))


class TestLabelSpace:
    def test_eleven_classes_on_cityscapes(self, tiny_run, cityscapes: Path) -> None:
        data = {"kind": "cityscapes", "root": str(cityscapes), "label_space": "camvid11"}
        done = play(tiny_run, target=data, evaluation={**data, "split": "val"}, source=data,
                    schedule=[{"name": "clear"}])  # fmt: skip
        assert done.label_space == "camvid11"
        assert done.frames[0]["losses"]
        notes = [n for n in done.environment["notes"] if "labels of target: cityscapes19" in n]
        assert len(notes) == 1
        assert "truck as car" in notes[0]
        assert "predictions" not in json.loads((done.path / "schedule.json").read_text())

    def test_an_unknown_space(self, cityscapes: Path) -> None:
        with pytest.raises(
            InputError, match="label_space: expected a known label space, got 'citys'"
        ):
            CityscapesSettings(root=cityscapes, label_space="citys").make()


class TestSections:
    def test_every_layout_is_a_kind(self) -> None:
        assert set(LAYOUT_KINDS) == set(TREES)

    @pytest.mark.parametrize("kind", LAYOUT_KINDS)
    def test_every_kind_is_built(self, kind: str, tiny_run, tmp_path: Path) -> None:
        tree = TREES[kind](tmp_path / "tree")
        data = {"kind": kind, "root": str(tmp_path / "tree"), "split": tree.split, "size": [48, 32]}
        config = check({**tiny_run, "target": data}, RunConfig, where="test")
        assert config.target.make().scene(0).label is not None
        unplaced = check({**tiny_run, "target": {"kind": kind}}, RunConfig, where="test")
        with pytest.raises(
            InputError,
            match=r", got none\. To fix: pass --data FOLDER, or set "
            "root",
        ):
            unplaced.target.make()
        with pytest.raises(
            InputError,
            match="test: expected a known key, got "
            r"'target\.domian'.*did you mean 'target\.domain",
        ):
            check({**tiny_run, "target": {**data, "domian": "x"}}, RunConfig, where="test")
        with pytest.raises(
            InputError,
            match=r"test: target\.stop: expected a valid integer, "
            "got 'x'",
        ):
            check({**tiny_run, "target": {**data, "stop": "x"}}, RunConfig, where="test")

    def test_data_is_for_sections_that_name_no_folder(self, tiny_run, write_config) -> None:
        tiny_run["target"] = {"kind": "acdc", "domain": "night"}
        tiny_run["source"] = {"kind": "gta5", "root": "/games"}
        tiny_run["evaluation"] = {"kind": "dark_zurich", "root": None, "split": "val"}
        config = read_config(write_config(tiny_run), RunConfig, data=Path("/somewhere"))
        assert config.target.root == config.evaluation.root == Path("/somewhere")
        assert config.source.root == Path("/games")
        assert config.source.split == "all"

    def test_mixed_sizes(self, cityscapes: Path) -> None:
        image = "leftImg8bit/train/bremen/bremen_000000_000019_leftImg8bit.png"
        save(cityscapes / image, photo(1, 72, 96))
        save(cityscapes / "gtFine/train/bremen/bremen_000000_000019_gtFine_labelIds.png",
             stripes((7, 8), 72, 96))  # fmt: skip
        data = CityscapesSettings(kind="cityscapes", root=cityscapes)
        with pytest.raises(
            InputError,
            match=r"expected 96x64 as aachen_000000_000019_leftImg8bit\.png, got 96x72.*set size",
        ):
            data.make()
        assert len(data.model_copy(update={"exclude": ["bremen_*"]}).make()) == 1
        shrunk = data.model_copy(update={"size": (48, 32)}).make()
        assert {shrunk.scene(i).image.shape for i in range(2)} == {(32, 48, 3)}

    def test_a_storm_of_files(self, tiny_run, tmp_path: Path, nineteen: Path) -> None:
        """Domains as the files show them, named in the schedule."""
        TREES["weather_cityscapes"](tmp_path / "tree")
        data = {"kind": "weather_cityscapes", "root": str(tmp_path / "tree")}
        done = play({
            **tiny_run, "checkpoint": str(nineteen), "target": data,
            "evaluation": None, "source": {"kind": "cityscapes", "root": str(tmp_path / "tree")},
            "schedule": [{"name": "clear", "include": ["clear/*"]},
                         {"name": "rain100", "include": ["rain/100mm/*"]},
                         {"name": "fog75", "include": ["fog/75m/*"]}],
        })  # fmt: skip
        assert [frame["name"] for frame in done.frames][2:] == [
            "rain/100mm/aachen_000000_000019", "fog/75m/aachen_000000_000019",
        ]  # fmt: skip
        assert any(
            "2 repeat a scene, 0 of them in the same weather" in note
            for note in done.environment["notes"]
        )
        assert any("frames of the stream have the name of a source scene" in note
                   for note in done.environment["notes"])  # fmt: skip


PAGE = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")


class TestPage:
    def test_configs_are_valid(self, tiny_run) -> None:
        shown = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
        assert len(shown) == 4
        for values in shown:
            check({**tiny_run, **values}, RunConfig, where="docs/datasets.md")

    def test_lists_every_kind_and_every_mapping(self) -> None:
        for kind in LAYOUT_KINDS:
            assert f"\n| `{kind}` |" in PAGE
        for source, target in MAPPINGS:
            assert f"\n| `{source}` | `{target}` |" in PAGE
