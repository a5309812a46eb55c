"""Whole runs with trackers: the record stays what it is, whatever a tracker does."""

from __future__ import annotations

import json
import logging
import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import fake_trackers
import numpy as np
import pytest
import torch
import yaml
from test_tensorboard import read, scalars

from driftseg.config.reading import check, read_config
from driftseg.config.run import RunConfig
from driftseg.config.schema import schema_of
from driftseg.errors import InputError
from driftseg.report.summary import run_continual
from driftseg.runs.record import Run, config_hash, read_run
from driftseg.runs.rehearsal import rehearse
from driftseg.runs.run import run
from tiny_networks import TINY_ENCODER
from tiny_runs import tiny_values

TIMES = ("predict_ms", "adapt_ms")
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _released() -> Iterator[None]:
    fake_trackers.STARTED.clear()
    fake_trackers.RELEASE.clear()
    yield
    fake_trackers.RELEASE.set()
    for thread in threading.enumerate():
        if thread.name.startswith("driftseg-"):
            thread.join(5)


def play(values: dict, *trackers: object) -> Run:
    changed = {**values, "trackers": list(trackers)} if trackers else values
    return read_run(run(check(changed, RunConfig, where="test")))


def odd(**changes: object) -> dict:
    return {"kind": "fake_trackers:OddSettings", "patience": 0.5, **changes}


def without_times(done: Run) -> list[dict]:
    rows = []
    for row in done.frames:
        plan = row["plan"]
        if plan is not None:  # measured costs are times
            plan = {key: value for key, value in plan.items() if key != "costs_ms"}
        rows.append({**{k: v for k, v in row.items() if k not in TIMES}, "plan": plan})
    return rows


def same_record(one: Run, other: Run) -> None:
    assert without_times(one) == without_times(other)
    assert one.evaluations == other.evaluations
    assert one.environment == other.environment
    for name in ("schedule.json",):
        assert (one.path / name).read_bytes() == (other.path / name).read_bytes()
    pictures = {path.name: path.read_bytes() for path in (one.path / "pictures").iterdir()}
    others = {path.name: path.read_bytes() for path in (other.path / "pictures").iterdir()}
    assert pictures == others


def test_a_run_is_the_same_with_and_without_trackers(tiny_run: dict) -> None:
    """Of a method that draws at random; global generators are not moved either."""
    plain = play(tiny_run)
    before = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state())  # noqa: NPY002
    tracked = play(tiny_run, "tensorboard", "fake_trackers:RememberingSettings")
    same_record(plain, tracked)
    after = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state())  # noqa: NPY002
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])
    assert plain.path.name.rpartition("_")[2] == tracked.path.name.rpartition("_")[2].split("-")[0]
    assert "trackers" not in plain.config
    assert [each["kind"] for each in tracked.config["trackers"]] == [
        "tensorboard", "fake_trackers:RememberingSettings"
    ]  # fmt: skip
    assert {*os.listdir(tracked.path)} - {*os.listdir(plain.path)} == {
        "tensorboard", "trackers.json"
    }  # fmt: skip


def test_trackers_get_what_the_record_holds(tiny_run: dict) -> None:
    done = play(tiny_run, "tensorboard", {"kind": "fake_trackers:RememberingSettings"})
    (tracker,) = fake_trackers.STARTED
    assert tracker.facts.name == done.path.name
    assert tracker.facts.tags == {
        "method": "dacs", "encoder": TINY_ENCODER, "source": "town", "target": "tiny",
        "seed": "seed 0",
    }  # fmt: skip
    assert tracker.facts.config == done.config
    assert tracker.calls[-1] == "end finished"
    confidence = tracker.series("stream/confidence")
    assert [step for step, _ in confidence] == [row["index"] + 1 for row in done.frames]
    np.testing.assert_allclose(
        [value for _, value in confidence], [row["confidence"] for row in done.frames], rtol=1e-5
    )
    held_out = [
        (0 if row["after_visit"] < 0 else 2 * (row["after_visit"] + 1), row["mean_iou"])
        for row in done.evaluations
        if (row["domain"], row["head"]) == ("wet", "main")
    ]
    np.testing.assert_allclose(tracker.series("held_out/wet/mean_iou"), held_out, rtol=1e-5)
    pictures = [(item.step, *item.pictures) for item in tracker.items if item.pictures]
    assert pictures == [(2, "pictures/clear"), (4, "pictures/wet"), (6, "pictures/clear")]
    final, found = tracker.items[-1].numbers, run_continual(done)
    assert final["final/mean_iou_total"] == pytest.approx(found.total, rel=1e-4)
    assert final["final/mean_iou_forward"] == pytest.approx(found.forward, rel=1e-4)
    assert final["final/mean_iou_backward"] == pytest.approx(found.backward, rel=1e-4)
    assert final["final/forgetting"] == pytest.approx(found.forgetting, abs=1e-5)
    shown = scalars(done.path / "tensorboard")
    assert {step: round(v, 5) for step, v in shown["held_out/wet/mean_iou"]} == {
        step: round(v, 5) for step, v in held_out
    }
    assert len(read(done.path / "tensorboard").Images("pictures/wet")) == 1


STILL = {"method": {"name": "source_only"}, "source": None}


@pytest.fixture(scope="module")
def plain(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run without trackers, which others are compared with."""
    return play({**tiny_values(tiny_checkpoint, tmp_path_factory.mktemp("plain")), **STILL})


@pytest.mark.parametrize(
    ("at", "does"),
    [
        ("make", "raises"), ("start", "raises"), ("send", "raises"), ("end", "raises"),
        ("send", "exits"), ("send", "sleeps"), ("start", "hangs"), ("send", "hangs"),
        ("end", "hangs"),
    ],
)  # fmt: skip
def test_no_tracker_changes_a_run(
    tiny_run: dict, plain: Run, caplog: pytest.LogCaptureFixture, at: str, does: str
) -> None:
    before = time.monotonic()
    done = play({**tiny_run, **STILL}, odd(at=at, does=does, seconds=1.5))
    assert time.monotonic() - before < 20
    warnings = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "The run goes on." in warnings[0].getMessage()
    (note,) = [each for each in done.environment["notes"] if each.startswith("tracker ")]
    kept = json.loads((done.path / "trackers.json").read_text())["trackers"][0]
    lost = int(note.split(": ")[1].split(" of ")[0])
    assert lost == kept["dropped"]
    assert (lost > 0) == (at != "end")
    notes = [each for each in done.environment["notes"] if not each.startswith("tracker ")]
    same_record(plain, Run(**{**vars(done), "environment": {**done.environment, "notes": notes}}))
    assert not done.path.name.endswith(".partial")
    fake_trackers.RELEASE.set()
    time.sleep(0.1)
    assert not [*done.path.parent.glob("*.partial")]


def test_a_run_that_fails_says_so(tiny_run: dict) -> None:
    def stop(moment: object) -> None:
        raise RuntimeError("the watcher has had enough")

    values = {**tiny_run, "trackers": "fake_trackers:RememberingSettings"}
    with pytest.raises(RuntimeError, match="had enough"):
        run(check(values, RunConfig, where="test"), stop)
    assert fake_trackers.STARTED[0].calls[-1] == "end failed"

    def interrupt(moment: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(check(values, RunConfig, where="test"), interrupt)
    assert fake_trackers.STARTED[1].calls[-1] == "end interrupted"
    assert not [each for each in threading.enumerate() if each.name.startswith("driftseg-")]


def test_a_missing_library_is_one_line_before_the_run(tiny_run: dict) -> None:
    values = {**tiny_run, "trackers": ["fake_trackers:MissingSettings"], "checkpoint": "nowhere"}
    config = check(values, RunConfig, where="test")
    for starts in (run, rehearse):
        with pytest.raises(InputError) as error:
            starts(config)
        assert str(error.value) == (
            "trackers: expected the package no_such_library for fake_trackers:MissingSettings, got "
            "none. To fix: pip install 'driftseg[none]', or take fake_trackers:MissingSettings out "
            "of trackers."
        )
    assert not Path(tiny_run["out"]).exists()


def test_trackers_do_not_change_the_hash() -> None:
    """A run with trackers is the same experiment."""
    path = ROOT / "examples" / "town_storm.yaml"
    plain = read_config(path, RunConfig).model_dump(mode="json")
    assert "trackers" not in plain
    for text in ("tensorboard", "[tensorboard, mlflow]", "[{kind: wandb, project: x}]"):
        config = read_config(path, RunConfig, changes=[f"trackers={text}"])
        told = config.model_dump(mode="json")
        assert config_hash(told) == config_hash(plain)
        again = check(yaml.safe_load(yaml.safe_dump(told)), RunConfig, where="config.yaml")
        assert again.model_dump(mode="json") == told


@pytest.mark.parametrize(
    ("trackers", "told"),
    [
        (["tensorbord"], "expected a known tracker, got 'tensorbord'"),
        ([{"kind": "wandb", "projet": "x"}], "rename it (did you mean 'trackers.0.project'?)"),
        ([{"kind": "wandb", "mode": "cloud"}], "trackers.0.mode: "),
        ([{"project": "x"}], "expected the key kind with the name of a tracker"),
        ([{"kind": "mlflow", "patience": 0}], "trackers.0.patience: "),
        (["driftseg.methods.dacs:DacsSettings"], "expected a subclass of driftseg.trackers"),
        ([3], "trackers.0"),
    ],
)  # fmt: skip
def test_a_wrong_tracker_is_told(tiny_run: dict, trackers: list, told: str) -> None:
    with pytest.raises(InputError) as error:
        check({**tiny_run, "trackers": trackers}, RunConfig, where="run.yaml")
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_editors_know_trackers() -> None:
    schema = schema_of(RunConfig)
    items = schema["properties"]["trackers"]["anyOf"][0]["items"]
    assert {"$ref": "#/$defs/tracker"} in items["anyOf"]
    assert "wandb" in schema["$defs"]["tracker"]["properties"]["kind"]["anyOf"][0]["enum"]


def test_extras_install_what_is_asked_for() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    for name in ("tensorboard", "wandb", "mlflow"):
        assert f'\n{name} = ["{name}>=' in text
