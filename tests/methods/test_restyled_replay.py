"""Restyled replay, and restyled source images in DACS and HAMLET."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from small_methods import make_dacs, make_hamlet, make_restyled_replay, play

from driftseg.errors import InputError
from driftseg.learners.answering import to_images
from driftseg.learners.parts.mixing import Mixing
from driftseg.learners.parts.restyle import combined, to_image
from driftseg.methods.diagnostics import diagnose
from driftseg.models.adapters import adapter_spec, attach, detach_adapters
from driftseg.models.encoders.stages import Dropout, DropPath

make = make_restyled_replay
TEXTURED = combined(["histogram", "texture"])


def without_dropout(model):
    for module in model.modules():
        if isinstance(module, Dropout | DropPath):
            module.rate = 0.0
    model.head.dropout = 0.0
    return model


def moved(method, before) -> set[str]:
    after = method.roles.network.state_dict()
    return {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}


def snapshot(model) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


class Recording:
    """A restyling that notes what it is given and inverts the image."""

    def __init__(self) -> None:
        self.given: list[tuple[np.ndarray, np.ndarray]] = []

    def __call__(self, source, reference, generator):
        self.given.append((source.copy(), reference.copy()))
        return 255 - source


class Drawn:
    """A replay that remembers its batches."""

    def __init__(self, replay) -> None:
        self._replay = replay
        self.batches: list = []

    def sample(self):
        self.batches.append(self._replay.sample())
        return self.batches[-1]

    def state_dict(self):
        return self._replay.state_dict()

    def load_state_dict(self, state) -> None:
        self._replay.load_state_dict(state)


class TestRestyledReplay:
    @pytest.mark.parametrize("train", [["head"], ["encoder.stage4", "head"], ["norms"]])
    @pytest.mark.parametrize("plain", [False, True])
    def test_only_the_stated_set_moves(self, train, plain, make_model, make_replay, frames) -> None:
        model = make_model()
        before = snapshot(model)
        method = make(model, make_replay(), train=train, **({"restyle": None} if plain else {}))
        play(method, frames[:3])
        assert moved(method, before) == set(method.roles.trainable)

    @pytest.mark.parametrize("encoder", ["tiny_mit", "tiny_lite"])
    @pytest.mark.parametrize("statistics", ["running", "batch"])
    def test_norm_statistics_follow_the_policy(
        self, encoder, statistics, make_model, make_replay, frames
    ) -> None:
        model = make_model(encoder)
        before = snapshot(model)
        method = make(model, make_replay(), norm_statistics=statistics)
        play(method, frames[:3])
        buffers = set(before) - {name for name, _ in model.named_parameters()}
        changed = moved(method, before)
        if statistics == "batch":
            assert not changed & buffers
            return
        learning = {name for name in buffers if f"{name.rpartition('.')[0]}.weight" in changed}
        assert changed & buffers == learning
        counted = model.head.norm.num_batches_tracked - before["head.norm.num_batches_tracked"]
        assert int(counted) == 6  # two images a frame, each by itself

    @pytest.mark.parametrize("encoder", ["tiny_mit", "tiny_lite", "tiny_swin"])
    def test_one_pass_for_both_images_is_two_passes(
        self, encoder, make_model, make_replay, frames
    ) -> None:
        """Where norms use the file's statistics and dropout draws nothing."""
        rows, models = [], []
        for one_pass in (True, False):
            model = without_dropout(make_model(encoder))
            method = make(model, make_replay(batch_size=2), learning_rate=1e-5)
            assert method.learner.one_pass
            method.learner.one_pass = one_pass
            rows.append(play(method, frames[:2]))
            models.append(model.state_dict())
        for one, other in zip(*rows, strict=True):
            assert one == pytest.approx(other, rel=1e-4)
        for name, tensor in models[0].items():
            assert torch.allclose(tensor, models[1][name], atol=2e-5), name

    @pytest.mark.parametrize("statistics", ["running", "batch"])
    def test_two_passes_where_norms_look_at_the_batch(
        self, statistics, make_model, make_replay
    ) -> None:
        assert not make(make_model(), make_replay(), norm_statistics=statistics).learner.one_pass

    def test_images_and_labels_are_those_of_the_replay(
        self, make_model, make_replay, frames
    ) -> None:
        """The second draw is restyled to one of the last frames, the first is not."""
        restyle, replay = Recording(), Drawn(make_replay(batch_size=2))
        method = make(make_model(), replay, restyle=restyle, references=2, jitter=0.0)
        seen = []
        method.learner._losses = lambda jittered, worn: (
            seen.append((jittered, worn))
            or {"source": sum(p.sum() for p in method.roles.network.parameters()) * 0}
        )
        play(method, frames[:5])
        used = set()
        for frame, (jittered, worn) in enumerate(seen):
            first, second = replay.batches[2 * frame : 2 * frame + 2]
            assert torch.equal(jittered.images, first.images)
            assert torch.equal(jittered.labels, first.labels)
            assert torch.equal(worn.labels, second.labels)
            assert torch.allclose(worn.images, 1 - second.images)
            for image, (source, reference) in zip(
                second.images, restyle.given[2 * frame : 2 * frame + 2], strict=True
            ):
                assert np.array_equal(to_image(image), source)
                [age] = [
                    frame - i for i in range(frame + 1) if np.array_equal(frames[i], reference)
                ]
                used.add(age)
        assert used == {0, 1}

    def test_jitter_is_of_the_first_image(self, make_model, make_replay, frames) -> None:
        """Another strength changes the first loss of the first frame alone."""
        rows = [
            play(make(without_dropout(make_model()), make_replay(), jitter=jitter,
                      generator=np.random.default_rng(4)), frames[:1])[0]
            for jitter in (0.05, 0.4)
        ]  # fmt: skip
        assert rows[0]["source"] != rows[1]["source"]
        assert rows[0].keys() == {"confidence", "entropy", "source", "restyled"}

    def test_no_label_of_the_target_is_guessed(self, make_model, make_replay, frames) -> None:
        """The frame itself goes through the network once: to be answered."""
        method = make(make_model(), make_replay())
        walked = []
        prefix = method.roles.prefix
        method.roles.prefix = lambda images: walked.append(images) or prefix(images)
        play(method, frames[:1])
        target = to_images(frames[0], torch.device("cpu"))
        assert [len(images) for images in walked] == [1, 2]
        assert sum(torch.equal(image, target[0]) for images in walked for image in images) == 1

    def test_a_teacher_is_kept_only_if_asked_for(self, make_model, make_replay, frames) -> None:
        alone = make(make_model(), make_replay())
        assert set(alone.roles.overlays) == {"student"}
        watched = make(make_model(), make_replay(), teacher=True)
        assert play(alone, frames[:4]) == play(watched, frames[:4])
        assert diagnose(alone.roles, frames[0])["teacher"] is None
        found = diagnose(watched.roles, frames[0])
        assert found["teacher"] is not None
        assert found["teacher"] != found["student"]

    def test_replay_only_looks_at_no_frame(self, make_model, make_replay, frames) -> None:
        """Whatever the frames are, it learns the same."""
        losses = []
        for shown in (frames[:3], frames[3:6]):
            rows = play(make(make_model(), make_replay(), restyle=None), shown)
            losses.append([(row["source"], row["plain"]) for row in rows])
        assert losses[0] == losses[1]
        worn = play(make(make_model(), make_replay()), frames[:3])
        assert worn[0]["source"] == losses[0][0][0]

    def test_exact_continuation_with_drawn_texture(self, make_model, make_replay, frames) -> None:
        whole, first, second = (
            make(make_model(), make_replay(), restyle=TEXTURED, teacher=True) for _ in range(3)
        )
        rows = play(whole, frames)
        play(first, frames[:2])
        second.load_state_dict(copy.deepcopy(first.state_dict()))
        assert play(second, frames[2:]) == rows[2:]
        for role in ("student", "teacher"):
            for name, tensor in whole.roles.overlays[role].items():
                assert torch.equal(tensor, second.roles.overlays[role][name])

    def test_adapters_and_head_alone(self, make_model, make_replay, frames) -> None:
        model = make_model().eval()
        attach(model, adapter_spec("adaptformer"), torch.Generator().manual_seed(1))
        before = snapshot(model)
        method = make(model, make_replay(), train=("adapters", "head"), adapter_factor=10.0)
        play(method, frames[:3])
        assert moved(method, before) <= set(method.roles.trainable)
        for name, tensor in detach_adapters(model).encoder.state_dict().items():
            assert torch.equal(tensor, before[f"encoder.{name}"]), name

    def test_learns(self, make_model, make_replay, frames) -> None:
        method = make(make_model(), make_replay(), learning_rate=3e-4)
        rows = play(method, [frames[0]] * 25)
        for name in ("source", "restyled"):
            first, last = (np.mean([r[name] for r in part]) for part in (rows[:5], rows[-5:]))
            assert last < 0.8 * first

    def test_frames_of_another_size_than_the_replay(self, make_model, make_replay, frames) -> None:
        method = make(make_model(), make_replay())
        method.predict(np.ascontiguousarray(frames[0][:32]))
        with pytest.raises(InputError, match="restyling needs one size"):
            method.learn()

    def test_adapting_twice_is_refused(self, make_model, make_replay, frames) -> None:
        method = make(make_model(), make_replay())
        play(method, frames[:1])
        with pytest.raises(RuntimeError, match="call predict"):
            method.learn()

    def test_a_loss_that_is_not_finite_spoils_nothing(
        self, make_model, make_replay, frames
    ) -> None:
        model = make_model()
        method = make(model, make_replay(), learning_rate=1e30)
        play(method, frames[:1])
        before = snapshot(model)
        with pytest.warns(RuntimeWarning, match="training pauses until 25 frames later"):
            rows = [method.predict(image) and method.learn() for image in frames[1:5]]
        reasons = [row.plan["skipped"] for row in rows]
        assert reasons == ["not finite"] * 3 + ["paused"]
        assert not any(row.trained for row in rows)
        assert not moved(method, before)


def restyling(restyle) -> Mixing:
    """As `small_methods` mixes, but restyled."""
    return Mixing(0.2, True, np.random.default_rng(0), restyle)


SWITCHED = pytest.mark.parametrize("make_method", [make_dacs, make_hamlet])


class TestSelfTraining:
    @SWITCHED
    def test_pasted_classes_wear_the_frames_appearance(
        self, make_method, make_model, make_replay, frames
    ) -> None:
        restyle, replay = Recording(), Drawn(make_replay())
        mixing = Mixing(0.0, False, np.random.default_rng(0), restyle)
        method = make_method(make_model(), replay, mixing=mixing)
        mixes = []
        mix = mixing.mix
        object.__setattr__(
            mixing, "mix", lambda *given: mixes.append((given[0], mix(*given))) or mixes[-1][1]
        )
        play(method, frames[:3])
        assert mixes
        for (frame, mixed), batch, (source, reference) in zip(
            mixes, replay.batches, restyle.given, strict=True
        ):
            assert np.array_equal(source, to_image(batch.images[0]))
            assert np.array_equal(reference, to_image(frame[0]))
            pasted = (mixed.weights[0] == 1) & (mixed.labels[0] == batch.labels[0])
            pasted &= ~torch.isclose(mixed.images[0], frame[0]).all(dim=0)
            assert pasted.any()
            worn = 1 - batch.images[0]
            assert torch.allclose(mixed.images[0][:, pasted], worn[:, pasted])

    def test_the_sources_own_loss_is_a_choice(self, make_model, make_replay, frames) -> None:
        rows = [
            play(make_dacs(make_model(), make_replay(), feature_distance_weight=0.005, **changes),
                 frames[:1])[0]
            for changes in (
                {}, {"mixing": restyling(Recording())},
                {"mixing": restyling(Recording()), "restyled_source_loss": True},
            )
        ]  # fmt: skip
        plain, pasted, both = rows
        assert pasted["source"] == plain["source"]
        assert pasted["mixed"] != plain["mixed"]
        assert both["source"] != plain["source"]

    @SWITCHED
    def test_exact_continuation(self, make_method, make_model, make_replay, frames) -> None:
        whole, first, second = (
            make_method(make_model(), make_replay(), mixing=restyling(TEXTURED),
                        restyled_source_loss=True)
            for _ in range(3)
        )  # fmt: skip
        rows = play(whole, frames)
        play(first, frames[:2])
        second.load_state_dict(copy.deepcopy(first.state_dict()))
        assert play(second, frames[2:]) == rows[2:]

    @pytest.mark.parametrize("train", [["head"], ["encoder.stage4", "head"]])
    def test_only_the_stated_set_moves(self, train, make_model, make_replay, frames) -> None:
        model = make_model()
        before = snapshot(model)
        method = make_dacs(model, make_replay(), train=train, mixing=restyling(TEXTURED))
        play(method, frames[:3])
        assert moved(method, before) == set(method.roles.trainable)
