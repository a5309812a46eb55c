"""What a deadline takes for the cost of learning."""

from __future__ import annotations

from driftseg.control.contract import Order, Step
from driftseg.control.when import Deadline


def test_a_step_that_was_not_made_has_no_cost() -> None:
    """`auto` makes none on frames like the source, in no time."""
    controller = Deadline([1], deadline_ms=50, plain=Order(True))
    controller.done(Order(True, 1), Step(False, reason="like the source"), 0.1)
    assert controller.costs.training_ms() == {}
    controller.done(Order(True, 1), Step(True), 30.0)
    assert controller.costs.training_ms() == {1: 30.0}
