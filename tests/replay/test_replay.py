"""Rare-class sampling, the buffer, augmentation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from driftseg.errors import InputError
from driftseg.frame import Scene
from driftseg.labels import CAMVID11
from driftseg.replay.replay import Replay
from driftseg.replay.sampling import Sampler, class_counts, rare_class_probabilities
from driftseg.replay.transforms import Augmentation, distort
from driftseg.town.scenes import TownScenes

SIZE = (96, 64)


def replay(seed: int = 0, frames: int = 8, **changes) -> Replay:
    arguments = {
        "augmentation": Augmentation(SIZE, scale=(1.0, 1.5)), "capacity": 4, "batch_size": 2,
        "minimum_share": 0.004, "temperature": 0.05, "generator": np.random.default_rng(seed),
        **changes,
    }  # fmt: skip
    return Replay(TownScenes(seed=1, frames=frames, every=20, size=SIZE), **arguments)


def test_published_numbers() -> None:
    """f = .5 .3 .15 .04 .01 at T = .01 (methods A.2)."""
    shares = np.array([[50, 30, 15, 4, 1]])
    got = rare_class_probabilities(shares, temperature=0.01)
    assert got == pytest.approx([0, 0, 1e-6, 0.0474, 0.9526], abs=1e-4)


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=12).filter(any),
       st.floats(0.005, 5))  # fmt: skip
def test_rarer_is_likelier(counts: list[int], temperature: float) -> None:
    got = rare_class_probabilities(np.array([counts]), temperature=temperature)
    assert got.sum() == pytest.approx(1)
    for a, pa in zip(counts, got, strict=True):
        assert (pa == 0) if a == 0 else pa >= 0
        for b, pb in zip(counts, got, strict=True):
            if 0 < a < b:
                assert pa >= pb


def test_draws_follow_the_law_and_hold_the_class() -> None:
    counts = np.array([[100, 0, 0], [90, 10, 0], [95, 0, 5], [60, 40, 0]])
    sampler = Sampler(counts, rare_classes=True, temperature=0.5, minimum_share=0.02,
                      generator=np.random.default_rng(0))  # fmt: skip
    drawn = [sampler.draw() for _ in range(4000)]
    for index, wanted in drawn:
        assert counts[index, wanted] / counts[index].sum() >= 0.02
    frequency = np.bincount([c for _, c in drawn], minlength=3) / len(drawn)
    assert frequency == pytest.approx(sampler.probabilities, abs=0.03)


def test_uniform_sampling() -> None:
    sampler = Sampler(np.eye(4, dtype=np.int64), rare_classes=False, temperature=1,
                      minimum_share=0, generator=np.random.default_rng(0))  # fmt: skip
    drawn = [sampler.draw() for _ in range(4000)]
    assert {wanted for _, wanted in drawn} == {None}
    assert np.bincount([i for i, _ in drawn]) / 4000 == pytest.approx([0.25] * 4, abs=0.03)


def test_the_buffer_really_restricts() -> None:
    """The published code draws from the whole source whatever the buffer holds."""
    buffer = replay(capacity=3, augmentation=Augmentation(SIZE, flip=0, photometric=False))
    assert len(buffer) == 3 == len(set(buffer.names))
    scenes = TownScenes(seed=1, frames=8, every=20, size=SIZE)
    kept = {scenes.scene(i).image.tobytes() for i in range(8) if scenes.name(i) in buffer.names}
    for _ in range(20):
        for image in buffer.sample().images:
            raw = (image.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
            assert raw.tobytes() in kept


def test_batches_are_labelled_images_of_one_size() -> None:
    batch = replay().sample()
    assert batch.images.shape == (2, 3, 64, 96)
    assert batch.images.dtype == torch.float32
    assert batch.labels.shape == (2, 64, 96)
    assert batch.labels.dtype == torch.int64
    assert batch.images.min() >= 0
    assert batch.images.max() <= 1
    assert set(batch.labels.unique().tolist()) <= {*range(11), 255}


def test_continues_exactly() -> None:
    one, two = replay(capacity=8), replay(seed=9, capacity=8)
    one.sample()
    two.load_state_dict(one.state_dict())
    for _ in range(4):
        a, b = one.sample(), two.sample()
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.labels, b.labels)


def test_no_scene_holds_enough() -> None:
    with pytest.raises(
        InputError,
        match=r"replay\.minimum_share: expected scenes that hold a "
        r"class with a share of 1\.0 of their pixels, got "
        r"none.*lower",
    ):
        replay(minimum_share=1.0)


class Unlabelled:
    label_space = CAMVID11

    def __len__(self) -> int:
        return 1

    def name(self, index: int) -> str:
        return "street"

    def scene(self, index: int) -> Scene:
        return Scene("street", np.zeros((8, 8, 3), np.uint8))


def test_source_scenes_must_be_labelled() -> None:
    with pytest.raises(
        InputError, match="source: expected a label for every scene, got street without one"
    ):
        class_counts(Unlabelled())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), low=st.floats(0.5, 1.0), high=st.floats(1.0, 2.0))
def test_augmentation_keeps_image_and_label_together(seed: int, low: float, high: float) -> None:
    """An image painted with its own label stays painted with it, up to edges."""
    label = np.zeros((48, 64), np.uint8)
    label[10:30, 20:50] = 1
    label[30:, :15] = 2
    image = np.dstack([label * 100] * 3)
    augment = Augmentation((64, 48), scale=(low, high), photometric=False)
    new_image, new_label = augment(image, label, np.random.default_rng(seed))
    assert new_image.shape == (48, 64, 3)
    assert new_label.shape == (48, 64)
    known = new_label != 255
    agree = np.abs(new_image[..., 0].astype(int) - new_label.astype(int) * 100) < 50
    assert agree[known].mean() > 0.93


def test_a_crop_of_the_view_is_as_large_as_life() -> None:
    """Fitted to the view and cut, not shrunk to the crop: stripes keep their width."""
    label = (np.arange(64) // 4 % 2).astype(np.uint8)[None].repeat(48, 0)
    image = np.dstack([label * 100] * 3)
    for view, width in (((64, 48), 4), ((32, 24), 2)):
        augment = Augmentation((32, 16), view=view, flip=0, photometric=False)
        new_image, new_label = augment(image, label, np.random.default_rng(1))
        assert new_image.shape == (16, 32, 3)
        assert np.array_equal(new_image[..., 0], new_label * 100)
        edges = np.flatnonzero(np.diff(new_label[0].astype(int)))
        assert set(np.diff(edges)) == {width}


def test_distortion_is_bounded_and_reproducible() -> None:
    image = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    changed = 0
    for seed in range(30):
        a, b = (distort(image, np.random.default_rng(seed)) for _ in range(2))
        assert np.array_equal(a, b)
        assert a.dtype == np.uint8
        changed += not np.array_equal(a, image)
    assert changed > 20


def test_scenes_are_brought_to_the_view_once_and_nothing_else_changes() -> None:
    """What is drawn from fitted scenes is what is drawn from whole ones, to the last bit."""
    scenes = TownScenes(seed=1, frames=2, every=30, size=(200, 120))
    augmentation = Augmentation((64, 48), view=(97, 61), photometric=True)
    for number in range(2):
        scene = scenes.scene(number)
        fitted = augmentation.fitted(scene.image, scene.label)
        assert fitted[0].shape[:2] == fitted[1].shape
        assert fitted[0].size < scene.image.size
        for seed in range(4):
            whole = augmentation(scene.image, scene.label, np.random.default_rng(seed))
            held = augmentation(*fitted, np.random.default_rng(seed))
            assert all(np.array_equal(a, b) for a, b in zip(whole, held, strict=True))
    loose = Augmentation((64, 48), scale=(1.0, 2.0))
    assert loose.fitted(scene.image, scene.label)[0] is scene.image
