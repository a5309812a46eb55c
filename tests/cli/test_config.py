"""driftseg config, and configs that are given to the wrong command."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from driftseg.cli.main import app
from driftseg.config.keys import nearest
from driftseg.config.reading import check, read_config
from driftseg.config.run import RunConfig
from driftseg.config.train import TrainConfig
from driftseg.errors import InputError

RUNNER = CliRunner()
EXAMPLES = Path(__file__).parents[2] / "examples"
STORM, TRAINING = EXAMPLES / "camvid_storm_hamlet.yaml", EXAMPLES / "camvid_source.yaml"
TOWN = EXAMPLES / "town_storm.yaml"
KINDS = {STORM: RunConfig, TRAINING: TrainConfig}


def out(*arguments: object) -> str:
    done = RUNNER.invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.exception
    return done.output


def error(*arguments: object) -> str:
    done = RUNNER.invoke(app, [str(argument) for argument in arguments])
    assert isinstance(done.exception, InputError)
    assert "\n" not in str(done.exception)
    return str(done.exception)


@pytest.mark.parametrize("path", [STORM, TRAINING], ids=lambda path: path.stem)
def test_what_is_shown_is_the_same_config(path: Path) -> None:
    shown = yaml.safe_load(out("config", "show", path, "--set", "seed=7", "--data", "camvid"))
    kind = KINDS[path]
    known = read_config(path, kind, changes=["seed=7"], data=Path("camvid"))
    assert check(shown, kind, where="shown") == known


def test_only_differences_are_told() -> None:
    lines = out("config", "diff", TOWN, "--set", "seed=7").splitlines()
    assert "seed: 7 (0)" in lines
    assert "target.kind: town (required)" in lines
    assert not [line for line in lines if line.startswith(("severity", "home"))]
    lines = out("config", "diff", TRAINING, "--set", "sampling.batch_size=3").splitlines()
    assert "sampling.batch_size: 3 (8)" in lines
    assert "data.kind: camvid (required)" in lines


@pytest.mark.parametrize("command", ["run", "train"])
def test_a_schema_for_editors(command: str) -> None:
    schema = json.loads(out("config", "schema", command))
    assert schema["properties"]["target" if command == "run" else "data"]["$ref"].endswith(
        "/dataset"
    )
    section = schema["$defs"]["dataset"]
    names, path = section["properties"]["kind"]["anyOf"]
    assert "camvid" in names["enum"]
    assert path["pattern"] == r"^[\w.]+:[\w.]+$"
    case = next(each for each in section["allOf"] if "town" in str(each["if"]))
    assert "frames" in schema["$defs"][case["then"]["$ref"].rpartition("/")[2]]["properties"]
    if command == "run":
        held_out = schema["properties"]["evaluations"]["patternProperties"]
        assert [*held_out.values()] == [{"$ref": "#/$defs/dataset"}]
        assert schema["properties"]["method"] == {"$ref": "#/$defs/method"}
        assert "hamlet" in schema["$defs"]["method"]["properties"]["name"]["anyOf"][0]["enum"]
    references = set(re.findall(r'"\$ref": "#/\$defs/([^"]+)"', json.dumps(schema)))
    assert references <= {*schema["$defs"]}


def test_a_config_of_another_command_is_recognised() -> None:
    for command in ("run", "evaluate", "calibrate"):
        told = error(command, TRAINING, "--set", "method.name=tent")
        assert told.startswith(f"{TRAINING}: expected a config for driftseg run, ev")
    told = error("train", STORM)
    assert told.startswith(f"{STORM}: expected a config for driftseg train, with data ")


def test_data_that_nothing_uses_is_an_error() -> None:
    for command in ("run", "evaluate", "calibrate"):
        told = error(command, TOWN, "--data", "camvid")
        assert told.startswith(f"--data camvid: expected a section of {TOWN} that takes a folder")
    wanted = "--data x: expected a section"
    assert wanted in error("train", EXAMPLES / "town_source.yaml", "--data", "x")
    assert wanted in error("config", "show", TOWN, "--data", "x")


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("lr", "learning_rate"), ("wd", "weight_decay"), ("bs", "batch_size"),
        ("hf", "head_factor"),
        ("learnrate", "learning_rate"), ("learn_rate", "learning_rate"), ("lrate", "learning_rate"),
        ("blurr", "blur"), ("momemtum", "momentum"), ("epochs", None), ("xyz", None),
    ],
)  # fmt: skip
def test_the_key_that_was_meant(key: str, meant: str | None) -> None:
    known = ["blur", "learning_rate", "weight_decay", "batch_size", "momentum", "head_factor"]
    assert nearest(key, known) == meant


def test_an_abbreviation_in_a_config() -> None:
    told = error("config", "show", TOWN, "--set", "method.lr=1")
    assert "got 'method.lr'. To fix: rename it (did you mean 'method.learning_rate'?)" in told


@pytest.mark.parametrize("name", ["lae", "bank"])
def test_a_method_that_needs_more_than_its_name_says_what(name: str) -> None:
    told = error("run", TOWN, "--set", f"method.name={name}")
    assert told.startswith(f"{TOWN}: method.learner: expected a value, got none. To fix: set ")
    example = re.search(r"--set (method\.learner\.name=\w+)$", told)
    assert example is not None
    shown = out("config", "show", TOWN, "--set", f"method.name={name}", "--set", example[1])
    assert yaml.safe_load(shown)["method"]["learner"]["name"] == "restyled_replay"


def test_a_method_by_its_name_alone() -> None:
    short = out("config", "show", TOWN, "--set", "method=tent")
    assert short == out("config", "show", TOWN, "--set", "method.name=tent")
    assert yaml.safe_load(short)["method"]["name"] == "tent"
    inner = out("config", "show", TOWN, "--set", "method=lae", "--set", "method.learner=dacs")
    assert yaml.safe_load(inner)["method"]["learner"]["name"] == "dacs"


def test_a_path_that_is_no_config_tells_the_next_step(tmp_path: Path) -> None:
    told = error("run", "town_storm")
    assert told.startswith("town_storm: expected a config file, got a path where there is none. ")
    assert "driftseg examples town_storm --copy FOLDER" in told
    assert "driftseg examples --copy FOLDER" in error("run", tmp_path / "gone.yaml")
    assert "got a folder. To fix: check the path" in error("config", "show", tmp_path)
    (tmp_path / "config.yaml").write_text(TOWN.read_text())
    assert f"got a folder. To fix: name the config in it, {tmp_path / 'config.yaml'}" in error(
        "config", "show", tmp_path
    )


def test_settings_are_described_in_the_schema() -> None:
    schema = json.loads(out("config", "schema", "run"))
    assert schema["properties"]["home"]["description"].startswith("The domain that forgetting is ")
    every = {name: field for name, field in schema["properties"].items() if "$ref" not in field}
    assert not [name for name, field in every.items() if not field.get("description")]
