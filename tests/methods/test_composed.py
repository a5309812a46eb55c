"""Any controller with any learner."""

from __future__ import annotations

import pytest
import torch

from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.conformance.method import MethodLaws
from driftseg.control.contract import Order
from driftseg.control.settings import ControlSettings, ControlSupplies
from driftseg.control.when import DeadlineSettings
from driftseg.errors import InputError
from driftseg.methods.table import METHODS
from driftseg.runs.record import read_run
from driftseg.runs.run import run

DETECTOR = {"window": 1, "rise": 0.01, "fall": -0.01, "source_level": 1.0, "far_level": 3.0}
CONTROLS = {
    "always": {"kind": "always"},
    "every": {"kind": "every", "frames": 2},
    "deadline": {"kind": "deadline", "deadline_ms": 100_000},
    "after_change": {
        "kind": "after_change", "detector": DETECTOR, "start_training": True, "costs": "none",
    },
}  # fmt: skip
LEARNERS = {
    "tent": {"name": "tent"},
    "restyled_replay": {"name": "restyled_replay"},
    "dacs": {"name": "dacs", "confidence": {"rule": "threshold", "threshold": 0.3}},
}
TIMES = ("predict_ms", "adapt_ms")


def frames(values: dict, method: dict) -> list[dict]:
    """The record without times and without the costs that are times."""
    done = read_run(run(check({**values, "method": method}, RunConfig, where="test")))
    rows = [{k: v for k, v in row.items() if k not in TIMES} for row in done.frames]
    for row in rows:
        row["plan"] = {k: v for k, v in (row["plan"] or {}).items() if k != "costs_ms"}
    return rows


def test_hamlet_is_a_composition(tiny_run: dict) -> None:
    control = {
        "detector": DETECTOR, "start_training": True, "base_iterations": 4,
        "costs": "published", "learning_rates": [1.5e-5, 6e-5], "mix_ratios": [0.5, 0.25],
    }  # fmt: skip
    learner = {
        "norm_statistics": "running",
        "confidence": {"rule": "threshold", "threshold": 0.3, "weigh": "pixels"},
    }
    preset = frames(tiny_run, {"name": "hamlet", **control, **learner})
    composed = frames(
        tiny_run,
        {"control": {"kind": "after_change", **control}, "learner": {"name": "dacs", **learner}},
    )
    assert any(row["trained"] for row in preset)
    assert composed == preset


@pytest.mark.parametrize("name", LEARNERS)
def test_always_changes_nothing(name: str, tiny_run: dict) -> None:
    composed = frames(tiny_run, {"control": {"kind": "always"}, "learner": LEARNERS[name]})
    assert composed == frames(tiny_run, LEARNERS[name])


@pytest.mark.parametrize(
    ("control", "learner"), [("deadline", "tent"), ("after_change", "restyled_replay")]
)
@pytest.mark.usefixtures("tiny_laws")
def test_compositions_keep_the_laws(control: str, learner: str) -> None:
    settings = METHODS.find("composed").model_validate(
        {"control": CONTROLS[control], "learner": LEARNERS[learner]}
    )
    findings = MethodLaws(settings).check()
    assert {found.law: found.told for found in findings if not found.holds} == {}


def test_every_second_frame_is_learnt_from(tiny_run: dict) -> None:
    rows = frames(tiny_run, {"control": CONTROLS["every"], "learner": LEARNERS["tent"]})
    assert [row["trained"] for row in rows] == [True, False] * 3


def test_tent_after_a_change_trains_the_chosen_parts_alone(tiny_run: dict) -> None:
    control = {**CONTROLS["after_change"], "selection": "stage4"}
    values = {**tiny_run, "keep_checkpoint": True}
    method = {"control": control, "learner": {"name": "tent", "learning_rate": 1e-3}}
    folder = run(check({**values, "method": method}, RunConfig, where="test"))
    from safetensors.torch import load_file

    (kept,) = folder.glob("**/*.safetensors")
    after, before = load_file(kept), load_file(tiny_run["checkpoint"])
    moved = {name for name in after if not torch.equal(after[name].float(), before[name].float())}
    assert moved
    assert all("stage4" in name or "stages.3" in name or "head" in name for name in moved), moved


def test_a_deadline_that_nothing_fits_learns_nothing(tiny_run: dict) -> None:
    method = {
        "control": {"kind": "deadline", "deadline_ms": 0.001},
        "learner": LEARNERS["restyled_replay"],
    }
    rows = frames(tiny_run, method)
    assert not any(row["trained"] for row in rows)
    assert {row["plan"]["skipped"] for row in rows} == {"deadline"}


def test_a_deadline_takes_the_deepest_choice_that_fits() -> None:
    settings = DeadlineSettings(kind="deadline", deadline_ms=100)
    made = settings.make(ControlSupplies((1, 2, 3), Order(True), lambda name: None))
    for choice, milliseconds in ((1, 150.0), (2, 80.0), (3, 20.0)):
        made.measured(Order(True, choice), milliseconds)
    from driftseg.control.contract import Seen

    assert made.order(Seen(elapsed_ms=lambda: 10.0)).choice == 2
    assert made.order(Seen(elapsed_ms=lambda: 70.0)).choice == 3
    assert made.order(Seen(elapsed_ms=lambda: 95.0)).skipped == "deadline"
    assert made.order(Seen(paused=True)).skipped == "paused"


@pytest.mark.parametrize(
    ("method", "told"),
    [
        (
            {"control": {"kind": "always"}, "learner": {"name": "hamlet"}},
            "expected a method that learns from every frame, got hamlet, which has a controller",
        ),
        (
            {"control": {"kind": "sometimes"}, "learner": {"name": "tent"}},
            "expected a known controller, got 'sometimes'",
        ),
        ({"control": {"kind": "every"}, "learner": {"name": "tent"}}, "method.control.frames"),
        ({"control": {"kind": "every", "frames": 2}}, "method.learner"),
        (
            {"control": {"kind": "every", "frames": 2, "frame": 3}, "learner": {"name": "tent"}},
            "frame",
        ),
    ],
)
def test_wrong_compositions_are_refused(method: dict, told: str, tiny_run: dict) -> None:
    with pytest.raises(InputError, match=told):
        check({**tiny_run, "method": method}, RunConfig, where="test")


class Nothing(ControlSettings):
    kind: str


def test_a_controller_without_make_is_told() -> None:
    nothing = Nothing(kind="here:Nothing")
    with pytest.raises(InputError, match="expected the method make in Nothing, got a class"):
        nothing.make(ControlSupplies((), Order(True), lambda name: None))


def test_editors_know_compositions(tiny_run: dict) -> None:
    validators = pytest.importorskip("jsonschema")

    from driftseg.config.schema import schema_of

    validator = validators.Draft202012Validator(schema_of(RunConfig))
    good = {"control": CONTROLS["every"], "learner": LEARNERS["tent"]}
    assert validator.is_valid({**tiny_run, "method": good})
    assert validator.is_valid({**tiny_run, "method": LEARNERS["tent"]})
    bad = {"control": {"kind": "every", "frame": 2}, "learner": LEARNERS["tent"]}
    assert not validator.is_valid({**tiny_run, "method": bad})
