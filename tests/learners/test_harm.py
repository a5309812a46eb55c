"""The learning rate that follows from whether learning does harm."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from adapting import frames, make, network, play, put_adapters, seen, weights

from driftseg.control.contract import Order
from driftseg.frame import SourceBatch
from driftseg.learners.parts.harm import LEAST_RATE, Harm, HarmSettings
from driftseg.learners.parts.losses import (
    mirror_disagreement,
    uncertainty,
    weighted_cross_entropy,
)
from driftseg.models.encoders.sites import adapter_names

BATCH = SourceBatch(torch.rand(1, 3, 64, 96), torch.randint(0, 11, (1, 64, 96)))


def harm(kind: str = "efficientnet", *, alpha: float = 0.1, **settings):
    """A model of `auto` that has learnt nothing, its comparison, and one frame's answer."""
    model = make("auto", kind, alpha=alpha, homing=None, harm=settings)
    return model, model.learner._harm, seen(model, frames()[0])


def ratios(comparison: Harm) -> list[float]:
    state = comparison.state_dict()
    return (state["student"] / state["source"]).tolist()


def disturb(model, by: float) -> None:
    generator = torch.Generator().manual_seed(3)
    parameters = dict(model.roles.network.module.named_parameters())
    with torch.no_grad():
        for name in model.roles.trainable:
            noise = torch.randn(parameters[name].shape, generator=generator)
            parameters[name].add_(by * parameters[name].std(unbiased=False) * noise)


@pytest.mark.parametrize("kind", ["mit", "efficientnet", "plain"])
@pytest.mark.parametrize("alpha", [0.0, 0.9])
def test_a_student_that_has_learnt_nothing_is_the_source_model(kind, alpha) -> None:
    """Both have the same statistics, also where part of them is the frame's."""
    model, comparison, answer = harm(kind, alpha=alpha)
    before = weights(model)
    assert not comparison.compare(answer, BATCH)
    assert ratios(comparison) == [1, 1, 1]
    assert comparison.rate == 0.25
    after = weights(model)
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize("kind", ["mit", "efficientnet", "plain"])
def test_a_worse_student_goes_half_of_the_way_back(kind) -> None:
    model, comparison, answer = harm(kind)
    source = weights(model)
    disturb(model, 0.8)
    worse = weights(model)
    updates = model.learner.updates
    assert comparison.compare(answer, BATCH)
    assert comparison.rate == 0.125
    assert comparison.state_dict()["student"] is None
    after = weights(model)
    for name in model.roles.trainable:
        torch.testing.assert_close(after[name], (source[name] + worse[name]) / 2)
    assert model.learner.updates == updates  # the learner counts, see the next test


def test_going_back_is_an_update_of_the_model() -> None:
    """Evaluations are made anew; the record has the smaller rate."""
    model = make("auto", homing=None, learning_rate=1e-5, harm={"every": 2})
    play(model, frames()[:1])
    disturb(model, 0.8)
    updates = model.updates
    model.predict(frames()[1])
    done = model.learn()
    assert model.updates == updates + 2
    assert done.learning_rate == pytest.approx(1e-5 / 8)


# the student's averages over the source's, memory keeps nearly all of them
@pytest.mark.parametrize(
    ("measures", "before", "after"),
    [
        ((0.9, 0.9, 1.0), 0.25, 0.5),
        ((0.9, 0.9, 1.09), 1.0, 1.0),
        ((0.9, 1.0, 1.0), 0.25, 0.25),
        ((1.0, 0.9, 0.5), 0.5, 0.5),
        ((1.0, 1.0, 1.0), 0.03125, 0.0625),
        ((1.0, 1.0, 1.0), 0.2, 0.25),
        ((1.05, 0.5, 0.5), 0.5, 0.25),
        ((0.5, 1.05, 0.5), 0.5, 0.25),
        ((0.5, 0.5, 1.15), 0.5, 0.25),
        ((1.05, 1.05, 1.15), LEAST_RATE, LEAST_RATE),
    ],
)
def test_the_rate_follows_the_three_measures(measures, before, after) -> None:
    _, comparison, answer = harm(memory=0.9999)
    comparison.load_state_dict(
        {
            "frames": 4,
            "compared_at": 0,
            "student": torch.tensor(measures) * 1e4,
            "source": torch.full((3,), 1e4),
            "rate": before,
        }
    )
    comparison.compare(answer, BATCH)
    assert comparison.rate == after


def compared(student: tuple[float, ...], source: tuple[float, ...]) -> bool:
    """Whether a student with these averages counts as worse; the new frame has no weight."""
    _, comparison, answer = harm()
    comparison._settings = comparison._settings.model_copy(update={"memory": 1.0})
    comparison.load_state_dict(
        {"frames": 4, "compared_at": 0, "rate": 0.5,
         "student": torch.tensor(student), "source": torch.tensor(source)}
    )  # fmt: skip
    return comparison.compare(answer, BATCH)


def test_what_is_no_number_counts_as_harm() -> None:
    for number in range(3):
        student = [0.5, 0.5, 0.5]
        student[number] = float("nan")
        assert compared(tuple(student), (1.0, 1.0, 1.0))


def test_a_small_loss_may_grow() -> None:
    """A model that knows its source by heart loses that before it loses anything else."""
    _, comparison, answer = harm()
    nothing = SourceBatch(BATCH.images, torch.full_like(BATCH.labels, 255))
    assert not comparison.compare(answer, nothing)
    assert comparison.state_dict()["source"][2] == 0
    assert not compared((0.5, 0.5, 0.0205), (1.0, 1.0, 0.01))
    assert compared((0.5, 0.5, 0.0215), (1.0, 1.0, 0.01))


def test_steps_use_the_share_of_the_rate() -> None:
    """Times the share by the distance from the source, here a half."""
    model = make("auto", "mit", learning_rate=1e-4, homing={"every": 100}, harm={"first_rate": 0.5})
    state = {"frames": 1, "here": 1.275, "source": 1.0, "measured": 9, "source_at": 1}
    model.learner._homing.load_state_dict(state)
    model.learner.look(seen(model, frames()[0]))
    step = model.learner.learn(seen(model, frames()[0]), Order(True))
    assert step.learning_rate == pytest.approx(0.25e-4)


def test_the_three_measures_written_out() -> None:
    """With the frame's statistics on frames, and the source's on source images."""
    model, comparison, answer = harm(alpha=0.9, memory=0.5)
    roles = model.roles
    generator = torch.Generator().manual_seed(0)
    batch = SourceBatch(
        torch.rand(2, 3, 64, 96, generator=generator),
        torch.randint(0, 11, (2, 64, 96), generator=generator),
    )

    def logits(images, alpha):
        roles.blend_statistics(alpha)
        with torch.no_grad():
            found = roles.logits("student", roles.levels("student", roles.prefix(images)))
        roles.blend_statistics(0.9)
        return found

    plain, mirrored = logits(answer.images, 0.9), logits(answer.images.flip(3), 0.9)
    wanted = [
        float(mirror_disagreement(plain, mirrored)),
        (float(uncertainty(plain)) + float(uncertainty(mirrored))) / 2,
        float(weighted_cross_entropy(logits(batch.images, 0.0), batch.labels)),
    ]
    comparison.compare(answer, batch)
    state = comparison.state_dict()
    assert state["source"].tolist() == pytest.approx(wanted, rel=1e-5)
    assert state["student"].tolist() == pytest.approx(wanted, rel=1e-5)
    assert state["compared_at"] == state["frames"] == 0


def test_other_weights_in_the_students_place_are_measured_anew() -> None:
    """As the guard and the bank bring them back; the rate is then that of the start at most."""
    model, comparison, answer = harm()
    learnt = model.learner.learnt()
    comparison.compare(answer, BATCH)
    comparison.rate = 1.0
    model.learner.bring_back(learnt)
    assert comparison.state_dict()["student"] is None
    assert comparison.rate == 0.25
    comparison.rate = 0.125
    comparison.forget()
    assert comparison.rate == 0.125


def test_weights_that_are_no_numbers_become_the_sources() -> None:
    model, comparison, answer = harm()
    source = weights(model)
    name = model.roles.trainable[0]
    with torch.no_grad():
        dict(model.roles.network.module.named_parameters())[name].fill_(float("nan"))
    assert comparison.compare(answer, BATCH)
    assert torch.equal(weights(model)[name], source[name])


def test_what_it_knows_is_saved() -> None:
    _, comparison, answer = harm(memory=0.5)
    comparison.see()
    comparison.compare(answer, BATCH)
    comparison._student = comparison._student * 2
    state = comparison.state_dict()
    _, other, _ = harm()
    other.load_state_dict(state)
    again = other.state_dict()
    assert torch.equal(again["student"], 2 * again["source"])
    assert (again["frames"], again["compared_at"], again["rate"]) == (1, 1, comparison.rate)


@pytest.mark.parametrize("learns_every", [1, 3, 5])
def test_it_compares_however_few_frames_are_learnt_from(learns_every) -> None:
    _, comparison, answer = harm()
    times = []
    for number in range(40):
        comparison.see()
        if number % learns_every == 0 and comparison.due:
            comparison.compare(answer, BATCH)
            times.append(number)
    assert max(np.diff(times)) < 4 + learns_every
    assert len(times) > 4


def test_a_run_goes_on_exactly() -> None:
    settings = {"homing": None, "learning_rate": 1e-4, "harm": {"every": 2}}
    whole, first = make("auto", **settings), make("auto", **settings)
    wanted = play(whole, frames()[:8])
    assert play(first, frames()[:5]) == wanted[:5]
    second = make("auto", **settings)
    second.load_state_dict(first.state_dict())
    assert play(second, frames()[5:8]) == wanted[5:]


def test_steps_that_are_too_large_shrink() -> None:
    """With it, the student ends much nearer to the source model."""
    far = {}
    for name, section in (("with", {"every": 1}), ("without", None)):
        model = make("auto", homing=None, learning_rate=2e-2, harm=section)
        source = weights(model)
        play(model, frames())
        after = weights(model)
        far[name] = sum(float((after[n] - source[n]).square().sum()) for n in model.roles.trainable)
        if section is not None:
            assert model.learner._harm.rate < 0.1
    assert far["with"] < 0.05 * far["without"]


def test_the_static_role_is_whole() -> None:
    model = make("auto", "mit", homing=None)
    assert model.roles.static == "whole"
    assert isinstance(model.learner._harm, Harm)
    assert HarmSettings().every == 4


def test_the_way_home_forgets() -> None:
    """Frames like the source pull the weights home: what was measured before is of others."""
    model = make("auto", "mit", homing={"every": 100}, harm={})
    learner, comparison = model.learner, model.learner._harm
    comparison.compare(seen(model, frames()[0]), BATCH)
    comparison.rate = 1.0
    disturb(model, 0.1)
    state = {"frames": 1, "here": 1.0, "source": 1.0, "measured": 9, "source_at": 1}
    learner._homing.load_state_dict(state)
    assert not learner.learn(seen(model, frames()[0]), Order(True)).made
    assert comparison.state_dict()["student"] is None
    assert comparison.rate == 0.25


def test_states_of_older_versions_have_no_comparison() -> None:
    settings = {"homing": None, "learning_rate": 1e-4, "harm": {"every": 2}}
    model, other = make("auto", **settings), make("auto", **settings)
    play(model, frames()[:5])
    state = model.state_dict()
    del state["learner"]["harm"]
    other.load_state_dict(state)
    assert other.learner._harm.state_dict()["frames"] == 0
    after, wanted = weights(other), weights(model)
    assert all(torch.equal(after[name], wanted[name]) for name in wanted)


def test_a_source_model_without_numbers_is_no_measure() -> None:
    model, comparison, answer = harm()
    with torch.no_grad():
        for tensor in model.roles.overlays["static"].values():
            tensor.fill_(float("nan"))
    assert not comparison.compare(answer, BATCH)
    assert comparison.rate == 0.25
    assert comparison.state_dict()["source"] is None


def test_loaded_adapters_that_do_not_train_are_no_learning() -> None:
    """The static role silences them. The comparison takes the trained tensors alone."""
    net = network("mit")
    put_adapters(net, "adaptformer", high_rank=None)
    with torch.no_grad():
        for name in adapter_names(net.module):
            dict(net.module.named_parameters())[name].normal_(0, 0.5)
    model = make("auto", net, train=["head"], homing=None, harm={})
    answer = seen(model, frames()[0])
    static = model.roles.logits("static", model.roles.levels("static", answer.walk))
    assert not torch.allclose(static, answer.logits)
    model.learner._harm.compare(answer, BATCH)
    assert ratios(model.learner._harm) == [1, 1, 1]


def test_a_first_rate_below_the_least_is_refused() -> None:
    with pytest.raises(ValueError, match=r"greater than or equal to 0\.015625"):
        HarmSettings(first_rate=0.005)
