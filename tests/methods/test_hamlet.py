"""HAMLET as a whole: when it learns, what moves, deadlines, and losses that are not finite."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from driftseg.control.budget import Budget, Levels
from driftseg.control.drift import WindowDetector
from driftseg.control.selection import FixedSelector, RewardSelector
from driftseg.errors import InputError
from driftseg.frame import SourceBatch
from driftseg.methods.base import to_images
from driftseg.methods.confidence import Thresholds
from driftseg.methods.diagnostics import diagnose
from driftseg.methods.hamlet import Hamlet, Released
from driftseg.methods.self_training import SelfTraining
from driftseg.methods.signal import drift_signal
from driftseg.models.encoders import ENCODERS
from driftseg.models.roles import Roles
from driftseg.models.segmenter import build_segmenter, upsample
from driftseg.models.trainable import names_from_stage, trainable_names
from driftseg.runs.method_builder import build_modules

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "hamlet.npz")
FAMILIES = ["mit_b0", "efficientnet_lite0"]


class Clock:
    """Seconds that pass as they are told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.per_reading = 0.0

    def __call__(self) -> float:
        self.now += self.per_reading
        return self.now


def make(
    model,
    replay,
    *,
    train=("encoder", "head"),
    selector=None,
    fusion: bool = True,
    base: int = 100,
    start: bool = True,
    detector=None,
    distance: float = 0.0,
    drifting: bool = False,
    **changes,
) -> Hamlet:
    norm_statistics = changes.pop("norm_statistics", "source")
    roles = Roles(
        model, trainable_names(model, train), teacher=True, learning=(),
        static="whole" if distance > 0 else "early", norm_statistics=norm_statistics,
    )  # fmt: skip
    training = SelfTraining(
        roles, replay, head_factor=10.0, weight_decay=0.01, teacher_momentum=0.999,
        confidence=Thresholds([0.3]), ignored_rows=(0, 0), jitter=0.2, blur=True,
        feature_distance_weight=distance, feature_distance_classes=range(11),
        frozen_tensors_drift=drifting, generator=np.random.default_rng(0),
        dropout_generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    modules = build_modules(model, roles.trainable, fusion=fusion)
    arguments = {
        "modules": modules,
        "detector": detector or WindowDetector(window=1000, rise=1.0, fall=-1.0),
        "budget": Budget(
            Levels(1.0, 3.0), step=0.1, base_iterations=base, most_iterations=1000,
            share_back=(0.25, 0.75), learning_rates=(1e-4, 2e-4), mix_ratios=(0.5, 0.25),
            rate_policy="constant", start_training=start,
        ),
        "selector": selector or RewardSelector(tuple(modules), speeds=None),
        "measure": False,
        **changes,
    }  # fmt: skip
    return Hamlet(training, **arguments)


def play(method: Hamlet, frames) -> list:
    rows = []
    for image in frames:
        method.predict(image)
        rows.append(method.adapt())
    return rows


def snapshot(method: Hamlet) -> dict[str, torch.Tensor]:
    return {n: t.clone() for n, t in method.roles.model.state_dict().items()}


def moved(method: Hamlet, before: dict[str, torch.Tensor]) -> set[str]:
    after = method.roles.model.state_dict()
    return {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}


class TestSignal:
    @pytest.mark.parametrize("encoder", FAMILIES)
    def test_is_the_static_early_head_against_the_student(
        self, encoder: str, make_model, make_replay, frames
    ) -> None:
        """Also after the student has learnt everywhere, against a copy of the source model."""
        model = make_model(encoder)
        source = copy.deepcopy(model).eval()
        method = make(model, make_replay(), released=Released(full_resolution_signal=True))
        play(method, frames[:3])
        prediction = method.predict(frames[3])
        images = to_images(frames[3], torch.device("cpu"))
        with torch.no_grad():
            level = source.encoder.level(0, source.encoder.stage(0, source.start(images).x))
            early = upsample(source.early_head((level,)), (64, 96))
        wanted = F.cross_entropy(early, torch.from_numpy(prediction.label.astype(np.int64))[None])
        assert method.adapt().signal == pytest.approx(wanted.item(), rel=1e-5)

    def test_on_the_heads_grid_it_is_close(self, make_model, make_replay, frames) -> None:
        model = make_model()
        roles = Roles(model, [], static="early")
        walk = roles.prefix(to_images(frames[0], torch.device("cpu")))
        logits = roles.logits("student", walk.levels)
        small = drift_signal(roles, walk, logits)
        assert small == pytest.approx(drift_signal(roles, walk, logits, size=(64, 96)), rel=0.05)

    def test_a_model_without_an_early_head(self, make_replay) -> None:
        model = build_segmenter("mit_b0", classes=11, head_width=16, early_head=False)
        with pytest.raises(InputError, match="needs a model with an early head"):
            make(model, make_replay())


class TestWhen:
    def test_nothing_moves_before_the_first_change(self, make_model, make_replay, frames) -> None:
        method = make(make_model(), make_replay(), start=False)
        before = snapshot(method)
        rows = play(method, frames)
        assert not any(row.trained for row in rows)
        assert moved(method, before) == set()
        assert method.updates == 0
        assert method.roles.shared_stages == 4  # every role is still the same network

    def test_a_change_starts_training_with_the_next_frame(
        self, make_model, make_replay, frames
    ) -> None:
        detector = WindowDetector(window=1, rise=1e-9, fall=-1e-9)
        method = make(make_model(), make_replay(), start=False, base=1000, detector=detector)
        rows = play(method, [frames[0], frames[1], frames[2]])
        assert [row.event is not None for row in rows] == [False, True, False]
        assert [row.trained for row in rows] == [False, False, True]
        assert rows[2].learning_rate is not None
        assert rows[1].event["direction"] in ("away", "back")
        assert rows[2].plan["module"] == 1


class TestWhere:
    @pytest.mark.parametrize("encoder", FAMILIES)
    @pytest.mark.parametrize("first", [1, 2, 3, 4])
    def test_exactly_the_chosen_stages_and_the_head_move(
        self, encoder: str, first: int, make_model, make_replay, frames
    ) -> None:
        method = make(make_model(encoder), make_replay(), selector=FixedSelector((first,)))
        before = snapshot(method)
        play(method, frames[:3])
        groups = method.roles.model.groups()
        parts = [f"encoder.stage{n}" for n in range(first, 5)] + ["head"]
        assert moved(method, before) == {name for part in parts for name in groups[part]}
        assert method.roles.shared_stages == first - 1

    @pytest.mark.parametrize("encoder", FAMILIES)
    def test_frozen_again_means_not_a_bit(
        self, encoder: str, make_model, make_replay, frames
    ) -> None:
        """Stages that have learnt and do not learn now stay, whatever AdamW remembers (B5)."""
        method = make(make_model(encoder), make_replay(), selector=Alternating([1, 1, 4, 4, 2]))
        play(method, frames[:2])
        before = snapshot(method)
        play(method, frames[2:4])
        groups = method.roles.model.groups()
        assert moved(method, before) == {*groups["encoder.stage4"], *groups["head"]}
        before = snapshot(method)
        play(method, frames[4:5])
        assert not moved(method, before).intersection(groups["encoder.stage1"])

    def test_released_code_moves_what_is_frozen(self, make_model, make_replay, frames) -> None:
        method = make(make_model(), make_replay(), drifting=True,
                      selector=Alternating([1, 4]))  # fmt: skip
        play(method, frames[:1])
        before = snapshot(method)
        play(method, frames[1:2])
        assert moved(method, before).intersection(method.roles.model.groups()["encoder.stage1"])

    @pytest.mark.parametrize("first", [1, 2, 3, 4])
    def test_released_trainable_sets(self, first: int) -> None:
        """Numbers of tensors and parameters as recorded from the released code (A.4, B2)."""
        with torch.device("meta"):
            model = build_segmenter("mit_b1", classes=19, head_width=256)
        names = names_from_stage(
            model, trainable_names(model, ["encoder", "head"]), first, fusion=False
        )
        sizes = {n: p.numel() for n, p in model.named_parameters()}
        golden = GOLDEN[f"requires_grad_n{first}"]
        dead = np.array(["conv_seg" in name for name in GOLDEN["param_names"].tolist()])
        assert len(names) == int((golden & ~dead).sum())
        assert sum(sizes[n] for n in names) == int(GOLDEN["param_numel"][golden & ~dead].sum())

    def test_released_fusion_never_moves(self, make_model, make_replay, frames) -> None:
        method = make(make_model(), make_replay(), fusion=False, norm_statistics="published",
                      selector=FixedSelector((2,)))  # fmt: skip
        before = snapshot(method)
        play(method, frames[:2])
        gone = moved(method, before)
        kept = {"head.fuse.weight", "head.classifier.weight", "head.norm.weight",
                "head.embed.0.weight"}  # fmt: skip
        assert not gone & kept
        assert {"head.embed.1.weight", "head.norm.running_mean"} <= gone

    def test_stages_without_anything_trainable_are_no_choice(self, make_model) -> None:
        model = make_model()
        names = trainable_names(model, ["encoder.stage3", "encoder.stage4", "head"])
        assert list(build_modules(model, names, fusion=True)) == [3, 4]
        assert list(build_modules(model, trainable_names(model, ["head"]), fusion=True)) == [4]


class Alternating:
    """A selector that follows a list."""

    def __init__(self, order: list[int]):
        self._order = iter(order)

    def choose(self) -> int:
        return next(self._order)

    def learn(self, loss: float, chosen: int) -> None:
        pass

    def set_speeds(self, speeds) -> None:
        pass

    def histogram(self) -> dict[int, float]:
        return {}

    def state_dict(self) -> dict:
        return {}

    def load_state_dict(self, state: dict) -> None:
        pass


class TestCosts:
    def test_measuring_changes_nothing(self, make_model, make_replay, frames) -> None:
        """The first frame times every choice and leaves weights and random streams alone."""
        clock = Clock()
        clock.per_reading = 0.01
        plain = make(make_model(), make_replay(), selector=FixedSelector((2,)))
        timed = make(make_model(), make_replay(), selector=FixedSelector((2,)), measure=True,
                     clock=clock)  # fmt: skip
        for one, other in zip(play(plain, frames[:3]), play(timed, frames[:3]), strict=True):
            assert one.losses == other.losses
            assert one.signal == other.signal
        for name, tensor in plain.roles.model.state_dict().items():
            assert torch.equal(tensor, timed.roles.model.state_dict()[name])
        assert set(timed.costs.training_ms()) == {1, 2, 3, 4}

    def test_deadline_takes_the_deepest_that_fits_or_none(
        self, make_model, make_replay, frames
    ) -> None:
        clock = Clock()
        method = make(make_model(), make_replay(), deadline_ms=100.0, clock=clock)
        for choice, ms in ((1, 200.0), (2, 80.0), (3, 60.0), (4, 40.0)):
            method.costs.trained(choice, ms)
        chosen = []
        for late in (0.0, 0.030, 0.050, 0.070):
            method.predict(frames[0])
            clock.now += late  # seconds that something else took
            row = method.adapt()
            chosen.append((row.plan["module"], row.plan["skipped"]))
            for choice, ms in ((2, 80.0), (3, 60.0), (4, 40.0)):
                for _ in range(15):
                    method.costs.trained(choice, ms)
        assert chosen == [(2, None), (3, None), (4, None), (None, "deadline")]


class Poisoned:
    """A replay whose batches can be made to give losses that are not finite."""

    def __init__(self, replay):
        self._replay = replay
        self.poison = False

    def sample(self) -> SourceBatch:
        batch = self._replay.sample()
        return SourceBatch(batch.images * float("nan"), batch.labels) if self.poison else batch

    def state_dict(self) -> dict:
        return self._replay.state_dict()

    def load_state_dict(self, state: dict) -> None:
        self._replay.load_state_dict(state)


class TestBadInput:
    def test_losses_that_are_not_finite(self, make_model, make_replay, frames) -> None:
        """Skipped and counted; three in a row pause training until the next event."""
        replay = Poisoned(make_replay())
        detector = WindowDetector(window=1000, rise=1.0, fall=-1.0)
        method = make(make_model(), replay, detector=detector)
        play(method, frames[:1])
        before = snapshot(method)
        replay.poison = True
        with pytest.warns(RuntimeWarning, match="training pauses until the next change"):
            rows = play(method, frames[1:5])
        assert [row.plan["skipped"] for row in rows] == ["not finite"] * 3 + ["paused"]
        assert not any(row.trained for row in rows)
        assert method.guard.skipped == 3
        assert moved(method, before) == set()
        replay.poison = False
        method.guard.resume()  # what an event does
        assert play(method, frames[5:6])[0].trained

    def test_a_source_of_one_class_and_one_of_none(self, make_model, make_replay, frames) -> None:
        """One class is pasted whole, nothing of a label full of 255 is."""

        class Same(Poisoned):
            value = 3

            def sample(self) -> SourceBatch:
                batch = self._replay.sample()
                return SourceBatch(batch.images, torch.full_like(batch.labels, self.value))

        replay = Same(make_replay())
        method = make(make_model(), replay)
        assert play(method, frames[:1])[0].trained
        replay.value = 255
        row = play(method, frames[1:2])[0]
        assert row.trained
        assert row.losses["source"] == 0.0
        assert np.isfinite(list(row.losses.values())).all()

    def test_empty_feature_distance_contributes_exactly_nothing(
        self, make_model, make_replay, frames
    ) -> None:
        class Road(Poisoned):
            def sample(self) -> SourceBatch:
                batch = self._replay.sample()
                return SourceBatch(batch.images, torch.full_like(batch.labels, 255))

        method = make(make_model(), Road(make_replay()), distance=0.005)
        assert play(method, frames[:1])[0].losses["feature_distance"] == 0.0


class TestDiagnostics:
    def test_deep_static_stages_are_never_built_without_feature_distance(
        self, make_model, make_replay, frames
    ) -> None:
        method = make(make_model(), make_replay())
        names = method.roles.overlays["static"]
        assert all(name.startswith("encoder.stages.0.") for name in names)
        with pytest.raises(ValueError, match="built for its first stage only"):
            method.roles.levels("static", method.roles.prefix(to_images(frames[0], "cpu")))
        found = diagnose(method.roles, frames[0])
        assert found["static"] is None
        assert set(found["static_early"]) == {"confidence", "entropy"}

    def test_roles_are_looked_at_as_they_are(self, make_model, make_replay, frames) -> None:
        method = make(make_model(), make_replay(), distance=0.005)
        first = diagnose(method.roles, frames[0])
        assert first["student"] == first["teacher"] == first["static"]
        play(method, frames[:3])
        later = diagnose(method.roles, frames[0])
        assert later["static"] == pytest.approx(first["static"], rel=1e-5)
        assert len({found["entropy"] for found in (later["student"], later["static"])}) == 2
        prediction = method.predict(frames[0])
        assert prediction.entropy == pytest.approx(later["student"]["entropy"], rel=1e-5)

    def test_source_only_is_its_own_static_model(self, make_model, frames) -> None:
        found = diagnose(Roles(make_model(), []), frames[0])
        assert found["student"] == found["static"]
        assert found["teacher"] is None
        assert found["static_early"] is not None


@pytest.mark.parametrize("encoder", FAMILIES)
def test_exact_continuation_while_stages_change(
    encoder: str, make_model, make_replay, frames
) -> None:
    def fresh() -> Hamlet:
        detector = WindowDetector(window=1, rise=0.01, fall=-0.01)
        return make(make_model(encoder), make_replay(), detector=detector, start=False, base=2)

    whole, first, second = fresh(), fresh(), fresh()
    rows = play(whole, frames)
    play(first, frames[:3])
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert play(second, frames[3:]) == rows[3:]
    assert second.roles.shared_stages == whole.roles.shared_stages
    for key, tensor in whole.roles.model.state_dict().items():
        assert torch.equal(tensor, second.roles.model.state_dict()[key])


def test_every_encoder_has_modules() -> None:
    for encoder in ENCODERS:
        with torch.device("meta"):
            model = build_segmenter(encoder, classes=11, head_width=16)
        modules = build_modules(model, trainable_names(model, ["encoder", "head"]), fusion=True)
        assert list(modules) == [1, 2, 3, 4]
        for n in (1, 2, 3):
            assert set(modules[n]) > set(modules[n + 1])
