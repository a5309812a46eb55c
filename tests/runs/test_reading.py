"""Configs: what a user types, and what he is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftseg.errors import InputError
from driftseg.runs.config import RunConfig, TrainConfig
from driftseg.runs.reading import check, read_config
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


def test_data_sets_every_camvid_root(tiny_run, write_config) -> None:
    tiny_run["target"] = {"kind": "camvid", "split": "val"}
    tiny_run["evaluations"] = {"day": {"kind": "camvid"}}
    config = read_config(write_config(tiny_run), RunConfig, data=Path("/somewhere"))
    assert config.target.root == Path("/somewhere")
    assert config.evaluations["day"].root == Path("/somewhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("metod.name=dacs", r"unknown key 'metod'; did you mean 'method'\?"),
        ("method.learning_rat=1", r"'method.learning_rat'; did you mean 'learning_rate'\?"),
        ("replay.rare_clases=true", r"did you mean 'rare_classes'\?"),
        ("schedule.1.rains=3", r"'schedule.1.rains'; did you mean 'rain'\?"),
        ("evaluation.framess=3", r"did you mean 'frames'\?"),
        ("schedule.1.rain=-5", r"schedule.1.rain: .*greater than or equal to 0 \(came -5\)"),
        ("schedule.1.rain=.inf", r"schedule.1.rain: .*finite"),
        ("method.train=[neck]", r"method.train.0: Input should be 'encoder'"),
        ("method.name=magic", r"'source_only', 'norm_statistics', 'tent', 'dacs'"),
        ("target.kind=movie", r"'town', 'camvid', 'folder'"),
        ("target.size=[8, 8]", r"target.size.0: .*greater than or equal to 32"),
        ("seed=-1", r"seed: .*greater than or equal to 0"),
        ("method.train=[]", r"method.train: List should have at least 1 item"),
        ("method.train=[early_head]", r"method.train.0: Input should be 'encoder'"),
        ("replay.augmentation.scale=[2, 1]", r"wanted the smaller number first"),
        ("schedule.1.name=day/night", r"schedule.1.name: String should match pattern"),
        ("corrupt_share=2", r"corrupt_share: .*less than or equal to 1"),
        ("schedule.9.rain=1", r"--set schedule.9.rain=1: 9 is not a position in a list of 3"),
        ("seed", r"--set wants key=value, came 'seed'"),
        ("seed.deeper=1", r"seed has no keys of its own|came \{'deeper': 1\}"),
    ],
)
def test_mistakes_are_named(change: str, message: str, tiny_run, write_config) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_config(write_config(tiny_run), RunConfig, changes=[change])
    assert "\n" not in str(caught.value)


def test_missing_key(tiny_run) -> None:
    del tiny_run["method"]
    with pytest.raises(InputError, match="here: method: Field required"):
        check(tiny_run, RunConfig, where="here")


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [", "is not YAML"), ("- 1", "wanted keys and values, came list"), ("", "came NoneType")],
)
def test_odd_files(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_config(path, RunConfig)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.yaml: no such config file"):
        read_config(tmp_path / "gone.yaml", TrainConfig)


def test_hash_is_of_the_experiment() -> None:
    one = {"a": 1, "b": {"c": 2}, "out": "x", "threads": 1}
    assert config_hash(one) == config_hash({"b": {"c": 2}, "a": 1, "out": "y", "threads": 8})
    assert config_hash(one) != config_hash({**one, "a": 2})
    assert len(config_hash(one)) == 5
