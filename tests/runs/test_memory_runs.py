"""Whole runs of methods that learn by another and remember, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from whole_runs import ADAPTERS, DETECTOR, METHOD_SETTINGS, play

from driftseg.config.reading import check, read_config
from driftseg.config.run import RunConfig
from driftseg.control.after_change import AfterChange
from driftseg.control.when import Always
from driftseg.errors import InputError
from driftseg.learners.replay_training import ReplayTraining
from driftseg.learners.self_training import SelfTraining
from driftseg.runs.build import build

LAE = METHOD_SETTINGS["lae"]
BANK = METHOD_SETTINGS["bank"]
FROZEN = {"train": ["adapters", "head"]}


def checked(values: dict, **changes) -> RunConfig:
    return check({**values, "adapters": ADAPTERS["lae"], **changes}, RunConfig, where="test")


def test_changes_and_what_the_bank_made_of_them_are_recorded(tiny_run) -> None:
    often = DETECTOR | {"rise": 1e-4, "fall": -1e-4, "start_rises": None}
    done = play(tiny_run, method={**BANK, "detector": often}, diagnostics_every=0)
    changed = [row for row in done.frames if row["event"] is not None]
    assert changed
    for row in done.frames:
        assert (row["bank"] is not None) == (row["event"] is not None)
        assert row["detector"]["name"] == "window"
    columns = {"stored", "found", "distance", "nearest", "domains", "bytes"}
    assert all(set(row["bank"]) == columns for row in changed)
    assert all(row["bank"] is None for row in play(tiny_run, method={"name": "dacs"}).frames)


@pytest.mark.parametrize(
    ("learner", "kind"),
    [
        ({"name": "dacs", **FROZEN}, SelfTraining),
        ({"name": "restyled_replay", **FROZEN}, ReplayTraining),
        ({**METHOD_SETTINGS["hamlet"], **FROZEN}, SelfTraining),
    ],
)
def test_any_learner_can_be_remembered_for(learner, kind, tiny_run) -> None:
    own = learner["name"] == "hamlet"
    memory = {key: value for key, value in LAE.items() if key != "detector" or not own}
    config = checked(tiny_run, method={**memory, "learner": learner, "bank": {"domains": 3}})
    method = build(config).model
    assert type(method.learner) is kind
    assert "offline" in method.roles.overlays
    assert "static" in method.roles.overlays
    assert isinstance(method.controller, AfterChange if own else Always)
    assert method.controller.finds_changes


def test_horizon_in_frames_is_the_papers_momentum(tiny_run) -> None:
    default = {"name": "lae", "detector": DETECTOR, "learner": LAE["learner"]}
    assert build(checked(tiny_run, method=default)).model.memory._offline_momentum == 0.9999


def test_without_a_detector_there_is_no_static_role(tiny_run) -> None:
    done = checked(tiny_run, method={**LAE, "detector": None})
    method = build(done).model
    assert set(method.roles.overlays) == {"student", "offline"}
    assert method.memory._changed  # averages from the first frame on
    assert not build(checked(tiny_run, method=LAE)).model.memory._changed
    assert not done.method.needs_calibration
    assert done.method.drift_detector is None


def test_what_of_a_calibration_is_used_is_the_learners_and_its_own(tiny_run) -> None:
    precise = {"name": "dacs", "confidence": {"rule": "source_precision"}}
    fixed = {**BANK, "learner": {"name": "dacs"}}
    assert not checked(tiny_run, method=fixed).method.needs_calibration
    assert checked(tiny_run, method={**BANK, "learner": precise}).method.needs_calibration
    unset = checked(tiny_run, method={**fixed, "detector": {"longest_window": 9}}).method
    assert unset.needs_calibration
    assert unset.drift_detector.learnt_window == 9
    shrunken = checked(tiny_run, method={**fixed, "signal_shrink": 2}).method
    assert shrunken.signal.shrink == 2


def test_another_learner_from_the_command_line_drops_the_old_ones_settings(
    tiny_run, tmp_path: Path
) -> None:
    path = tmp_path / "run.yaml"
    values = {**tiny_run, "method": BANK | {"learner": {"name": "hamlet", "base_iterations": 9}}}
    path.write_text(yaml.safe_dump(values, default_flow_style=False))
    config = read_config(path, RunConfig, changes=["method.learner.name=replay_only"])
    assert config.method.learner.name == "replay_only"


class TestRefused:
    @pytest.mark.parametrize(
        ("method", "told"),
        [
            (
                {**LAE, "detector": None, "head_first": 5},
                "test: method: detector: expected a detector",
            ),
            ({**LAE, "detector": None, "bank": {}}, "test: method: detector: expected a detector"),
            ({**BANK, "detector": None}, "test: method: detector: expected a detector"),
            (
                {"name": "lae", "learner": METHOD_SETTINGS["hamlet"] | FROZEN, "head_first": 2},
                "test: method: head_first: expected 0, because hamlet decides itself what "
                "learns, got 2",
            ),
            (
                {
                    **LAE,
                    "learner": METHOD_SETTINGS["hamlet"] | FROZEN,
                    "detector": {"longest_window": 9},
                },
                "test: method: detector: expected none beside hamlet, which has its own, got "
                r"one.*set learner\.detector",
            ),
            (
                {**BANK, "learner": {"name": "source_only"}},
                "test: method: learner: expected a method that trains something that can be "
                "kept, got source_only",
            ),
            (
                {**BANK, "learner": {"name": "dax"}},
                r"test: method\.learner\.name: expected a "
                r"known method, got 'dax'.*dacs, hamlet, "
                "replay_only",
            ),
            ({**BANK, "domains": 1}, "greater than or equal to 2"),
            (
                {**LAE, "learner": {"name": "dacs", "train": ["adapters"]}, "head_first": 2},
                r"test: method: head_first: expected head in learner\.train, got none",
            ),
            ({**LAE, "offline_horizon": 1}, "greater than or equal to 2"),
            ({"name": "lae"}, r"test: method\.learner: expected a value, got none"),
        ],
    )
    def test_settings(self, method, told: str, tiny_run) -> None:
        with pytest.raises(InputError, match=told):
            checked(tiny_run, method=method)

    def test_lae_without_adapters(self, tiny_run) -> None:
        config = check({**tiny_run, "method": {**LAE, "learner": {"name": "dacs"}}}, RunConfig,
                       where="test")  # fmt: skip
        with pytest.raises(
            InputError,
            match="lae: expected adapters that learn, because it averages them, got none",
        ):
            build(config)

    def test_adapters_that_its_learner_does_not_train(self, tiny_run) -> None:
        method = {**BANK, "learner": {"name": "dacs", "train": ["head"]}}
        with pytest.raises(
            InputError,
            match="adapters: expected a method that trains them, "
            "because untrained ones do nothing, got bank",
        ):
            build(checked(tiny_run, method=method))

    def test_a_detector_that_is_neither_set_nor_learnt(self, tiny_run) -> None:
        with pytest.raises(
            InputError,
            match=r"method\.detector: expected values of window, "
            "rise, fall, source_level, far_level, got "
            r"none.*set them, or calibration",
        ):
            build(checked(tiny_run, method={**LAE, "detector": {}}))

    def test_a_bank_that_looks_at_fewer_frames_than_its_detector(self, tiny_run) -> None:
        method = {**BANK, "detector": DETECTOR | {"window": 5}, "recent": 3}
        with pytest.raises(
            InputError,
            match="expected at least 5 frames, the detector's "
            "window, because fewer would leave frames of a "
            "new domain in the",
        ):
            build(checked(tiny_run, method=method, adapters=None))
        ready = build(
            checked(tiny_run, method={**method, "recent": None}, adapters=None)
        ).model.memory
        assert ready.bank._recent == 5

    def test_no_source(self, tiny_run) -> None:
        with pytest.raises(
            InputError, match="method dacs: expected labelled source scenes, got none"
        ):
            build(checked(tiny_run, method=BANK, source=None, adapters=None))
