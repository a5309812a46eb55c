"""Configs: what a user types, and what he is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftseg.config.reading import check, read_config
from driftseg.config.run import RunConfig
from driftseg.config.train import TrainConfig
from driftseg.errors import InputError
from driftseg.runs.record import config_hash


def test_reads_and_changes(tiny_run, write_config) -> None:
    path = write_config(tiny_run)
    config = read_config(path, RunConfig, changes=[
        "method.learning_rate=3e-5", "method.train=[head]", "schedule.1.rain=12.5", "seed=4",
        "evaluation=null", "replay.batch_size=2",
    ])  # fmt: skip
    assert config.method.learning_rate == 3e-5
    assert config.method.train == ["head"]
    assert config.schedule[1].rain == 12.5
    assert (config.seed, config.evaluation, config.replay.batch_size) == (4, None, 2)


def test_another_method_drops_the_settings_of_the_old_one(tiny_run, write_config) -> None:
    tiny_run["method"] |= {"confidence": {"threshold": 0.8}}
    path = write_config(tiny_run)
    changed = read_config(path, RunConfig, changes=["method.name=tent"])
    assert changed.method.name == "tent"
    same = read_config(path, RunConfig, changes=["method.name=dacs"])
    assert same.method.confidence.threshold == 0.8


@pytest.mark.parametrize("name", ["dacs", "hamlet", "replay_only"])
def test_what_is_trained_stays_when_the_method_changes(name: str, tiny_run, write_config) -> None:
    """Or a frozen encoder would be unfrozen by a comparison of methods."""
    adapters = {"kind": "adaptformer", "width": 4}
    train = ["adapters", "head"]
    tiny_run["method"] = {"name": "restyled_replay", "train": train, "references": 3}
    frozen = write_config({**tiny_run, "adapters": adapters}, "frozen.yaml")
    changed = read_config(frozen, RunConfig, changes=[f"method.name={name}"])
    assert (changed.method.name, changed.method.train) == (name, train)
    assert changed.adapters == read_config(frozen, RunConfig).adapters

    learner = {"name": "restyled_replay", "train": train, "references": 3}
    tiny_run["method"] = {"name": "lae", "learner": learner}
    remembering = write_config({**tiny_run, "adapters": adapters}, "lae.yaml")
    within = read_config(remembering, RunConfig, changes=[f"method.learner.name={name}"])
    assert (within.method.learner.name, within.method.learner.train) == (name, train)
    alone = read_config(remembering, RunConfig, changes=[f"method.name={name}"])
    assert (alone.method.name, alone.method.train) == (name, train)


def test_methods_that_train_nothing_of_choice_are_not_told_to(tiny_run, write_config) -> None:
    tiny_run["method"] = {"name": "dacs", "train": ["head"]}
    for name in ("source_only", "norm_statistics", "tent"):
        changed = read_config(write_config(tiny_run), RunConfig, changes=[f"method.name={name}"])
        assert changed.method.name == name


def test_another_kind_of_adapter_keeps_what_every_kind_has(tiny_run, write_config) -> None:
    old = {"kind": "adaptformer", "width": 4, "scale": 0.5, "stages": [3, 4], "factor": 3.0}
    path = write_config({**tiny_run, "adapters": {**old, "dropout": 0.2, "file": "x.safetensors"}})
    section = read_config(path, RunConfig, changes=["adapters.kind=lora"]).adapters
    assert (section.kind, section.stages, section.factor, section.dropout) == (
        "lora", [3, 4], 3.0, 0.2,
    )  # fmt: skip
    assert (section.width, section.scale, section.file) == (None, None, None)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"name": "restyled_replay", "references": 0}, "x: method.references: "),
        ({"name": "norm_statistics", "rate": 1}, "x: expected a known key, got 'method.rate'"),
        ({"name": "tent", "norm_statistics": "mine"}, "x: method.norm_statistics: "),
        ({"name": "lae", "learner": {"name": "restyled_replay", "references": 0}},
         "x: method.learner.references: "),
        ({"name": "lae", "learner": {"name": "dacs"}, "bank": {"domains": 1}},
         "x: method.bank.domains: "),
        ({"name": "bank", "learner": {"name": "dacs"}, "domains": 1}, "x: method.domains: "),
    ],
)  # fmt: skip
def test_keys_in_errors_are_those_of_the_file(method, message: str, tiny_run) -> None:
    with pytest.raises(InputError) as caught:
        check({**tiny_run, "method": method}, RunConfig, where="x")
    assert str(caught.value).startswith(message)


def test_data_sets_every_camvid_root(tiny_run, write_config) -> None:
    tiny_run["target"] = {"kind": "camvid", "split": "val"}
    tiny_run["evaluations"] = {"day": {"kind": "camvid"}}
    config = read_config(write_config(tiny_run), RunConfig, data=Path("/somewhere"))
    assert config.target.root == Path("/somewhere")
    assert config.evaluations["day"].root == Path("/somewhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("metod.name=dacs", "expected a known key, got 'metod'.*did you mean 'method"),
        (
            "method.learning_rat=1",
            r"expected a known key, got 'method\.learning_rat'.*did you "
            r"mean 'method\.learning_rate'",
        ),
        (
            "replay.rare_clases=true",
            r"expected a known key, got 'replay\.rare_clases'.*did you "
            r"mean 'replay\.rare_classes'",
        ),
        (
            "schedule.1.rains=3",
            r"expected a known key, got 'schedule\.1\.rains'.*did you mean 'schedule\.1\.rain'",
        ),
        (
            "evaluation.framess=3",
            r"expected a known key, got 'evaluation\.framess'.*did you "
            "mean",
        ),
        (
            "schedule.1.rain=-5",
            r"schedule\.1\.rain: expected a number greater than or equal to "
            "0, got -5",
        ),
        ("schedule.1.rain=.inf", r"schedule.1.rain: .*finite"),
        ("method.train=neck", r"method\.train: expected a valid list, got 'neck'"),
        (
            "method.name=magic",
            r"method\.name: expected a known method, got "
            "'magic'.*source_only, norm_statistics, tent, dacs",
        ),
        (
            "target.kind=movie",
            r"target\.kind: expected a known dataset, got 'movie'.*town, "
            "camvid, folder",
        ),
        ("target.size=[8, 8]", r"target.size.0: .*greater than or equal to 32"),
        ("seed=-1", r"seed: .*greater than or equal to 0"),
        ("method.train=[]", r"method\.train: expected a list of at least 1 item, got \[\]"),
        (
            "method.train=[early_head]",
            "expected parts that can learn on the stream, got "
            "early_head, which the drift signal needs",
        ),
        (
            "replay.augmentation.scale=[2, 1]",
            r"replay\.augmentation\.scale: expected the "
            r"smaller number first, got \[2\.0, 1\.0\]",
        ),
        (
            "schedule.1.name=day/night",
            r"schedule\.1\.name: expected a text that matches the "
            r"pattern '\^\[A-Za-z0-9_\.\+-\]\+\$', got 'day/night'",
        ),
        ("corrupt_share=2", r"corrupt_share: .*less than or equal to 1"),
        (
            "schedule.9.rain=1",
            r"--set schedule\.9\.rain=1: expected a position from 0 to 2 in "
            "the list, got 9",
        ),
        ("seed", "--set: expected key=value, got 'seed'"),
        ("seed.deeper=1", r"seed: expected a valid integer, got \{deeper: 1\}"),
        (
            "threads.deeper=1",
            "expected a section before the last dot, got threads, which is a "
            "single value.*set threads itself",
        ),
        ("seed.x=1", r"seed: expected a valid integer, got \{x: 1\}"),
        ("method.name=5", "method: expected the key name with the name of a method, got 5"),
        ("method=5", "method: expected keys and values, got 5"),
        (
            "out.kind=2",
            r"--set out\.kind=2: expected a section before the last dot, got out, "
            "which is a single value.*set out itself",
        ),
    ],
)
def test_mistakes_are_named(change: str, message: str, tiny_run, write_config) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_config(write_config(tiny_run), RunConfig, changes=[change])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("typed", ["1e5", "5", "007", "true", "2026-01-01", "1:30"])
def test_a_text_setting_takes_what_was_typed(typed: str, tiny_run, write_config) -> None:
    """YAML makes numbers and dates of them, which no one who types a name means."""
    path = write_config(tiny_run)
    config = read_config(path, RunConfig, changes=[
        f"name={typed}", f"schedule.0.name={typed.replace(':', '-')}", f"checkpoint={typed}",
        f"out={typed}", f"home= {typed}",
    ])  # fmt: skip
    assert (config.name, config.checkpoint, config.home) == (typed, typed, typed)
    assert config.out == Path(typed)
    assert config.schedule[0].name == typed.replace(":", "-")


def test_a_text_setting_can_still_be_null(tiny_run, write_config) -> None:
    path = write_config(tiny_run)
    config = read_config(path, RunConfig, changes=["checkpoint=null", "home='5'", 'name="1e5"'])
    assert (config.checkpoint, config.home, config.name) == (None, "5", "1e5")


def test_a_number_for_a_text_in_a_file_wants_quotes(tiny_run) -> None:
    with pytest.raises(
        InputError,
        match=r"x: name: expected a valid string, got 5.*quotes around it, which makes it a text",
    ):
        check({**tiny_run, "name": 5}, RunConfig, where="x")


def test_missing_key(tiny_run) -> None:
    del tiny_run["method"]
    with pytest.raises(InputError, match="here: method: expected a value, got none"):
        check(tiny_run, RunConfig, where="here")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: [",
            "expected YAML, got while parsing a flow node expected the node content, but "
            "found '<stream",
        ),
        ("- 1", "expected keys and values, got a list"),
        ("", "expected keys and values, got an empty file"),
    ],
)
def test_odd_files(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_config(path, RunConfig)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a config file, got a path where there is none"):
        read_config(tmp_path / "gone.yaml", TrainConfig)


def test_hash_is_of_the_experiment() -> None:
    one = {"a": 1, "b": {"c": 2}, "out": "x", "threads": 1}
    assert config_hash(one) == config_hash({"b": {"c": 2}, "a": 1, "out": "y", "threads": 8})
    assert config_hash(one) != config_hash({**one, "a": 2})
    assert len(config_hash(one)) == 5
