"""Studies and selection, without Ray: runs are made up."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from driftseg.config.reading import read_config
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.sweeps import tuning
from driftseg.sweeps.choosing import write_choices
from driftseg.sweeps.expansion import expand, read_sweep
from driftseg.sweeps.tuning import Tuner
from driftseg.sweeps.tuning_file import read_tuning
from tiny_runs import SIZE, tiny_values

pytest.importorskip("optuna")
RATE = {"method.learning_rate": {"low": 1e-5, "high": 1e-2, "log": True}}


def values(**changed: object) -> dict:
    return {
        "base": "base.yaml",
        "schedule": {"preset": "fog", "frames": 1},
        "methods": {
            "tent": {"search": RATE},
            "dacs": {"search": {**RATE, "method.train": {"choices": [["head"], ["encoder"]]}}},
        },
        "trials": 4,
        "label_free": {"source": {"kind": "town", "seed": 5, "frames": 2, "size": SIZE}},
        **changed,
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a tuning file and its base."""

    def made(**changed: object) -> Path:
        base = tiny_values(Path("tiny.safetensors"), tmp_path / "runs")
        (tmp_path / "base.yaml").write_text(yaml.safe_dump(base))
        path = tmp_path / "mine.yaml"
        told = {**values(**changed), "out": str(tmp_path / "study")}
        path.write_text(yaml.safe_dump(told, sort_keys=False))
        return path

    return made


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch):
    """Makes scores of a learning rate up: labels want a high one, the label-free rule a low one."""

    def numbers(config: RunConfig) -> dict[str, float]:
        rate = config.method.learning_rate
        return {"oracle": 1000 * rate, "label_free": 90 - 1000 * rate, "agreement": 1.0,
                "source_mean_iou": 2.0}  # fmt: skip

    monkeypatch.setattr(tuning, "numbers_of", numbers)

    def carry_out(tuner: Tuner, state: str = "finished") -> int:
        made = 0
        for each in tuner.studies:
            while (proposed := tuner.propose(each)) is not None:
                key, config = proposed
                tuner.tell(each, SimpleNamespace(key=key, state=state, folder=config))
                made += 1
        return made

    return carry_out


def test_every_method_gets_the_same_number_of_trials(write, play) -> None:
    tuner = Tuner(read_tuning(write()))
    assert play(tuner) == 8
    tuned = write_choices(tuner, [])
    assert tuned.trials == {"tent": 4, "dacs": 4}
    again = Tuner(read_tuning(write()))
    assert play(again) == 0
    longer = Tuner(read_tuning(write(trials=5)))
    assert play(longer) == 2


def test_both_rules_choose_and_run_takes_what_they_chose(write, play) -> None:
    path = write()
    tuner = Tuner(read_tuning(path))
    play(tuner)
    tuned = write_choices(tuner, [])
    assert [(each.method, each.rule) for each in tuned.choices] == [
        ("tent", "oracle"), ("tent", "label_free"), ("dacs", "oracle"), ("dacs", "label_free"),
    ]  # fmt: skip
    rates = {each.rule: each.values["method.learning_rate"] for each in tuned.choices[:2]}
    drawn = sorted(trial.params["method.learning_rate"] for trial in tuner.trials("tent", "oracle"))
    assert rates["oracle"] == pytest.approx(drawn[-1], rel=1e-3)
    assert rates["label_free"] == pytest.approx(drawn[0], rel=1e-3)
    base = read_config(path.parent / "base.yaml", RunConfig)
    for each in tuned.choices:
        config = read_config(each.config, RunConfig)
        assert config.method.name == each.method
        assert config.method.learning_rate == each.values["method.learning_rate"]
        assert config.schedule == base.schedule
        assert config.label_free is None
    assert len(tuned.numbers.read_text().splitlines()) == 9


def test_a_sweep_of_the_chosen_settings_has_the_same_runs(write, play) -> None:
    tuner = Tuner(read_tuning(write()))
    play(tuner)
    tuned = write_choices(tuner, [])
    assert tuned.sweep is not None
    points = expand(read_sweep(tuned.sweep), str(tuned.sweep)).points
    found = {point.config.model_copy(update={"seed": 0}).model_dump_json() for point in points}
    chosen = [read_config(each.config, RunConfig) for each in tuned.choices]
    assert {point.config.seed for point in points if not point.any_seed} == {0, 1, 2}
    assert {point.config.method.name for point in points} == {"tent", "dacs"}
    threads = {"threads": points[0].config.threads, "seed": 0}
    assert found == {config.model_copy(update=threads).model_dump_json() for config in chosen}


@pytest.mark.parametrize(("sampler", "made"), [("random", 8), ("tpe", 10)])
def test_without_labels_the_label_free_rule_chooses(
    sampler, made, write, play, monkeypatch
) -> None:
    """The oracle's score is not a number then. TPE asks it once for each of the two methods."""
    told = tuning.numbers_of
    monkeypatch.setattr(
        tuning, "numbers_of",
        lambda config: {name: n for name, n in told(config).items() if name != "oracle"},
    )  # fmt: skip
    tuner = Tuner(read_tuning(write(sampler=sampler)))
    assert play(tuner) == made
    assert play(Tuner(read_tuning(write(sampler=sampler)))) == 0
    tuned = write_choices(tuner, [])
    assert [(each.method, each.rule) for each in tuned.choices] == [
        ("tent", "label_free"), ("dacs", "label_free"),
    ]  # fmt: skip
    assert tuned.trials == {"tent": 4, "dacs": 4}


def test_trials_that_draw_equal_settings_share_a_run(write, play, monkeypatch) -> None:
    """Two values, four trials, all begun before one has ended: runs are told once each."""
    monkeypatch.setattr(
        tuning, "numbers_of", lambda config: {"oracle": 1.0 + len(config.method.train)}
    )
    search = {"method.train": {"choices": [["head"], ["encoder", "head"]]}}
    tuner = Tuner(read_tuning(write(methods={"dacs": {"search": search}})))
    [study] = tuner.studies
    begun = {}
    while (proposed := tuner.propose(study)) is not None:
        begun.setdefault(*proposed)
    assert len(begun) == 2
    for key, config in begun.items():
        tuner.tell(study, SimpleNamespace(key=key, state="finished", folder=config))
    assert len(tuner.trials("dacs", "oracle")) == 4
    assert study.running == {}


@pytest.mark.parametrize("guarded", ["tent", "dacs"])
def test_a_section_that_one_method_has_is_in_the_sweep(guarded, write, play) -> None:
    """A guard that is off is left out of a config's text."""
    methods = values()["methods"]
    methods[guarded] = {**methods[guarded], "changes": {"guard": "on"}}
    tuner = Tuner(read_tuning(write(methods=methods)))
    play(tuner)
    tuned = write_choices(tuner, [])
    assert tuned.sweep is not None
    for point in expand(read_sweep(tuned.sweep), str(tuned.sweep)).points:
        assert (point.config.guard is not None) == (point.config.method.name == guarded)


def test_a_score_that_is_no_number_is_left_out(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(tuning, "read_run", lambda folder: None)
    monkeypatch.setattr(tuning, "stream_scores", lambda run: [math.nan, math.nan])
    monkeypatch.setattr(tuning, "read_json", lambda path: {"score": 61.5, "agreement": None})
    assert tuning.numbers_of(tmp_path) == {"label_free": 61.5}


def test_a_sampler_that_learns_gives_each_rule_its_own_trials(write, play) -> None:
    tuner = Tuner(read_tuning(write(sampler="tpe")))
    assert play(tuner) == 16
    assert len(tuner.trials("tent", "oracle")) == len(tuner.trials("tent", "label_free")) == 4


def test_trials_that_were_cut_or_failed_are_taken_up(write, play) -> None:
    tuner = Tuner(read_tuning(write()))
    key, config = tuner.propose(tuner.studies[0])
    assert play(tuner, "failed") == 7
    again = Tuner(read_tuning(write()))
    taken = again.take_up()
    assert len(taken) == 8
    assert taken[0][1:] == (key, config)
    assert all(again.propose(each) is None for each in again.studies)


def test_the_runs_are_on_the_tuning_schedule(write) -> None:
    tuner = Tuner(read_tuning(write(changes={"severity": 0.5})))
    _, config = tuner.propose(tuner.studies[1])
    assert config.schedule.preset == "fog"
    assert config.severity == 0.5
    assert config.label_free is not None
    assert config.method.name == "dacs"


@pytest.mark.parametrize(
    ("changed", "apart"),
    [
        ({"schedule": {"preset": "fog", "frames": 2}}, "schedule.frames"),
        ({"seed": 4}, "seed"),
        ({"methods": {"tent": {"search": {
            "method.learning_rate": {"low": 1e-5, "high": 1e-1, "log": True}}}}},
         "methods.tent.search.method.learning_rate.high"),
    ],
)  # fmt: skip
def test_a_study_that_was_changed_is_refused(write, play, changed: dict, apart: str) -> None:
    play(Tuner(read_tuning(write())))
    with pytest.raises(InputError) as error:
        Tuner(read_tuning(write(**changed)))
    assert "expected the settings that the study began with" in str(error.value)
    assert apart in str(error.value)
    assert "\n" not in str(error.value)


def test_another_base_is_refused(write, play, tmp_path: Path) -> None:
    path = write()
    play(Tuner(read_tuning(path)))
    base = yaml.safe_load((tmp_path / "base.yaml").read_text())
    (tmp_path / "base.yaml").write_text(yaml.safe_dump({**base, "severity": 2.0}))
    with pytest.raises(InputError, match=r"another base\.severity"):
        Tuner(read_tuning(path))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"schedule": [{"name": "dry", "frames": 5}, {"name": "x", "rain": 100},
                       {"name": "dry"}]}, "got the same weather in the same order"),
        ({"methods": {"tent": {"search": {"method.lerning_rate": {"low": 1, "high": 2}}}}},
         "did you mean 'method.learning_rate'?"),
        ({"methods": {"tent": {"search": {"seed": {"low": 1, "high": 2}}}}},
         "expected a setting of the method"),
        ({"methods": {"tent": {"search": {"method.learning_rate": {"low": 2, "high": 1}}}}},
         "expected low below high, got 2 and 1. To fix"),
        ({"methods": {"tent": {"search": {"method.learning_rate": {"low": 2}}}}},
         "expected either low and high, or choices, got low=2.0, high=None, choices=None. "),
        ({"methods": {"tent": {"search": {}}}}, "search"),
        ({"methods": {}}, "methods"),
        ({"trials": 0}, "trials"),
        ({"trails": 3}, "did you mean 'trials'?"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(write, changed: dict, told: str) -> None:
    with pytest.raises(InputError) as error:
        read_tuning(write(**changed))
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_whole_numbers_stay_whole(write) -> None:
    search = {"method.learning_rate": {"choices": [1e-4]}, "replay.capacity": {"low": 4, "high": 9}}
    tuner = Tuner(read_tuning(write(methods={"dacs": {"search": search}})))
    _, config = tuner.propose(tuner.studies[0])
    assert 4 <= config.replay.capacity <= 9
