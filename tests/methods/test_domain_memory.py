"""What lae and bank remember of the world."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from hamlets import make as make_hamlet
from small_methods import make_dacs, make_memory

from driftseg.control.bank import Bank
from driftseg.control.drift import Event
from driftseg.control.selection import FixedSelector, RoundRobinSelector
from driftseg.learners.answering import answer, to_label, with_offline
from driftseg.methods.adaptive import AdaptiveModel
from driftseg.methods.memory import Memory
from driftseg.models.adapters import adapter_spec, attach
from driftseg.models.encoders.sites import adapter_names


class Told:
    """A detector that finds changes at the frames it was told."""

    def __init__(self, *frames: int):
        self._frames, self._seen = set(frames), -1

    def add(self, signal: float) -> Event | None:
        self._seen += 1
        return Event("away", signal, 0.0, 1) if self._seen in self._frames else None

    def reading(self):
        from driftseg.control.drift import Reading

        return Reading("told", None, None, None, None, 0, 0, None)

    def state_dict(self) -> dict:
        return {"seen": self._seen}

    def load_state_dict(self, state: dict) -> None:
        self._seen = state["seen"]


def lae(make_model, make_replay, *changes: int, **more) -> AdaptiveModel:
    return make_memory(make_model(), make_replay(), stores=False, detector=Told(*changes), **more)


def adapters(method: AdaptiveModel) -> dict[str, torch.Tensor]:
    parameters = dict(method.roles.network.named_parameters())
    return {n: parameters[n].detach().clone() for n in adapter_names(method.roles.network)}


def offline(method: AdaptiveModel) -> dict[str, torch.Tensor]:
    return {n: t.clone() for n, t in method.roles.overlays["offline"].items()}


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


def step(method: AdaptiveModel, image):
    method.predict(image)
    return method.learn()


class TestLae:
    def test_only_adapters_have_an_offline_average(self, make_model, make_replay) -> None:
        method = lae(make_model, make_replay)
        assert set(method.roles.overlays["offline"]) == set(adapter_names(method.roles.network))

    def test_it_begins_with_the_first_change(self, make_model, make_replay, frames) -> None:
        """Until then the offline adapters are the online ones, and the student answers alone."""
        method = lae(make_model, make_replay, 1)
        step(method, frames[0])
        assert same(offline(method), adapters(method))
        answered = answer(method.roles, frames[3])
        together = with_offline(method.roles, answered)
        assert torch.allclose(together, answered.logits.log_softmax(1), atol=1e-6)
        step(method, frames[1])  # the change is found after this frame has been learnt from
        assert same(offline(method), adapters(method))
        step(method, frames[2])
        assert not same(offline(method), adapters(method))

    def test_the_average(self, make_model, make_replay, frames) -> None:
        method = lae(make_model, make_replay, 0, horizon=4)
        step(method, frames[0])
        expected = adapters(method)
        for image in frames[1:4]:
            step(method, image)
            online = adapters(method)
            expected = {n: 0.75 * t + 0.25 * online[n] for n, t in expected.items()}
        for name, tensor in offline(method).items():
            assert torch.allclose(tensor, expected[name], atol=1e-7), name

    def test_without_a_detector_it_begins_at_once(self, make_model, make_replay, frames) -> None:
        method = make_memory(make_model(), make_replay(), stores=False, detector=None,
                             first_task=False, horizon=4)  # fmt: skip
        before = adapters(method)
        adaptation = step(method, frames[0])
        assert adaptation.signal is None
        assert adaptation.detector is None
        now = adapters(method)
        for name, tensor in offline(method).items():
            assert torch.allclose(tensor, 0.75 * before[name] + 0.25 * now[name], atol=1e-7)

    def test_the_larger_probability_of_both(self, make_model, make_replay, frames) -> None:
        """Against two whole networks."""
        method = lae(make_model, make_replay, 0, horizon=50)
        for image in frames:
            step(method, image)
        model = method.roles.network
        answered = answer(method.roles, frames[0])
        online = model(answered.images).softmax(1)
        model.load_state_dict(model.state_dict() | method.roles.overlays["offline"])
        other = model(answered.images).softmax(1)
        got = with_offline(method.roles, answered)
        assert (online - other).abs().max() > 1e-4
        assert torch.allclose(got.exp(), torch.maximum(online, other), atol=1e-5)

    def test_evaluations_are_of_what_it_answers_with(self, make_model, make_replay, frames) -> None:
        method = lae(make_model, make_replay)
        generator = torch.Generator().manual_seed(3)
        for tensor in method.roles.overlays["offline"].values():
            tensor.normal_(generator=generator)
        step(method, frames[0])
        for tensor in method.roles.overlays["offline"].values():
            tensor.normal_(generator=generator)
        label = method.predict(frames[1]).label
        assert np.array_equal(method.answers(frames[1])["main"], label)
        alone = to_label(answer(method.roles, frames[1]).logits, label.shape)
        assert not np.array_equal(alone, label)

    def test_only_the_head_learns_first(self, make_model, make_replay, frames) -> None:
        method = lae(make_model, make_replay, 1, head_first=2)
        head = dict(method.roles.network.head.named_parameters())
        moved = []
        for image in frames:
            old = adapters(method), {n: p.detach().clone() for n, p in head.items()}
            step(method, image)
            moved.append(
                (not same(old[0], adapters(method)),
                 any(not torch.equal(old[1][n], p) for n, p in head.items()))
            )  # fmt: skip
        assert moved == [
            (True, True), (True, True), (False, True), (False, True), (True, True), (True, True)
        ]  # fmt: skip

    def test_offline_adapters_move_while_only_the_head_learns(
        self, make_model, make_replay, frames
    ) -> None:
        """As the paper's do: the average goes on towards what online adapters are."""
        method = lae(make_model, make_replay, 0, 4, head_first=2, horizon=4)
        for image in frames[:5]:
            step(method, image)
        before, online = offline(method), adapters(method)
        step(method, frames[5])
        assert same(online, adapters(method))
        assert not same(before, offline(method))

    def test_continuing_within_the_frames_of_the_head(self, make_model, make_replay, frames):
        def make():
            return lae(make_model, make_replay, 1, head_first=3)

        first, second = make(), make()
        for image in frames[:3]:
            step(first, image)
        second.load_state_dict(first.state_dict())
        learning = {n for n, p in second.roles.network.named_parameters() if p.requires_grad}
        assert learning == {n for n in second.roles.trainable if n.startswith("head.")}
        for image in frames[3:]:
            assert step(second, image) == step(first, image)
        assert same(adapters(first), adapters(second))


class TestBank:
    def method(self, make_model, make_replay, *changes: int, **more) -> AdaptiveModel:
        return make_memory(
            make_model(), make_replay(), averages=False, detector=Told(*changes),
            bank=Bank(domains=2, recent=1, nearer=0.8), **more,
        )  # fmt: skip

    def test_what_was_learnt_comes_back(self, make_model, make_replay, frames) -> None:
        """Day, night, day: weights, moments and all, as when the day was left."""
        method = self.method(make_model, make_replay, 3, 7)
        rows = [step(method, image) for image in day_night_day(frames)[:4]]
        assert (rows[3].bank["stored"], rows[3].bank["found"]) == (0, None)
        left = method.learner.state_dict()
        assert rows[3].bank["bytes"] == method.memory.stored_bytes() > 0
        rows += [step(method, image) for image in day_night_day(frames)[4:7]]
        assert [row.bank for row in (*rows[:3], *rows[4:])] == [None] * 6
        updates = method.updates
        told = step(method, day_night_day(frames)[7])
        assert (told.bank["stored"], told.bank["found"], told.bank["domains"]) == (1, 0, 2)
        assert told.bank["nearest"] < 0.8 * told.bank["distance"]
        back = method.learner.state_dict()
        assert same(back["roles"]["student"], left["roles"]["student"])
        moments = left["optimiser"]["state"]
        for number, state in back["optimiser"]["state"].items():
            for name, tensor in state.items():
                assert torch.equal(torch.as_tensor(tensor), torch.as_tensor(moments[number][name]))
        assert method.updates == updates + 2  # one step, and what was brought back

    def test_a_second_look(self, make_model, make_replay, frames) -> None:
        """A change found with the last night frame: the day's state comes a frame later."""
        method = self.method(make_model, make_replay, 3, 6)
        rows = [step(method, image) for image in day_night_day(frames)]
        assert (rows[6].bank["stored"], rows[6].bank["found"]) == (1, None)
        assert rows[7].event is None
        assert (rows[7].bank["stored"], rows[7].bank["found"]) == (None, 0)

    def test_a_change_at_the_frame_of_a_second_look(self, make_model, make_replay, frames) -> None:
        """It stores what was learnt in the domain left, and the look's find is not lost."""
        method = self.method(make_model, make_replay, 3, 6, 7)
        left = {}
        for number, image in enumerate(day_night_day(frames)[:8]):
            told = step(method, image)
            left[number] = method.learner.learnt()["roles"]["student"]
        day, night = method.memory.bank.states()
        assert same(day["roles"]["student"], left[3])
        assert same(night["roles"]["student"], left[6])
        assert (told.bank["found"], method.memory.brought_back) == (0, 1)
        assert same(left[7], left[3])

    def test_bytes_are_what_is_stored(self, make_model, make_replay, frames) -> None:
        """Trained tensors once, and twice in the optimiser's moments."""
        method = self.method(make_model, make_replay, 3)
        told = [step(method, image) for image in day_night_day(frames)[:4]][-1]
        trained = sum(
            p.numel() for n, p in method.roles.network.named_parameters()
            if n in set(method.roles.trainable)
        )  # fmt: skip
        assert 12 * trained <= told.bank["bytes"] < 12.1 * trained + 4096

    def test_an_evaluation_is_not_reused_after_a_return(self, make_model, make_replay, frames):
        method = self.method(make_model, make_replay, 3, 7)
        seen = set()
        for image in day_night_day(frames):
            step(method, image)
            seen.add(method.updates)
        assert len(seen) == 11

    def test_offline_adapters_are_not_put_back(self, make_model, make_replay, frames) -> None:
        """They average over all domains; only what learns returns."""
        method = make_memory(
            make_model(), make_replay(), horizon=4, detector=Told(3, 7),
            bank=Bank(domains=2, recent=1, nearer=0.8),
        )  # fmt: skip
        stored = None
        for number, image in enumerate(day_night_day(frames)[:8]):
            told = step(method, image)
            stored = offline(method) if number == 3 else stored
        assert told.bank["found"] == 0
        assert same(adapters(method), stored)  # the online ones, as copied at the first change
        assert not same(offline(method), stored)


class TestHamletAndABank:
    """The learner finds changes itself; the bank listens, and brings back what had learnt less."""

    def method(self, make_model, make_replay, *, drifting=False, averages=False) -> AdaptiveModel:
        model = make_model()
        attach(model, adapter_spec("adaptformer"), torch.Generator().manual_seed(1))
        return make_hamlet(
            model, make_replay(), detector=Told(3, 7), start=False, drifting=drifting,
            selector=RoundRobinSelector((4, 1)) if drifting else FixedSelector((1,)),
            offline=adapter_names(model) if averages else (),
            memory=partial(
                Memory, offline_momentum=0.75 if averages else None,
                bank=Bank(domains=2, recent=1, nearer=0.8),
            ),
        )  # fmt: skip

    def test_everything_learns_on_after_a_return(self, make_model, make_replay, frames) -> None:
        method = self.method(make_model, make_replay)
        rows = [step(method, image) for image in day_night_day(frames)[:8]]
        assert [row.event is not None for row in rows] == [n in (3, 7) for n in range(8)]
        assert rows[7].bank["found"] == 0
        assert all(row.signal is not None for row in rows)
        before = method.roles.state_dict()
        assert step(method, day_night_day(frames)[8]).trained
        after = method.roles.state_dict()
        for stage in range(4):
            names = [n for n in method.roles.trainable if n.startswith(f"encoder.stages.{stage}")]
            assert any(not torch.equal(before["student"][n], after["student"][n]) for n in names)
        step(method, day_night_day(frames)[9])
        teacher = method.roles.state_dict()["overlays"]["teacher"]
        earlier = after["overlays"]["teacher"]
        assert any(not torch.equal(teacher[n], earlier[n]) for n in teacher if "stages.0" in n)

    @pytest.mark.parametrize("drifting", [False, True])
    def test_exact_continuation_across_a_return(
        self, drifting: bool, make_model, make_replay, frames, tmp_path
    ) -> None:
        whole, first, second = (
            self.method(make_model, make_replay, drifting=drifting) for _ in range(3)
        )
        rows = [step(whole, image) for image in day_night_day(frames)]
        for image in day_night_day(frames)[:8]:
            step(first, image)
        torch.save(first.state_dict(), tmp_path / "state.pt")
        second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=False))
        assert [step(second, image) for image in day_night_day(frames)[8:]] == rows[8:]
        assert same(second.roles.network.state_dict(), whole.roles.network.state_dict())

    def test_the_ensemble_is_of_both_after_a_return(self, make_model, make_replay, frames):
        method = self.method(make_model, make_replay, averages=True)
        for image in day_night_day(frames)[:9]:
            step(method, image)
        answered = answer(method.roles, frames[5])
        got = with_offline(method.roles, answered).exp()
        model = method.roles.network
        online = model(answered.images).softmax(1)
        model.load_state_dict(model.state_dict() | method.roles.overlays["offline"])
        other = model(answered.images).softmax(1)
        assert (online - other).abs().max() > 1e-5
        assert torch.allclose(got, torch.maximum(online, other), atol=1e-6)


def test_running_statistics_return_with_the_domain(make_model, make_replay, frames) -> None:
    """DACS with a teacher, on a network with batch normalisation."""
    bank = partial(Memory, bank=Bank(domains=2, recent=1, nearer=0.8))
    method = make_dacs(make_model("tiny_lite"), make_replay(), static="early",
                       norm_statistics="running", detector=Told(3, 7), memory=bank)  # fmt: skip
    kept = {}
    for number, image in enumerate(day_night_day(frames)[:8]):
        step(method, image)
        kept[number] = method.roles.state_dict()
    student = kept[7]["student"]
    assert any("running_mean" in name for name in student)
    assert same(student, kept[3]["student"])
    assert same(kept[7]["overlays"]["teacher"], kept[3]["overlays"]["teacher"])
    assert not same(student, kept[6]["student"])


def day_night_day(frames) -> list[np.ndarray]:
    night = [image // 4 for image in frames]
    return [*frames[:3], *night[:4], *frames[3:6], frames[0]]


def test_adapting_twice_is_refused(make_model, make_replay) -> None:
    with pytest.raises(RuntimeError, match="call predict"):
        lae(make_model, make_replay).learn()
