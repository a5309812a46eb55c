"""Four classes of one's own from the label files to the report, by the commands a person gives."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from commands import driftseg
from driftseg.checking.check import check_dataset
from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.config.train import TrainConfig
from driftseg.errors import InputError
from driftseg.labels import CAMVID11, ClassesSettings, named_classes
from driftseg.labels.classes import read_classes
from driftseg.labels.mappings import read_table
from driftseg.models.checkpoints import load_checkpoint
from driftseg.models.checkpoints.own import read_info
from driftseg.runs.build import build
from driftseg.runs.classes import name_classes
from driftseg.runs.record import read_run
from driftseg.runs.run import run
from driftseg.runs.train import build_training
from driftseg.scenes.camvid import CamvidSettings
from driftseg.scenes.folder import FolderSettings
from driftseg.weather_sets.reading import WeatherSetSettings
from layout_trees import TREES
from own_drive import CLASSES, write_drive
from tiny_networks import TINY_ENCODER

PAGE = (Path(__file__).parents[2] / "docs" / "classes.md").read_text(encoding="utf-8")
BLOCKS = [
    (name, yaml.safe_load(text))
    for name, text in re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)
]
FILES = {name: values for name, values in BLOCKS if name.startswith("drive/")}
CONFIGS = [values for name, values in BLOCKS if name == "run.yaml"]
TO_OURS = FILES["drive/to_ours.yaml"]


def write_page_files(folder: Path) -> None:
    for name, values in FILES.items():
        (folder / name).write_text(yaml.safe_dump(values))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    write_drive(folder / "drive")
    write_page_files(folder)
    data = {"kind": "folder", "root": "drive/images", "labels": "drive/raw_labels"}
    train = {
        "out": "model", "data": data, "validation": data, "steps": 2, "early_head_steps": 1,
        "model": {"encoder": TINY_ENCODER, "head_width": 16}, "sampling": {"batch_size": 1},
        "validate_every": 2, "threads": 1,
    }  # fmt: skip
    (folder / "train.yaml").write_text(yaml.safe_dump(train))
    done = driftseg(folder, "train", "train.yaml")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def own_run(home: Path, tiny_run: dict, monkeypatch: pytest.MonkeyPatch) -> dict:
    """A run of that model on that drive."""
    monkeypatch.chdir(home)
    data = {"kind": "folder", "root": "drive/images", "labels": "drive/raw_labels"}
    return {
        **tiny_run, "checkpoint": "model/last.safetensors", "source": data, "target": data,
        "evaluation": data,
        "schedule": [{"name": "dry"}, {"name": "wet", "rain": 50, "wet_road": 0.5}],
    }  # fmt: skip


def test_data_check_finds_the_file_of_classes(home: Path) -> None:
    done = driftseg(home, "data", "check", "drive/images", "--labels", "drive/raw_labels")
    assert done.returncode == 0, done.stdout
    assert "(folder), own classes (track, grass, obstacle, sky)" in done.stdout
    assert "no file says what the label ids mean" not in done.stdout
    found = check_dataset(home / "drive" / "images", labels=home / "drive" / "raw_labels")
    assert [share.name for share in found.classes] == list(CLASSES)
    assert found.to_json()["colours"][0] == [128, 64, 128]
    plain = check_dataset(
        home / "drive" / "images", labels=home / "drive" / "labels",
        classes=ClassesSettings(classes=list(CLASSES)).stated_classes(),
    )  # fmt: skip
    assert [s.pixels for s in plain.classes] == [s.pixels for s in found.classes]


def test_classes_that_nobody_states_are_not_passed_off_as_ours(tmp_path: Path) -> None:
    write_drive(tmp_path)
    done = driftseg(tmp_path, "data", "check", "images", "--labels", "labels")
    assert "no file says what the label ids mean, so camvid11 is assume" in done.stdout
    assert check_dataset(tmp_path / "images", labels=tmp_path / "labels").classes_assumed
    bare = driftseg(tmp_path, "data", "check", "images")
    assert "no file says what the label ids mean" not in bare.stdout


def test_a_checkpoint_keeps_them(home: Path) -> None:
    info = read_info(home / "model" / "last.safetensors")
    assert (info.label_space, info.classes) == ("own", CLASSES)
    assert info.colours[0] == (128, 64, 128)
    told = driftseg(home, "inspect", "model/last.safetensors").stdout
    assert "obstacle" in told


def test_a_run_its_record_and_its_report(own_run: dict, tmp_path: Path) -> None:
    """By a method that draws rare classes from the source, in rain on a wet road."""
    found = read_run(run(check(own_run, RunConfig, where="test")))
    assert (found.classes, found.label_space) == (CLASSES, "own")
    stored = json.loads((found.path / "schedule.json").read_text())
    assert stored["colours"][0] == [128, 64, 128]
    assert found.colours[3] == (70, 130, 180)
    assert found.frames[0]["losses"]
    assert len(found.frames[0]["union"]) == 4
    assert "upright things stand where their label meets" in " ".join(found.environment["notes"])
    with Image.open(found.path / "pictures" / "00_dry_0_truth.png") as truth:
        assert (128, 64, 128) in {colour for _, colour in truth.getcolors() or []}
    done = driftseg(Path.cwd(), "report", found.path, "--out", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.html").read_text()
    assert "rgb(128,64,128)" in page
    assert "obstacle" in page

    stored.pop("colours")  # as records were before they kept colours
    (found.path / "schedule.json").write_text(json.dumps(stored))
    assert len(set(read_run(found.path).colours)) == 4
    assert driftseg(Path.cwd(), "report", found.path, "--out", tmp_path / "b.html").returncode == 0


def test_a_weather_set(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    made = driftseg(home, "weather", "drive/images", "--labels", "drive/raw_labels", "--rain", 50,
                    "--wet-road", 0.5, "--out", out, "--workers", 2)  # fmt: skip
    assert made.returncode == 0, made.stderr
    settings = json.loads((out / "weather.json").read_text())["settings"]
    assert settings["label_space"] == "own"
    assert settings["classes"]["ground"] == ["track", "grass"]
    dataset = WeatherSetSettings(root=out).make()
    assert dataset.label_space.classes == CLASSES
    assert dataset.label_space.ground_ids == [0, 1]
    assert set(np.unique(dataset.scene(0).label)) <= {0, 1, 2, 3, 255}
    assert driftseg(home, "data", "check", out).returncode == 0
    again = driftseg(home, "weather", "drive/images", "--labels", "drive/raw_labels", "--rain", 50,
                     "--wet-road", 0.5, "--out", out, "--workers", 1)  # fmt: skip
    assert "0 images made, 4 exist already" in again.stdout


def test_a_wet_road_where_no_class_is_ground(home: Path, tmp_path: Path) -> None:
    (home / "bare.yaml").write_text(yaml.safe_dump(["track", "grass", "obstacle", "sky"]))
    made = driftseg(home, "weather", "drive/images", "--labels", "drive/labels", "--rain", 50,
                    "--wet-road", 0.5, "--out", tmp_path / "x",
                    "--classes", "bare.yaml")  # fmt: skip
    assert made.returncode == 2
    assert made.stderr.startswith("error: wet_road: expected labels or measured depth that tell wh")
    assert "name the classes that are ground (ground: [...] beside classes)" in made.stderr
    dry = driftseg(home, "weather", "drive/images", "--labels", "drive/labels", "--rain", 50,
                   "--out", tmp_path / "y", "--classes", "bare.yaml", "--workers", 1)  # fmt: skip
    assert dry.returncode == 0
    assert "labels say no more, since no class is ground" in dry.stdout


class TestMistakes:
    def test_ids_that_are_not_stated(self, home: Path) -> None:
        data = FolderSettings(
            root=home / "drive" / "images", labels=home / "drive" / "raw_labels",
            classes=[{"name": "track", "ids": [1, 2]}, {"name": "rest", "ids": [5, 7, 9]}],
        )  # fmt: skip
        with pytest.raises(InputError) as caught:
            data.make().scene(0)
        assert re.search(
            r"f0\.png: expected the stated ids 1, 2, 5, 7, 9, 255, got id 0 \(16 pixels\), id 10 "
            r"\(\d+ pixels\)\. To fix: state what each id means: give classes their ids, and",
            str(caught.value),
        )

    def test_ids_of_names_alone(self, home: Path) -> None:
        done = driftseg(home, "data", "check", "drive/images", "--labels", "drive/raw_labels",
                        "--classes", "bare2.yaml")  # fmt: skip
        assert "error: bare2.yaml: expected a file of classes, got a path" in done.stderr
        (home / "bare2.yaml").write_text(yaml.safe_dump(list(CLASSES)))
        done = driftseg(home, "data", "check", "drive/images", "--labels", "drive/raw_labels",
                        "--classes", "bare2.yaml")  # fmt: skip
        assert done.returncode == 2
        assert re.search(r"unknown ids, in pixels: 5 \(\d+\), 7 \(\d+\)", done.stdout)
        assert "state ids and ignored_ids with the classes" in done.stdout

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"classes": ["a", "a"]}, r"test: target\.classes: .* every class, got a more than"),
            ({"classes": [{"name": "a", "id": [1]}]}, r"known key, got 'target\.classes\.0\.id'"),
            ({"classes": ["a"], "label_space": "idd26"}, "expected classes or label_space, got"),
            ({"ignored_ids": [0]}, "test: target: expected classes beside ignored_ids, got none"),
        ],
    )
    def test_sections(self, changes: dict, message: str, own_run: dict) -> None:
        target = {**own_run["target"], **changes}
        with pytest.raises(InputError, match=message) as caught:
            check({**own_run, "target": target}, RunConfig, where="test")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("target", "message"),
        [
            ({"classes": "nowhere.yaml"}, r"^nowhere\.yaml: expected a file of classes, got a"),
            ({"classes": "camvid12"}, r"^classes: .*, got 'camvid12'\. .*\(did you mean 'camvid"),
            ({"classes": ["a", "b", "c", "d"], "labels": None},
             r"own classes \(a, b, c, d\), got 4 own classes \(track, "),
        ],
    )  # fmt: skip
    def test_runs(self, target: dict, message: str, own_run: dict) -> None:
        changes = {"target": {**own_run["target"], **target}}
        with pytest.raises(InputError, match=message):
            build(check({**own_run, **changes}, RunConfig, where="test"))

    def test_a_source_in_another_order(self, own_run: dict) -> None:
        source = {**own_run["source"], "labels": "drive/labels", "classes": list(CLASSES[::-1])}
        with pytest.raises(InputError, match=r"got own classes \(sky, .* order of the model"):
            build(check({**own_run, "source": source}, RunConfig, where="test"))


class TestMappings:
    def test_a_model_of_other_classes_is_scored_on_ours(
        self, own_run: dict, tiny_checkpoint: Path
    ) -> None:
        changes = {"checkpoint": str(tiny_checkpoint), "mapping": TO_OURS, "source": None,
                   "method": {"name": "tent"}}  # fmt: skip
        found = read_run(run(check({**own_run, **changes}, RunConfig, where="test")))
        assert found.classes == CLASSES
        stored = json.loads((found.path / "schedule.json").read_text())["predictions"]
        assert stored["scored_as"]["road"] == "track"
        assert stored["scored_as"]["sky"] == "sky"
        for score_in in ("drive/classes.yaml", list(CLASSES)):
            build(check({**own_run, **changes, "score_in": score_in}, RunConfig, where="test"))
        with pytest.raises(InputError, match=r"got own classes .* To fix: .* or set mapping"):
            build(check({**own_run, **changes, "mapping": None, "score_in": list(CLASSES)},
                        RunConfig, where="test"))  # fmt: skip

    def test_a_known_dataset_is_told_in_ours(self, tmp_path: Path) -> None:
        TREES["camvid"](tmp_path / "camvid")
        as_it_is = CamvidSettings(root=tmp_path / "camvid", size=None)
        told = CamvidSettings(
            root=tmp_path / "camvid", size=None, classes=list(CLASSES), mapping=TO_OURS
        )
        label, own = (data.make().scene(0).label for data in (as_it_is, told))
        assert label is not None
        assert own is not None
        counterparts = {**TO_OURS, "sky": "sky"}
        for number, name in enumerate(CAMVID11.classes):
            assert (own[label == number] == CLASSES.index(counterparts[name])).all()
        assert (own[label == 255] == 255).all()
        mapping = told.told_in()
        assert mapping is not None
        assert mapping.table["car"] == "obstacle"
        with pytest.raises(InputError, match="leave out ids and ignored_ids, and set mapping"):
            CamvidSettings(root=tmp_path / "camvid", classes=[{"name": "a", "ids": [1]}]).make()
        with pytest.raises(
            InputError, match=r"mapping: expected label_space or classes beside it, got"
        ):
            CamvidSettings(root=tmp_path / "camvid", mapping=TO_OURS).make()


class TestNamesOfOutputs:
    def test_a_file_that_names_none(self, home: Path, own_run: dict) -> None:
        info = read_info(home / "model" / "last.safetensors")
        nameless = replace(info, label_space="unknown", classes_known=False,
                           classes=tuple(f"class {i}" for i in range(4)))  # fmt: skip
        named = name_classes(nameless, "drive/classes.yaml")
        assert (named.classes, named.label_space, named.classes_known) == (CLASSES, "own", True)
        assert name_classes(nameless, None) is nameless
        with pytest.raises(InputError, match=r"classes: expected 4 names, .*, got 2"):
            name_classes(nameless, ["a", "b"])
        with pytest.raises(InputError, match=r"has its own \(track, .* leave out classes"):
            build(check({**own_run, "classes": ["a", "b", "c", "d"]}, RunConfig, where="test"))
        assert load_checkpoint(home / "model" / "last.safetensors")[1].colours == info.colours


class TestPage:
    def test_every_block_is_one_of_these(self) -> None:
        assert len(BLOCKS) == PAGE.count("```yaml")
        assert len(CONFIGS) + len(FILES) == len(BLOCKS)

    @pytest.mark.parametrize("values", CONFIGS, ids=range(len(CONFIGS)))
    def test_configs_do_what_they_say(
        self, values: dict, own_run: dict, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not Path("camvid").exists():
            TREES["camvid"](Path("camvid"))
        config = check({**own_run, **values}, RunConfig, where="docs/classes.md")
        dataset = (config.target if "target" in values else config.source).make()
        assert dataset.label_space.classes == CLASSES
        label = dataset.scene(0).label
        assert label is None or set(np.unique(label)) <= {0, 1, 2, 3, 255}
        assert label is not None or values["target"]["kind"] == "images"

    def test_files_are_what_they_say(self, home: Path) -> None:
        assert read_classes(home / "drive" / "classes.yaml").space.classes == CLASSES
        assert read_table(home / "drive" / "to_ours.yaml")["road"] == "track"
        assert named_classes("camvid11", "x").space is CAMVID11


class TestClassesOfAWholeConfig:
    def test_sections_that_state_none_take_them(self, own_run: dict, tmp_path: Path) -> None:
        write_drive(tmp_path / "other")
        data = {"kind": "folder", "root": str(tmp_path / "other" / "images"),
                "labels": str(tmp_path / "other" / "labels")}  # fmt: skip
        pictures = {"kind": "images", "pattern": data["root"] + "/*.png"}
        changes = {"classes": list(CLASSES), "source": data, "evaluation": data, "target": pictures}
        parts = build(check({**own_run, **changes}, RunConfig, where="test"))
        assert parts.label_space.classes == CLASSES
        message = r"expected evaluation in .* own classes \(track, .*\), got camvid11\. To fix:"
        with pytest.raises(InputError, match=message):
            build(check({**own_run, **changes, "classes": None}, RunConfig, where="test"))

    def test_training(self, home: Path, tmp_path: Path) -> None:
        write_drive(tmp_path / "other")
        data = {"kind": "folder", "root": str(tmp_path / "other" / "images"),
                "labels": str(tmp_path / "other" / "labels")}  # fmt: skip
        values = yaml.safe_load((home / "train.yaml").read_text())
        values |= {"data": data, "validation": data, "out": str(tmp_path / "model"), "steps": 1,
                   "classes": str(home / "bare3.yaml")}  # fmt: skip
        (home / "bare3.yaml").write_text(yaml.safe_dump(list(CLASSES)))
        training, _ = build_training(check(values, TrainConfig, where="test"))
        assert training.model.head.classes == 4

    def test_a_file_against_a_preset(self, home: Path) -> None:
        drive = home / "drive"
        data = FolderSettings(root=drive / "images", labels=drive / "raw_labels",
                              label_space="idd26")  # fmt: skip
        with pytest.raises(
            InputError, match=r"one statement of the classes, got own classes .* remove"
        ):
            data.make()
