"""The default recipe: a part of the frame's own statistics, and the way back to the source."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
from adapting import frames, make, network, play, seen, weights
from torch import Tensor

from driftseg.control.contract import Order
from driftseg.learners.answering import answer
from driftseg.learners.contract import Answer
from driftseg.learners.parts.homing import Homing, HomingSettings
from driftseg.learners.parts.losses import uncertainty
from driftseg.models.roles import Roles
from driftseg.models.trainable import trainable_names


def test_uncertainty_of_toy_answers() -> None:
    """0 for certain pixels of several classes; 1 for one class, and where nothing is known."""
    certain = torch.tensor([[[50.0, 0.0]], [[0.0, 50.0]]])[None]
    one = torch.tensor([[[50.0, 50.0]], [[0.0, 0.0]]])[None]
    assert float(uncertainty(certain)) == pytest.approx(0, abs=1e-6)
    assert float(uncertainty(one)) == 1
    assert float(uncertainty(torch.zeros(1, 4, 3, 3))) == pytest.approx(1)
    p = torch.tensor([[0.9, 0.2], [0.1, 0.8]])  # classes by pixels
    pixels = -(p * p.log()).sum(0).mean()
    mean = p.mean(1)
    wanted = float(pixels / -(mean * mean.log()).sum())
    assert float(uncertainty(p.log()[None, :, None])) == pytest.approx(wanted, rel=1e-5)


def test_weights_train_with_the_sources_statistics() -> None:
    """Whatever the weight of the frame's statistics is; the prediction has them."""
    steps, answers = [], []
    for alpha in (0.0, 1.0):
        model = make("auto", alpha=alpha, homing=None)
        model.predict(frames()[0])
        answers.append(model.last_logits())
        steps.append(model.learn().losses)
        assert model.roles.blend_weight == alpha
    assert steps[0] == steps[1]
    assert not torch.equal(answers[0], answers[1])


def test_predictions_have_a_part_of_the_frames_own_statistics() -> None:
    """As `alpha_bn`, and nothing of an earlier frame stays."""
    first, other = frames()[:2]
    one, lone = make("alpha_bn", alpha=0.3), make("auto", alpha=0.3, homing=None)
    for image in (other, first):
        one.predict(image)
        lone.predict(image)
    assert torch.equal(one.last_logits(), lone.last_logits())


def test_with_alpha_0_it_is_restyled_replay() -> None:
    plain = play(make("restyled_replay"), frames()[:3])
    none = play(make("auto", alpha=0.0, homing=None, harm=None), frames()[:3])
    for one, other in zip(plain, none, strict=True):
        assert one == pytest.approx(other, rel=1e-3)


def test_frames_that_are_not_learnt_from_change_nothing() -> None:
    model = make("auto")
    model.predict(frames()[0])
    before, updates = weights(model), model.updates
    model.learner.look(seen(model, frames()[0]))
    after = weights(model)
    assert all(torch.equal(after[name], before[name]) for name in after)
    assert model.updates == updates


def test_a_network_without_batch_normalisation_only_replays() -> None:
    model = make("auto", "plain", homing=None)
    rows = play(model, frames()[:2])
    assert all(row["trained"] for row in rows)


def homes(**settings) -> tuple[Roles, Homing]:
    net = network("mit")
    names = trainable_names(net, ["encoder", "head"])
    roles = Roles(net, names, static="whole")
    return roles, Homing(roles, HomingSettings(every=1, **settings))


def both(roles: Roles) -> tuple[Answer, Tensor, Tensor]:
    """An answer of a student that is not the source model, and both logits."""
    here = answer(roles, frames()[0])
    static = roles.logits("static", roles.levels("static", here.walk)).detach()
    student = 0.8 * static.flip(1)
    return dataclasses.replace(here, logits=student), static, student


def known(homing: Homing, source: float) -> None:
    """Sets the source's uncertainty; the frames before were far."""
    homing.load_state_dict(
        {"frames": 8, "here": 9.0, "source": source, "measured": 4, "source_at": 8}
    )


def test_a_frame_that_is_far_by_itself_is_the_students() -> None:
    """However near the frames before it were; and where nothing is known, the student answers."""
    roles, homing = homes(near=1.15, far=1.4, memory=0.0)
    here, static, student = both(roles)
    assert torch.equal(homing.output(here), student)
    known(homing, float(uncertainty(static)) / 1.41)
    assert torch.equal(homing.output(here), student)


@pytest.mark.parametrize(("distance", "away"), [(0.9, 0), (1.1, 0), (1.2, 0.25), (1.4, 0.75)])
def test_the_surer_model_has_more_of_the_answer_to_a_near_frame(distance, away) -> None:
    roles, homing = homes(near=1.1, far=1.5, memory=0.0)
    here, static, student = both(roles)
    sure, unsure = float(uncertainty(static)), float(uncertainty(student))
    assert sure < unsure
    known(homing, sure / distance)
    surer = sure**4 / (sure**4 + unsure**4)
    share = surer + (1 - surer) * away
    wanted = (1 - share) * static.softmax(dim=1) + share * student.softmax(dim=1)
    torch.testing.assert_close(homing.output(here).softmax(dim=1), wanted, atol=1e-5, rtol=1e-4)


def test_the_distance_is_a_ratio_of_the_static_models_uncertainties() -> None:
    roles, homing = homes(memory=0.0)
    assert homing.distance is None
    assert homing.strength == 1
    here, source = frames()[0], frames()[1]
    wanted = float(uncertainty(answer(roles, here).logits)) / float(
        uncertainty(answer(roles, source).logits)
    )
    with torch.no_grad():  # what the student has learnt does not count
        for parameter in roles.network.module.parameters():
            parameter.mul_(1.0 + 0.5 * parameter.requires_grad)
    homing.see(answer(roles, here))
    homing.see_source(answer(roles, source).images)
    assert homing.distance == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(
    ("distance", "strength"), [(0.5, 0.0), (1.15, 0.0), (1.275, 0.5), (1.4, 1.0), (9.0, 1.0)]
)
def test_the_strength_is_a_ramp(distance: float, strength: float) -> None:
    _, homing = homes()
    homing.load_state_dict(
        {"frames": 1, "here": distance * 0.3, "source": 0.3, "measured": 1, "source_at": 1}
    )
    assert homing.strength == pytest.approx(strength)


@pytest.mark.parametrize("learns_every", [1, 2, 3, 4, 5])
def test_the_source_is_measured_however_few_frames_are_learnt_from(learns_every: int) -> None:
    """Under a controller such as `every`: once in four frames, or in the next learnt one."""
    roles, _ = homes()
    homing = Homing(roles, HomingSettings(every=4))
    shown = answer(roles, frames()[0])
    times = []
    for number in range(60):
        homing.see(shown)
        if number % learns_every == 0 and homing.source_due:
            homing.see_source(shown.images)
            times.append(number)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(times) > 5
    assert max(gaps) < 4 + learns_every


def test_pulling_goes_back_to_the_source_model_and_stays() -> None:
    roles, homing = homes(pull=0.25)
    source = {name: tensor.clone() for name, tensor in roles.overlays["static"].items()}
    assert not homing.pull()
    parameters = dict(roles.network.module.named_parameters())
    name = roles.trainable[0]
    with torch.no_grad():
        parameters[name].add_(1.0)
    assert homing.pull()
    assert torch.allclose(parameters[name], source[name] + 0.75, atol=1e-5)
    for _ in range(60):
        homing.pull()
    assert torch.allclose(parameters[name], source[name], atol=1e-6)


def test_frames_like_the_source_are_no_failures() -> None:
    """Nothing is learnt, the guard neither counts nor warns, and the record says why."""
    model = make("auto", "mit", homing={"near": 1e6, "far": 2e6})
    for image in frames()[:5]:
        model.predict(image)
        done = model.learn()
        assert not done.trained
        assert done.plan == {"skipped": "like the source"}
    assert not model.guard.paused
    assert model.guard.skipped == 0


def test_distances_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected more than near 1\.15, got 1\. To fix"):
        HomingSettings(far=1.0)


def test_between_near_and_far_a_part_of_the_rate_is_used() -> None:
    model = make("auto", "mit", learning_rate=1e-4, homing={"every": 100}, harm=None)
    state = {"frames": 1, "here": 1.275, "source": 1.0, "measured": 9, "source_at": 1}
    model.learner._homing.load_state_dict(state)
    model.learner.look(seen(model, frames()[0]))
    step = model.learner.learn(seen(model, frames()[0]), Order(True))
    assert step.made
    assert step.learning_rate == pytest.approx(0.5e-4)
