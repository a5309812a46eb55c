"""Number for number what the released HAMLET code does (tests/golden/README.md)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from driftseg.control.budget import Budget, Levels
from driftseg.control.drift import WindowDetector
from driftseg.control.selection import PUBLISHED_SPEEDS, RewardSelector, speed_weights

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "hamlet.npz")
COLUMNS = {name: i for i, name in enumerate(GOLDEN["di_columns"].tolist())}


def released_budget(policy: str = "decay", mix_ratios=(0.5, 0.25)) -> Budget:
    return Budget(
        Levels(0.8, 2.55), step=0.23, base_iterations=750, most_iterations=4450,
        share_back=(0.25, 0.75), learning_rates=(1.5e-5, 6e-5), mix_ratios=mix_ratios,
        rate_policy=policy,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("trace", "signal", "policy", "mix_ratios"),
    [
        ("di_clean", "di_signal_clean", "decay", (0.5, 0.25)),
        ("di_noisy", "di_signal_noisy", "decay", (0.5, 0.25)),
        ("di_long", "di_signal_long", "decay", (0.5, 0.25)),
        ("di_off", "di_signal_off", "decay", (0.5, 0.25)),
        ("di_off_fixed_dacs", "di_signal_off", "decay", (0.5, 0.5)),
        ("di_clean_constant", "di_signal_clean", "constant", (0.5, 0.25)),
        ("di_clean_adaptive_init", "di_signal_clean", "burst", (0.5, 0.25)),
    ],
)
def test_domain_indicator(trace: str, signal: str, policy: str, mix_ratios) -> None:
    """Detector and budget together, frame after frame, with the released window."""
    golden = GOLDEN[trace]
    detector = WindowDetector(window=75, rise=0.23, fall=-0.23, overlapping_reference=True)
    budget = released_budget(policy, mix_ratios)
    rows = []
    for value in GOLDEN[signal]:
        plan = budget.plan()
        event = detector.add(float(value))
        if event is not None:
            budget.grant(event)
        state, reading = budget.state_dict(), detector.reading()
        way = 0 if event is None else (1 if event.direction == "away" else -1)
        jump = 0.0 if event is None else event.reference - event.value
        reference = np.nan if reading.reference is None else reading.reference
        rows.append([
            plan.mix_ratio, plan.train, plan.learning_rate, event is not None, way, reading.level,
            state["used"], state["granted"], jump, reference,
        ])  # fmt: skip
    names = [
        "dacs_ratio_source_classes(1-dacs)", "train_flag", "lr_used_group0", "changed",
        "direction", "domain_after", "iters_after", "iters_train_after", "log_jump",
        "prev_after(nan=None)",
    ]  # fmt: skip
    wanted = golden[:, [COLUMNS[name] for name in names]]
    np.testing.assert_allclose(np.array(rows, dtype=float), wanted, rtol=1e-12, atol=1e-12)
    assert wanted[:, 3].sum() > 2  # the trace holds changes at all


def test_head_rate_is_the_encoders_after_the_first_change() -> None:
    """What ``one_rate_after_change`` stands for (A.13, B4)."""
    golden = GOLDEN["di_clean"]
    first = int(np.flatnonzero(golden[:, COLUMNS["changed"]])[0])
    encoder, head = (golden[:, COLUMNS[f"lr_after_group{i}"]] for i in (0, 1))
    np.testing.assert_allclose(head[:first], 10 * encoder[:first])
    np.testing.assert_allclose(head[first:], encoder[first:])


def test_weights_of_modules() -> None:
    weights = speed_weights(PUBLISHED_SPEEDS, temperature=1.75)
    np.testing.assert_allclose(list(weights.values()), GOLDEN["mad_weights"], rtol=1e-6)


@pytest.mark.parametrize("losses", ["decay", "noise", "piecewise"])
@pytest.mark.parametrize(("suffix", "speeds"), [("", PUBLISHED_SPEEDS), ("_notime", None)])
def test_module_selection(losses: str, suffix: str, speeds) -> None:
    golden = GOLDEN[f"mad_{losses}{suffix}"]
    selector = RewardSelector((1, 2, 3, 4), speeds=speeds)
    for row, loss in zip(golden, GOLDEN[f"mad_loss_{losses}"], strict=True):
        chosen = selector.choose()
        selector.learn(float(loss), chosen)
        assert chosen == row[2]
        np.testing.assert_allclose(list(selector.histogram().values()), row[3:7], atol=1e-15)
