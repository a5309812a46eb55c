"""A guarded model: nothing changes while all is well, and a wrecked student is rescued."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_methods import NAMES, make

import driftseg
from driftseg.control.guard import GuardSettings
from driftseg.errors import InputError
from driftseg.methods.protection import Protection
from driftseg.town.scenes import TownScenes
from driftseg.weather import rain
from hostile_frames import spoilt

SIZE = (128, 96)
EAGER = {"check_every": 2, "probes": 2, "pause": 3}
TENT = {"norm_statistics": "running", "learning_rate": 1e-4}


@pytest.fixture(scope="module")
def scenes():
    town = TownScenes(seed=4, frames=24, every=9, size=SIZE)
    return [town.scene(index) for index in range(len(town))]


@pytest.fixture(scope="module")
def images(scenes):
    return [scene.image for scene in scenes]


@pytest.fixture(scope="module")
def source():
    return driftseg.load_dataset("town", seed=1, frames=4, every=20, size=SIZE)


def tent(guard="on", source=None):
    return driftseg.adapt(driftseg.load_model(), "tent", source=source, guard=guard, **TENT)


def play(adapter, images) -> list:
    rows = []
    for image in images:
        answer = adapter.predict(image)
        rows.append((answer.label.copy(), answer.mean_confidence, adapter.learn()))
    return rows


def same(one, other) -> bool:
    return all(
        np.array_equal(a[0], b[0]) and a[1:] == b[1:] for a, b in zip(one, other, strict=True)
    )


def wreck(adapter) -> None:
    generator = torch.Generator().manual_seed(1)
    module, roles = adapter.model.module, adapter._adaptive.roles
    parameters = dict(module.named_parameters())
    with torch.no_grad():
        for name in roles.trainable:
            drawn = torch.randn(parameters[name].shape, generator=generator)
            parameters[name].copy_(drawn)


@pytest.mark.parametrize(
    ("name", "with_source"), [*((name, True) for name in NAMES), ("tent", False)]
)
def test_nothing_changes_while_all_is_well(
    name: str, with_source: bool, make_model, make_replay, frames
) -> None:
    told = []
    for guarded in (False, True):
        method = make(name, make_model, make_replay, "tiny_lite")
        if guarded:
            labelled = [(frames[0], np.zeros(frames[0].shape[:2], np.uint8))] * with_source
            method.protection = Protection(
                method.roles, method.learner, GuardSettings(check_every=1, probes=1),
                method._output, labelled=labelled,
            )  # fmt: skip
            method.protection.checkup.suspicion = lambda *_: None
        told.append([])
        for image in frames[:4]:
            prediction = method.predict(image)
            done = method.learn()
            plan = {k: v for k, v in (done.plan or {}).items() if k != "costs_ms"}
            told[-1].append(
                (prediction.label.tobytes(), prediction.confidence, done.losses, done.trained,
                 done.signal, done.event, plan)
            )  # fmt: skip
        told[-1].append(
            {k: v.numpy().tobytes() for k, v in method.roles.network.state_dict().items()}
        )
    assert told[0] == told[1]
    if method.learner.updates:
        assert method.protection._probes


def test_a_wrecked_student_is_found_and_brought_back(images, source) -> None:
    adapter = tent(EAGER, source)
    rows = play(adapter, images[:6])
    assert rows[0][2].guard == {"calibrated_on": "source"}
    assert all("suspicious" not in (row[2].guard or {}) for row in rows)
    before = adapter.state().updates
    wreck(adapter)
    found = play(adapter, images[6:12])
    (at,) = [n for n, row in enumerate(found) if "collapse" in (row[2].guard or {})]
    told = found[at][2].guard
    assert told["brought_back"] > 0
    assert told["pause"] == 3
    after = found[at + 1 : at + 4]
    assert [row[2].trained for row in after[:2]] == [False, False]
    assert after[0][2].plan == {"skipped": "collapse"}
    assert adapter._adaptive.updates == before + sum(row[2].trained for row in found) + 1
    with torch.no_grad():
        label = adapter._adaptive.answers(images[0])["main"]
    assert (label == rows[0][0]).mean() > 0.9


def test_weights_that_are_no_numbers_are_replaced_at_once(images, source) -> None:
    adapter = tent(EAGER, source)
    first = play(adapter, images[:1])
    parameters = dict(adapter.model.module.named_parameters())
    with torch.no_grad():
        for name in adapter._adaptive.roles.trainable:
            parameters[name].fill_(float("nan"))
    ((_, _, done),) = play(adapter, images[1:2])
    assert (done.trained, done.guard["collapse"]) == (False, "not finite")
    assert np.array_equal(adapter._adaptive.answers(images[0])["main"], first[0][0])


def test_a_snapshot_that_is_wrecked_is_passed_over(images, source) -> None:
    adapter = tent(EAGER, source)
    play(adapter, images[:4])
    protection = adapter._adaptive.protection
    wreck(adapter)
    protection._keep()
    found = play(adapter, images[4:8])
    (told,) = [row[2].guard for row in found if "collapse" in (row[2].guard or {})]
    assert told["brought_back"] == 4  # the healthy one of the two from that frame
    assert protection._snapshots == []
    assert protection._healthy([0, 1])


@pytest.mark.parametrize("with_source", [True, False])
def test_ordinary_adaptation_is_no_collapse(with_source: bool, scenes, source) -> None:
    wet = [rain(scene.image, scene.depth, 100.0, camera="town") for scene in scenes[4:12]]
    adapter = tent({"check_every": 1, "probes": 3}, source if with_source else None)
    rows = play(adapter, [scene.image for scene in scenes[:4]] + wet)
    assert sum("probe" in (row[2].guard or {}) for row in rows) > 6
    assert not any("suspicious" in (row[2].guard or {}) for row in rows)
    assert all(row[2].trained for row in rows)


@pytest.mark.parametrize("with_source", [True, False])
def test_exact_continuation_through_a_collapse(with_source, images, source, tmp_path) -> None:
    given = source if with_source else None
    whole, second = tent(EAGER, given), tent(EAGER, given)
    play(whole, images[:5])
    wreck(whole)
    whole.save(tmp_path / "state.safetensors")
    rest = [*images[5:8], spoilt("black", images[0]), *images[8:]]
    rows = play(whole, rest)
    assert any("collapse" in (row[2].guard or {}) for row in rows)
    second.load(tmp_path / "state.safetensors")
    assert same(play(second, rest), rows)
    theirs = second.model.module.state_dict()
    assert all(torch.equal(t, theirs[k]) for k, t in whole.model.module.state_dict().items())


def test_bad_frames_are_predicted_and_not_learnt_from(images, source) -> None:
    adapter = driftseg.adapt(
        driftseg.load_model(), "restyled_replay", source=source, replay={"minimum_share": 0.004}
    )
    bad = spoilt("noise", images[0])
    rows = play(adapter, [bad, images[1], bad])
    assert [row[2].trained for row in rows] == [False, True, False]
    assert rows[0][2].plan == {"skipped": "unusable frame: noise"}
    assert rows[2][2].guard == {"unusable": "noise"}
    assert len(adapter._adaptive.learner._references) == 1
    assert adapter.state().skipped == "unusable frame: noise"


@pytest.mark.parametrize("kind", ["black", None])
def test_a_held_frame_is_made_again_as_it_was(kind, images, source) -> None:
    """A refused frame gives no drift signal, neither at first nor after an interruption."""
    adapter = driftseg.adapt(
        driftseg.load_model(), "hamlet", source=source, calibration=source,
        replay={"minimum_share": 0.004},
    )  # fmt: skip
    play(adapter, images[:2])
    image = images[2] if kind is None else spoilt(kind, images[2])
    model = adapter._adaptive
    model.predict(image)
    held = model.hold()
    assert (held.signal is None) == (kind == "black")
    again = model.held_again(image, held.order, usable=held.usable)
    if kind is None:
        assert torch.equal(again.signal, held.signal)
    else:
        assert again.signal is None
        assert again.level is None


def test_the_statistics_of_the_stream_come_back_exactly(images, source) -> None:
    adapter = tent(EAGER, source)
    play(adapter, images[:3])
    model = adapter._adaptive
    before = {name: tensor.clone() for name, tensor in adapter.model.module.state_dict().items()}
    start = model.protection._statistics
    with model.roles.answering_with(start):
        pass
    model.protection._healthy([0, 1])
    after = adapter.model.module.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert any(not torch.equal(after[name], tensor) for name, tensor in start.items())


def test_settings() -> None:
    assert tent("off").config.guard is None
    assert tent({"pause": 7}).config.guard.pause == 7
    assert driftseg.adapt(driftseg.load_model(), "tent").config.guard == GuardSettings()
    with pytest.raises(InputError, match=r"adapt: guard.check_every: expected .* got 0"):
        tent({"check_every": 0})
    with pytest.raises(InputError, match=r"adapt: guard: expected .* got 'sometimes'"):
        tent("sometimes")
    with pytest.raises(InputError, match=r"adapt: expected a known key, got 'guard\.sleep'"):
        tent({"sleep": 1})
