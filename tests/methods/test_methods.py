"""Whole methods on a tiny world."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from small_methods import NAMES, make, make_dacs, make_tent, play
from torch import nn
from torch.nn import functional as F

from driftseg.errors import InputError
from driftseg.learners.answering import answer, to_images
from driftseg.learners.parts.confidence import Thresholds
from driftseg.models.segmenter import upsample

GOLDEN = Path(__file__).parent / "golden.json"
HOW = """The numbers of a method moved. If that was meant, write them anew with
    DRIFTSEG_GOLDEN=write python -m pytest tests/methods/test_methods.py -k golden
and say in the commit why they moved."""


@pytest.mark.parametrize("name", NAMES)
def test_golden_trace(name: str, make_model, make_replay, frames) -> None:
    got = play(make(name, make_model, make_replay, "mit_b0"), frames)
    known = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if os.environ.get("DRIFTSEG_GOLDEN") == "write":
        known[name] = [{k: round(v, 6) for k, v in row.items()} for row in got]
        GOLDEN.write_text(json.dumps(known, indent=1) + "\n")
    for row, golden in zip(got, known[name], strict=True):
        assert row == pytest.approx(golden, rel=2e-3, abs=2e-4), HOW


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("encoder", ["tiny_mit", "tiny_lite", "tiny_swin"])
def test_prediction_is_made_before_learning(
    name: str, encoder: str, make_model, make_replay, frames
) -> None:
    method = make(name, make_model, make_replay, encoder)
    for image in frames[:3]:
        before = copy.deepcopy(method.roles.network)
        offline = copy.deepcopy(method.roles.overlays.get("offline"))
        prediction = method.predict(image)
        with torch.no_grad():
            logits = before(to_images(image, torch.device("cpu")))
            if offline is not None:
                before.load_state_dict(before.state_dict() | offline)
                other = before(to_images(image, torch.device("cpu")))
                logits = torch.maximum(logits.softmax(1), other.softmax(1)).log()
            logits = upsample(logits, image.shape[:2])
        assert np.array_equal(prediction.label, logits[0].argmax(0).numpy())
        assert np.array_equal(method.answers(image)["main"], prediction.label)
        method.learn()


@pytest.mark.parametrize("name", NAMES)
def test_exact_continuation(name: str, make_model, make_replay, frames) -> None:
    """Saved after two frames and continued elsewhere: the rest is the same to the last bit.

    The method that was saved goes on, too, which must not change what was saved.
    """
    whole = make(name, make_model, make_replay)
    rows = play(whole, frames)
    first = make(name, make_model, make_replay)
    play(first, frames[:2])
    state = first.state_dict()
    assert play(first, frames[2:]) == rows[2:]
    for _ in range(2):
        second = make(name, make_model, make_replay)
        second.load_state_dict(state)
        assert play(second, frames[2:]) == rows[2:]
        for key, tensor in whole.roles.network.state_dict().items():
            assert torch.equal(tensor, second.roles.network.state_dict()[key])


@pytest.mark.parametrize("name", NAMES)
def test_looking_changes_nothing(name: str, make_model, make_replay, frames) -> None:
    """Evaluations between frames leave weights, statistics and random streams alone."""
    undisturbed = play(make(name, make_model, make_replay), frames[:4])
    method = make(name, make_model, make_replay)
    rows = []
    for image in frames[:4]:
        method.answers(frames[5])
        rows += play(method, [image])
        method.answers(frames[4])
    assert rows == undisturbed


def test_source_only_never_moves(make_model, make_replay, frames) -> None:
    method = make("source_only", make_model, make_replay)
    before = {n: t.clone() for n, t in method.roles.network.state_dict().items()}
    play(method, frames)
    assert method.updates == 0
    for name, tensor in method.roles.network.state_dict().items():
        assert torch.equal(tensor, before[name])


class TestTent:
    def test_one_step_is_adams_on_the_entropy(self, make_model, frames) -> None:
        """Against a plain implementation on a copy of the whole network."""
        model = make_model()
        plain = copy.deepcopy(model).eval()
        norms = [
            p for module in [*plain.encoder.modules(), *plain.head.modules()]
            if isinstance(module, nn.LayerNorm | nn.BatchNorm2d)
            for p in module.parameters()
        ]  # fmt: skip
        optimiser = torch.optim.Adam(norms, lr=1e-3)
        method = make_tent(model)
        for image in frames[:3]:
            logits = plain(to_images(image, torch.device("cpu")))
            p = F.softmax(logits, 1)
            loss = -(p * p.log()).sum(1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            method.predict(image)
            assert method.learn().losses["entropy"] == pytest.approx(loss.item(), rel=1e-4)
        for name, tensor in model.state_dict().items():
            assert torch.allclose(tensor, plain.state_dict()[name], atol=1e-5), name

    def test_running_statistics_move_once_a_frame(self, make_model, frames) -> None:
        model = make_model("tiny_lite")
        method = make_tent(model, norm_statistics="running")
        counted = model.head.norm.num_batches_tracked
        play(method, frames[:3])
        assert int(counted) == 3

    @pytest.mark.parametrize("policy", ["source", "batch", "running"])
    def test_a_graph_is_kept_only_where_it_is_learnt_from(
        self, policy: str, make_model, frames, monkeypatch
    ) -> None:
        """Under running, a pass of its own is learnt from: the answer needs no graph."""
        method = make_tent(make_model("tiny_lite"), norm_statistics=policy)
        seen = []
        monkeypatch.setattr(method.learner, "look", seen.append)
        row = play(method, frames[:1])[0]
        assert seen[0].logits.requires_grad == (policy != "running")
        assert row["entropy"] > 0

    def test_nothing_is_random(self, make_model, frames) -> None:
        """Whatever torch's own generator stands at: no dropout, also under running."""
        rows = []
        for seed in (0, 1):
            torch.manual_seed(seed)
            method = make_tent(make_model(), norm_statistics="running")
            rows.append(play(method, frames[:3]))
        assert rows[0] == rows[1]

    def test_adapting_twice_is_refused(self, make_model, frames) -> None:
        method = make_tent(make_model())
        with pytest.raises(RuntimeError, match="call predict"):
            method.learn()


class TestDacs:
    def test_feature_distance_off_builds_no_static_role(self, make_model, make_replay) -> None:
        assert set(make_dacs(make_model(), make_replay()).roles.overlays) == {"student", "teacher"}
        method = make_dacs(make_model(), make_replay(), feature_distance_weight=0.005)
        assert "static" in method.roles.overlays

    def test_feature_distance_starts_at_zero(self, make_model, make_replay, frames) -> None:
        """The student is the static model until the first step (drop path aside)."""
        model = make_model("tiny_lite")
        method = make_dacs(model, make_replay(), feature_distance_weight=0.005)
        rows = play(method, frames[:2])
        assert rows[0]["feature_distance"] == pytest.approx(0, abs=1e-6)
        assert rows[1]["feature_distance"] > 0

    def test_ignored_rows_weigh_nothing(self, make_model, make_replay, frames) -> None:
        method = make_dacs(make_model(), make_replay(), ignored_rows=(3, 10),
                           confidence=Thresholds([0.0]))  # fmt: skip
        answered = answer(method.roles, frames[0])
        _, weights = method.learner.pseudo_labels(answered.images, answered.walk, 1.0)
        assert (weights[:, :3] == 0).all()
        assert (weights[:, -10:] == 0).all()
        assert (weights[:, 3:-10] == 1).all()

    def test_pseudo_label_weight_is_the_confident_share(
        self, make_model, make_replay, frames
    ) -> None:
        method = make_dacs(make_model(), make_replay(), confidence=Thresholds([0.3]))
        answered = answer(method.roles, frames[0])
        labels, weights = method.learner.pseudo_labels(answered.images, answered.walk, 1.0)
        with torch.no_grad():
            logits = method.roles.network(to_images(frames[0], torch.device("cpu")))
            p = upsample(logits, (64, 96)).softmax(1)
        assert torch.equal(labels, p.argmax(1))
        assert weights.unique().item() == pytest.approx((p.amax(1) >= 0.3).float().mean().item())

    def test_frames_of_another_size_than_the_replay(self, make_model, make_replay, frames) -> None:
        method = make_dacs(make_model(), make_replay())
        method.predict(np.ascontiguousarray(frames[0][:32]))
        with pytest.raises(InputError, match="ClassMix needs one size"):
            method.learn()

    @pytest.mark.parametrize("train", [["head"], ["encoder.stage4", "head"]])
    def test_only_the_stated_set_moves(self, train, make_model, make_replay, frames) -> None:
        model = make_model()
        before = {n: t.clone() for n, t in model.state_dict().items()}
        method = make_dacs(model, make_replay(), train=train)
        play(method, frames[:3])
        moved = {n for n, t in model.state_dict().items() if not torch.equal(t, before[n])}
        assert moved == set(method.roles.trainable)

    def test_learns(self, make_model, make_replay, frames) -> None:
        """On one repeated frame the source loss falls."""
        method = make_dacs(make_model(), make_replay(), learning_rate=3e-4)
        rows = play(method, [frames[0]] * 25)
        first, last = (np.mean([r["source"] for r in part]) for part in (rows[:5], rows[-5:]))
        assert last < 0.8 * first
