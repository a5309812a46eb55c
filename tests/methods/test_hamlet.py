"""HAMLET as a whole: when it learns, what moves, deadlines."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from hamlets import Alternating, Clock, make, moved, play, snapshot
from torch.nn import functional as F

from driftseg.control.drift import WindowDetector
from driftseg.control.selection import FixedSelector
from driftseg.learners.answering import to_images
from driftseg.methods.adaptive import AdaptiveModel
from driftseg.models.encoders import ENCODERS
from driftseg.models.segmenter import build_segmenter, upsample
from driftseg.models.trainable import choices, names_from, trainable_names
from tiny_networks import TINY_ENCODER, build

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "hamlet.npz")
FAMILIES = ["tiny_mit", "tiny_lite"]


class TestSignal:
    @pytest.mark.parametrize("encoder", FAMILIES)
    def test_is_the_static_early_head_against_the_student(
        self, encoder: str, make_model, make_replay, frames
    ) -> None:
        """Also after the student has learnt everywhere, against a copy of the source model."""
        model = make_model(encoder)
        source = copy.deepcopy(model).eval()
        method = make(model, make_replay(), full_resolution_signal=True)
        play(method, frames[:3])
        prediction = method.predict(frames[3])
        images = to_images(frames[3], torch.device("cpu"))
        with torch.no_grad():
            level = source.encoder.level(0, source.encoder.stage(0, source.start(images).x))
            early = upsample(source.early_head((level,)), (64, 96))
        wanted = F.cross_entropy(early, torch.from_numpy(prediction.label.astype(np.int64))[None])
        assert method.learn().signal == pytest.approx(wanted.item(), rel=1e-5)

    @pytest.mark.parametrize("encoder", FAMILIES)
    def test_shrunken_and_coarse_it_is_still_of_the_source_model(
        self, encoder: str, make_model, make_replay, frames
    ) -> None:
        """By hand: the shrunken image, labels at the nearest cells, after all has learnt."""
        model = make_model(encoder)
        source = copy.deepcopy(model).eval()
        method = make(model, make_replay(), signal_shrink=2)
        play(method, frames[:3])
        method.predict(frames[3])
        images = to_images(frames[3], torch.device("cpu"))
        with torch.no_grad():
            labels = model.eval()(images).argmax(1)  # 16 x 24 cells
            small = F.avg_pool2d(images, 2)  # 32 x 48 pixels, 8 x 12 cells
            level = source.encoder.level(0, source.encoder.stage(0, source.start(small).x))
            wanted = F.cross_entropy(source.early_head((level,)), labels[:, ::2, ::2])
        assert method.learn().signal == pytest.approx(wanted.item(), rel=1e-5)

    def test_images_are_not_shrunken_below_one_deepest_cell(
        self, make_model, make_replay, frames
    ) -> None:
        signals = []
        for shrink in (2, 3, 50):
            method = make(make_model(), make_replay(), signal_shrink=shrink, start=False)
            signals.append(play(method, frames[:1])[0].signal)
        assert signals[0] == signals[1] == signals[2]  # frames are 96x64: by 2 at most

    def test_without_an_early_head_the_static_model_is_compared_whole(
        self, make_replay, frames
    ) -> None:
        model = build_segmenter(TINY_ENCODER, classes=11, head_width=16, early_head=False)
        source = copy.deepcopy(model).eval()
        method = make(model, make_replay(), signal_shrink=3)
        play(method, frames[:3])
        method.predict(frames[3])
        images = to_images(frames[3], torch.device("cpu"))
        with torch.no_grad():
            wanted = F.cross_entropy(source(images), model.eval()(images).argmax(1))
        assert method.learn().signal == pytest.approx(wanted.item(), rel=1e-5)


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
        groups = method.roles.network.parts
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
        groups = method.roles.network.parts
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
        assert moved(method, before).intersection(method.roles.network.parts["encoder.stage1"])

    @pytest.mark.parametrize("first", [1, 2, 3, 4])
    def test_released_trainable_sets(self, first: int) -> None:
        """Numbers of tensors and parameters as recorded from the released code (A.4, B2)."""
        with torch.device("meta"):
            model = build_segmenter("mit_b1", classes=19, head_width=256)
        names = names_from(model, trainable_names(model, ["encoder", "head"]), first, fusion=False)
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
        assert list(choices(model, names, fusion=True)) == [3, 4]
        assert list(choices(model, trainable_names(model, ["head"]), fusion=True)) == [4]


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
        for name, tensor in plain.roles.network.state_dict().items():
            assert torch.equal(tensor, timed.roles.network.state_dict()[name])
        assert set(timed.controller.costs.training_ms()) == {1, 2, 3, 4}

    def test_deadline_takes_the_deepest_that_fits_or_none(
        self, make_model, make_replay, frames
    ) -> None:
        clock = Clock()
        method = make(make_model(), make_replay(), deadline_ms=100.0, clock=clock)
        for choice, ms in ((1, 200.0), (2, 80.0), (3, 60.0), (4, 40.0)):
            method.controller.costs.trained(choice, ms)
        chosen = []
        for late in (0.0, 0.030, 0.050, 0.070):
            method.predict(frames[0])
            clock.now += late  # seconds that something else took
            row = method.learn()
            chosen.append((row.plan["module"], row.plan["skipped"]))
            for choice, ms in ((2, 80.0), (3, 60.0), (4, 40.0)):
                for _ in range(15):
                    method.controller.costs.trained(choice, ms)
        assert chosen == [(2, None), (3, None), (4, None), (None, "deadline")]


@pytest.mark.parametrize("encoder", FAMILIES)
@pytest.mark.parametrize("settings", [
    {}, {"norm_statistics": "running"}, {"norm_statistics": "published", "drifting": True},
])  # fmt: skip
def test_exact_continuation_while_stages_change(
    encoder: str, settings: dict, make_model, make_replay, frames
) -> None:
    """The snapshot is used twice, and not copied: what goes on must not change it."""
    order = [4, 2, 4, 3, 1, 4]

    def fresh(done: int) -> AdaptiveModel:
        return make(make_model(encoder), make_replay(), selector=Alternating(order[done:]),
                    **settings)  # fmt: skip

    whole, first, second = fresh(0), fresh(0), fresh(3)
    rows = play(whole, frames)
    assert [row.plan["module"] for row in rows if row.trained] == order
    play(first, frames[:3])
    state = first.state_dict()
    assert play(first, frames[3:]) == rows[3:]
    second.load_state_dict(state)
    assert play(second, frames[3:]) == rows[3:]
    assert second.roles.shared_stages == whole.roles.shared_stages
    for key, tensor in whole.roles.network.state_dict().items():
        assert torch.equal(tensor, second.roles.network.state_dict()[key])


def test_going_back_to_the_start_plays_the_same_again(make_model, make_replay, frames) -> None:
    method = make(make_model(), make_replay(), selector=FixedSelector((1,)))
    start = method.state_dict()
    rows = play(method, frames[:3])
    after = snapshot(method)
    method.load_state_dict(start)
    assert play(method, frames[:3]) == rows
    assert moved(method, after) == set()


def test_measuring_leaves_nothing_to_drift(make_model, make_replay, frames) -> None:
    """Stages that were timed and never chosen stay, also where frozen tensors drift."""
    method = make(make_model(), make_replay(), selector=FixedSelector((4,)), drifting=True,
                  measure=True)  # fmt: skip
    before = snapshot(method)
    play(method, frames[:3])
    groups = method.roles.network.parts
    assert moved(method, before) == {*groups["encoder.stage4"], *groups["head"]}


def test_every_encoder_has_modules() -> None:
    for encoder in ENCODERS:
        with torch.device("meta"):
            model = build(encoder, classes=11, head_width=16)
        modules = choices(model, trainable_names(model, ["encoder", "head"]), fusion=True)
        assert list(modules) == [1, 2, 3, 4]
        for n in (1, 2, 3):
            assert set(modules[n]) > set(modules[n + 1])
