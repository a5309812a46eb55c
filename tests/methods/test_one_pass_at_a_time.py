"""Self-training holds one pass at a time: the source's gradients wait for the mixed image's."""

from __future__ import annotations

import pytest
import torch
from hamlets import Alternating, make, moved, play, snapshot

from driftseg.control.selection import FixedSelector
from driftseg.learners.parts.confidence import SelfAdaptingThresholds
from driftseg.learners.parts.losses import weighted_cross_entropy
from driftseg.methods.adaptive import AdaptiveModel


def spoil_mixed_losses(method: AdaptiveModel, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """From now on no mixed loss is finite; tells for each whether the source's pass went before."""
    seen = []
    plain = method.learner._mixed_loss

    def spoilt(mixed):
        parameters = method.roles.network.parameters()
        seen.append(any(p.grad is not None and bool(p.grad.any()) for p in parameters))
        return plain(mixed) * float("nan")

    monkeypatch.setattr(method.learner, "_mixed_loss", spoilt)
    return seen


class TestAMixedLossThatIsNotFinite:
    @pytest.mark.parametrize("encoder", ["tiny_mit", "tiny_lite"])
    @pytest.mark.parametrize("statistics", ["source", "running", "published"])
    def test_leaves_everything_as_it_was(
        self, encoder, statistics, make_model, make_replay, frames, monkeypatch
    ) -> None:
        method = make(make_model(encoder), make_replay(), norm_statistics=statistics)
        method.learner._confidence = SelfAdaptingThresholds(momentum=0.5)
        play(method, frames[:1])
        before, confidence = snapshot(method), method.learner._confidence.state_dict()
        seen = spoil_mixed_losses(method, monkeypatch)
        row = play(method, frames[1:2])[0]
        assert seen == [True]
        assert row.plan["skipped"] == "not finite"
        assert moved(method, before) == set()
        assert all(p.grad is None for p in method.roles.network.parameters())
        after = method.learner._confidence.state_dict()
        assert all(torch.equal(after[key], confidence[key]) for key in confidence)
        monkeypatch.undo()
        assert play(method, frames[2:3])[0].trained

    def test_leaves_zeros_where_frozen_tensors_drift(
        self, make_model, make_replay, frames, monkeypatch
    ) -> None:
        """The source's gradients must not become part of a drift, and the drift must go on."""
        method = make(make_model(), make_replay(), drifting=True,
                      selector=Alternating([1, 2, 4]))  # fmt: skip
        play(method, frames[:1])
        seen = spoil_mixed_losses(method, monkeypatch)
        play(method, frames[1:2])
        assert seen == [True]
        for name in method.roles.trainable:
            gradient = method.roles.network.get_parameter(name).grad
            if not name.startswith("early_head"):
                assert gradient is not None, name
                assert not gradient.any(), name
        monkeypatch.undo()
        before = snapshot(method)
        play(method, frames[2:3])
        assert moved(method, before).intersection(method.roles.network.parts["encoder.stage1"])


def test_no_gradient_is_held_between_steps(make_model, make_replay, frames) -> None:
    method = make(make_model(), make_replay())
    assert play(method, frames[:1])[0].trained
    assert all(p.grad is None for p in method.roles.network.parameters())


def test_the_update_is_that_of_both_losses(make_model, make_replay, frames, monkeypatch) -> None:
    """What reaches the optimiser is the gradient of the sum, as one backward pass gives it."""
    method = make(make_model(), make_replay(), selector=FixedSelector((1,)))
    training, roles = method.learner, method.roles
    sources, mixtures, gradients = [], [], []
    for name, kept in (("_source_losses", sources), ("_mixed_loss", mixtures)):
        plain = getattr(training, name)
        monkeypatch.setattr(training, name, lambda x, f=plain, k=kept: (k.append(x), f(x))[1])
    step = training.optimiser.step
    monkeypatch.setattr(
        training.optimiser,
        "step",
        lambda: (gradients.extend(roles.network.get_parameter(n).grad.clone() for n in learning),
                 step())[1],
    )  # fmt: skip
    learning = [n for n in roles.trainable if not n.startswith("early_head")]
    drawn = training._dropout_generator.get_state()
    weights = {n: t.clone() for n, t in roles.network.state_dict().items()}
    assert play(method, frames[:1])[0].trained

    roles.network.load_state_dict(weights)
    training._dropout_generator.set_state(drawn)

    def student(images: torch.Tensor) -> torch.Tensor:
        levels = roles.levels("student", roles.prefix(images), training=True)
        return roles.logits("student", levels, training=True)

    total = weighted_cross_entropy(student(sources[0].images), sources[0].labels)
    total = total + weighted_cross_entropy(
        student(mixtures[0].images), mixtures[0].labels, mixtures[0].weights
    )
    expected = torch.autograd.grad(total, [roles.network.get_parameter(n) for n in learning])
    for name, gradient, wanted in zip(learning, gradients, expected, strict=True):
        scale = float(wanted.abs().max())
        torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-5 * scale, msg=name)
        assert scale > 0, name
