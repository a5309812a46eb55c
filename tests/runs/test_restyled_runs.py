"""Whole runs that restyle their replay."""

from __future__ import annotations

import pytest
from whole_runs import METHOD_SETTINGS, play

from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.runs.build import build

LIST = ["histogram", "blur", "texture"]


@pytest.fixture
def tiny_run(tiny_run: dict) -> dict:
    """One frame a visit, and nothing held out: these tests look at how frames are learnt."""
    schedule = [{**visit, "frames": 1} for visit in tiny_run["schedule"]]
    return {**tiny_run, "schedule": schedule, "evaluation": None}


def losses(done) -> list:
    return [row["losses"] for row in done.frames]


@pytest.mark.parametrize("statistics", ["source", "running"])
def test_rows_of_a_table(statistics, tiny_run) -> None:
    """Replay only and restyled, by the name of each."""
    means = {}
    for name, changes in (("replay_only", {}), ("restyled_replay", {"restylings": LIST})):
        method = {"name": name, "norm_statistics": statistics, **changes}
        done = play(tiny_run, method=method)
        assert f"_{name}_" in done.path.name
        assert all(row["trained"] and row["learning_rate"] == 6e-5 for row in done.frames)
        means[name] = losses(done)
    assert {*means["replay_only"][0]} == {"source", "plain"}
    assert {*means["restyled_replay"][0]} == {"source", "restyled"}


def test_crops_are_restyled_to_crops(tiny_run) -> None:
    done = play(tiny_run, crop=[64, 48], method={"name": "restyled_replay", "restylings": LIST})
    assert all(row["trained"] for row in done.frames)


def test_a_teacher_is_recorded_only_if_asked_for(tiny_run) -> None:
    for teacher in (False, True):
        done = play(tiny_run, method={"name": "restyled_replay", "teacher": teacher})
        assert (done.frames[0]["diagnostics"]["teacher"] is not None) == teacher


def test_calibration_is_not_needed(tiny_run) -> None:
    for name in ("restyled_replay", "replay_only"):
        config = check({**tiny_run, "method": {"name": name}}, RunConfig, where="test")
        assert not config.method.needs_calibration


@pytest.mark.parametrize("name", ["dacs", "hamlet"])
def test_the_switch_of_self_training(name, tiny_run) -> None:
    method = METHOD_SETTINGS.get(name, {"name": name})
    plain = losses(play(tiny_run, method=method))
    worn = {**method, "replay_style": "restyled", "restylings": LIST}
    pasted, both = (
        losses(play(tiny_run, method={**worn, "source_loss": loss}))
        for loss in ("plain", "restyled")
    )
    assert pasted[0]["source"] == plain[0]["source"] != both[0]["source"]
    assert pasted[0]["mixed"] != plain[0]["mixed"]


def test_fourier_beta_reaches_the_restyling(tiny_run) -> None:
    one, other = (
        losses(play(tiny_run, method={"name": "restyled_replay", "restylings": ["fourier"],
                                      "fourier_beta": beta}))
        for beta in (0.02, 0.2)
    )  # fmt: skip
    assert one[0]["source"] == other[0]["source"]
    assert one[0]["restyled"] != other[0]["restyled"]


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"name": "restyled_replay", "restylings": []}, r"method.*restylings.*at least 1"),
        ({"name": "restyled_replay", "restylings": ["sepia"]}, r"restylings.*histogram"),
        ({"name": "replay_only", "restylings": LIST}, "restylings"),
        (
            {"name": "dacs", "source_loss": "restyled"},
            r"test: method\.source_loss: restyled: "
            "expected replay_style: restyled, got "
            "plain",
        ),
        (
            {"name": "dacs", "restylings": LIST},
            "test: method: restylings: expected "
            r"replay_style: restyled, got plain.*set",
        ),
        (
            {"name": "hamlet", "restylings": LIST},
            "test: method: restylings: expected "
            r"replay_style: restyled, got plain.*set",
        ),
        (
            {"name": "restyled_replay", "restylings": LIST, "fourier_beta": 0.1},
            "test: method: fourier_beta: expected fourier among the restylings, got none",
        ),
        ({"name": "restyled_replay", "norm_statistics": "published"}, "norm_statistics"),
    ],
)
def test_what_is_refused(method, message, tiny_run) -> None:
    with pytest.raises(InputError, match=message):
        check({**tiny_run, "method": method}, RunConfig, where="test")


@pytest.mark.parametrize("name", ["restyled_replay", "replay_only"])
def test_source_is_checked(name, tiny_run) -> None:
    def refuse(message: str, **changes) -> None:
        config = check({**tiny_run, "method": {"name": name}, **changes}, RunConfig, where="test")
        with pytest.raises(InputError, match=message):
            build(config)

    refuse(
        f"method {name}: expected labelled source scenes, got none. To fix: set source", source=None
    )
    told = "source: expected scenes of at least the frames' size 96x64, got 64x64"
    refuse(told, source={**tiny_run["source"], "size": [64, 64]})
