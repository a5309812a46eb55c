"""Laws of all restylings, and what each of them promises."""

from __future__ import annotations

from typing import get_args

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from driftseg.learners.parts.references import References
from driftseg.learners.parts.restyle import (
    RESTYLINGS,
    RestylingName,
    _sharpness,
    combined,
    fourier,
    restyled,
    to_image,
)
from driftseg.town.scenes import TownScenes
from driftseg.weather.camera import TOWN
from driftseg.weather.rain import rain

SIZE = (320, 240)
LISTS = [[name] for name in RESTYLINGS] + [["histogram", "blur", "texture"], ["bands", "streaks"]]
EVERY = pytest.mark.parametrize("names", LISTS, ids=" ".join)


@pytest.fixture(scope="module")
def source() -> np.ndarray:
    return TownScenes(seed=1, frames=1, start=130, size=SIZE).scene(0).image


@pytest.fixture(scope="module")
def reference() -> np.ndarray:
    """Another street in heavy rain."""
    scene = TownScenes(seed=7, frames=1, start=40, size=SIZE).scene(0)
    return rain(scene.image, scene.depth, 200.0, np.random.default_rng(0), camera=TOWN)


def apply(names, source, reference, seed: int = 0) -> np.ndarray:
    return combined(names)(source, reference, np.random.default_rng(seed))


def quantiles_apart(one: np.ndarray, other: np.ndarray) -> float:
    """Mean over channels and ranks, in grey levels."""
    shares = np.linspace(0.02, 0.98, 25)
    ours, theirs = (np.quantile(x.reshape(-1, 3), shares, axis=0) for x in (one, other))
    return float(np.abs(ours - theirs).mean())


def grey(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)


def direction(image: np.ndarray) -> float:
    """Changes across over changes down: upright streaks raise it."""
    across, down = (np.abs(np.diff(grey(image), axis=axis)).mean() for axis in (1, 0))
    return float(across / down)


def test_config_names_the_whole_table() -> None:
    assert get_args(RestylingName) == tuple(RESTYLINGS)


class TestLaws:
    @EVERY
    def test_an_image_as_its_own_reference_stays(self, names, source, reference) -> None:
        for image in (source, reference):
            change = apply(names, image, image).astype(int) - image
            assert np.abs(change).max() <= 1

    @EVERY
    def test_shape_and_type_stay_and_nothing_is_written_into(
        self, names, source, reference
    ) -> None:
        for crop in (np.s_[:, :], np.s_[1:64, 3:98]):  # odd sides, too
            ours, theirs = source[crop], reference[crop]
            before = ours.copy(), theirs.copy()
            result = apply(names, ours, theirs)
            assert result.shape == ours.shape
            assert result.dtype == np.uint8
            assert np.array_equal(ours, before[0])
            assert np.array_equal(theirs, before[1])
            assert not np.shares_memory(result, ours)

    @EVERY
    def test_the_generator_decides(self, names, source, reference) -> None:
        assert np.array_equal(
            apply(names, source, reference, 3), apply(names, source, reference, 3)
        )
        drawn = {"streaks", "texture"}.intersection(names)
        same = np.array_equal(apply(names, source, reference, 3), apply(names, source, reference))
        assert same != bool(drawn)

    @EVERY
    @pytest.mark.parametrize("level", [0, 90, 255])
    def test_constant_images_break_nothing(self, names, level, source) -> None:
        """Warnings are errors, so nothing is divided by 0 and nothing is NaN."""
        flat = np.full_like(source, level)
        for ours, theirs in ((source, flat), (flat, source), (flat, flat), (flat, flat // 2)):
            result = apply(names, ours, theirs)
            assert result.shape == source.shape
            assert result.dtype == np.uint8

    @pytest.mark.parametrize("name", ["histogram", "reinhard", "bands", "spectrum"])
    def test_a_constant_becomes_constant(self, name, source) -> None:
        """No rounding of an empty channel is blown up into texture or colour."""
        flat = np.full_like(source, 90)
        result = apply([name], flat, source)
        assert np.ptp(result.reshape(-1, 3), axis=0).max() <= 1
        black = apply([name], source, np.zeros_like(source))
        assert black.max() <= 1

    @given(st.integers(0, 2**32), st.sampled_from(sorted(RESTYLINGS)))
    def test_noise_breaks_nothing(self, seed: int, name: str) -> None:
        generator = np.random.default_rng(seed)
        few = generator.integers(1, 255)
        ours, theirs = (
            generator.integers(0, few, (17, 24, 3), np.uint8, endpoint=True) for _ in range(2)
        )
        assert apply([name], ours, theirs).shape == ours.shape
        assert np.abs(apply([name], ours, ours).astype(int) - ours).max() <= 1

    def test_one_size_is_asked_for(self, source, reference) -> None:
        with pytest.raises(
            ValueError,
            match="expected source and reference of one size, got "
            r"\(240, 320, 3\) and \(239, 320, 3\)",
        ):
            apply(["histogram"], source, reference[:-1])

    def test_a_list_is_one_after_another(self, source, reference) -> None:
        generator = np.random.default_rng(0)
        by_hand = RESTYLINGS["histogram"](source, reference, generator)
        by_hand = RESTYLINGS["texture"](by_hand, reference, generator)
        assert np.array_equal(apply(["histogram", "texture"], source, reference), by_hand)
        assert np.array_equal(apply([], source, reference), source)


class TestPromises:
    @pytest.mark.parametrize(
        ("name", "levels"),
        [("histogram", 1.0), ("bands", 6.0), ("reinhard", 8.0), ("spectrum", 12.0)],
    )
    def test_the_histogram_comes_close(self, name, levels, source, reference) -> None:
        assert quantiles_apart(source, reference) > 25
        assert quantiles_apart(apply([name], source, reference), reference) < levels

    def test_histogram_is_monotone(self, source, reference) -> None:
        result = apply(["histogram"], source, reference)
        for c in range(3):
            order = np.argsort(source[..., c].ravel(), kind="stable")
            assert (np.diff(result[..., c].ravel()[order].astype(int)) >= 0).all()

    def test_reinhard_takes_mean_and_spread_in_lab(self, source, reference) -> None:
        def lab(image: np.ndarray) -> np.ndarray:
            return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)

        ours, theirs = lab(apply(["reinhard"], source, reference)), lab(reference)
        assert ours.mean(axis=(0, 1)) == pytest.approx(theirs.mean(axis=(0, 1)), abs=1.5)
        assert ours.std(axis=(0, 1)) == pytest.approx(theirs.std(axis=(0, 1)), rel=0.2)

    @pytest.mark.parametrize("name", ["bands", "spectrum"])
    def test_fine_detail_is_as_strong(self, name, source, reference) -> None:
        def detail(image: np.ndarray) -> float:
            return float((grey(image) - cv2.GaussianBlur(grey(image), (0, 0), 1.0)).std())

        soft = cv2.GaussianBlur(reference, (0, 0), 0.7)
        assert detail(source) > 1.3 * detail(soft)
        assert detail(apply([name], source, soft)) == pytest.approx(detail(soft), rel=0.15)

    @pytest.mark.parametrize("beta", [0.0, 0.02, 0.1])
    def test_fourier_swaps_low_amplitudes_alone(self, beta) -> None:
        """On images that need no clipping."""
        generator = np.random.default_rng(0)
        ours, theirs = (generator.integers(90, 160, (60, 80, 3)).astype(np.uint8) for _ in range(2))
        result = fourier(ours, theirs, generator, beta=beta)
        before, wanted, after = (
            np.fft.fft2(x[..., 1].astype(float)) for x in (ours, theirs, result)
        )
        near = np.maximum(
            np.abs(np.fft.fftfreq(60, 1 / 60))[:, None], np.abs(np.fft.fftfreq(80, 1 / 80))
        )
        low = near <= int(60 * beta)
        assert after[0, 0] == pytest.approx(wanted[0, 0], abs=60 * 80 / 2)  # half a grey level
        low[0, 0] = False
        if low.any():
            apart, apart_before = (
                np.abs(np.abs(x[low]) - np.abs(wanted[low])).mean() for x in (after, before)
            )
            assert apart < 0.25 * apart_before  # what rounding to grey levels leaves
        high = ~low
        high[0, 0] = False
        assert np.abs(after[high] - before[high]).mean() < 0.05 * np.abs(before[high]).mean()

    @pytest.mark.parametrize("sigma", [0.7, 1.5, 2.5])
    def test_blur_finds_how_soft_the_reference_is(self, sigma, source) -> None:
        soft = cv2.GaussianBlur(source, (0, 0), sigma)
        result = apply(["blur"], source, soft)
        apart = np.abs(result.astype(float) - soft)
        assert apart.mean() < 0.15 * np.abs(source.astype(float) - soft).mean()
        assert np.array_equal(apply(["blur"], soft, source), soft)  # nothing is sharpened

    def test_blur_does_not_mind_contrast(self, source) -> None:
        pale = np.rint(100 + 0.4 * (source.astype(float) - 100)).astype(np.uint8)
        apart = np.abs(apply(["blur"], source, pale).astype(float) - source)
        assert apart.mean() < 0.5

    def test_rain_is_not_taken_for_softness(self, source, reference) -> None:
        clear = TownScenes(seed=7, frames=1, start=40, size=SIZE).scene(0).image
        sharp, wet = (_sharpness(grey(x)) for x in (clear, reference))
        assert wet == pytest.approx(sharp, rel=0.35)
        assert _sharpness(grey(cv2.GaussianBlur(clear, (0, 0), 1.0))) < 0.5 * sharp

    def test_streaks_stand_upright_and_keep_the_brightness(self, source, reference) -> None:
        result = apply(["streaks"], source, reference)
        assert direction(result) > direction(source) + 0.02
        assert float(result.mean()) == pytest.approx(float(source.mean()), abs=1.0)
        for other in ("histogram", "spectrum", "bands"):  # which carry no direction
            assert direction(apply([other], source, reference)) < direction(result)

    def test_dry_streets_lend_no_streaks(self, source) -> None:
        dry = TownScenes(seed=7, frames=1, start=40, size=SIZE).scene(0).image
        added = apply(["streaks"], source, dry).astype(float) - source
        wet = rain(dry, TownScenes(seed=7, frames=1, start=40, size=SIZE).scene(0).depth, 200.0,
                   np.random.default_rng(0), camera=TOWN)  # fmt: skip
        with_rain = apply(["streaks"], source, wet).astype(float) - source
        assert np.abs(added).mean() < 0.5 * np.abs(with_rain).mean()


def test_batches_are_restyled_one_by_one(source, reference) -> None:
    images = torch.from_numpy(np.stack([source, source[:, ::-1]])).permute(0, 3, 1, 2).float() / 255
    assert np.array_equal(to_image(images[0]), source)
    batch = restyled(images, [reference, source], RESTYLINGS["histogram"], np.random.default_rng(0))
    assert batch.shape == images.shape
    assert batch.dtype == torch.float32
    assert np.array_equal(to_image(batch[0]), apply(["histogram"], source, reference))
    assert np.array_equal(to_image(batch[1]), apply(["histogram"], source[:, ::-1], source))


class TestReferences:
    def frames(self, number: int) -> list[np.ndarray]:
        return [np.full((2, 3, 3), i, np.uint8) for i in range(number)]

    def drawn(self, references: References) -> set[int]:
        generator = np.random.default_rng(0)
        return {int(references.draw(generator)[0, 0, 0]) for _ in range(100)}

    def test_only_the_last_are_drawn(self) -> None:
        references = References(3)
        for number, frame in enumerate(self.frames(5)):
            references.add(frame)
            assert self.drawn(references) == set(range(max(0, number - 2), number + 1))
        assert len(references) == 3

    def test_smaller_frames_are_left_out(self) -> None:
        """Larger ones are kept, and do not shut out frames of the first size."""
        references = References(2)
        for value, shape in enumerate([(4, 6), (4, 5), (3, 9), (8, 9), (4, 6), (8, 9), (5, 5)]):
            references.add(np.full((*shape, 3), value, np.uint8))
        assert self.drawn(references) == {4, 5}

    def test_frames_are_copied(self) -> None:
        references, frame = References(2), self.frames(1)[0]
        references.add(frame)
        frame[:] = 9
        assert self.drawn(references) == {0}

    def test_continues(self) -> None:
        one, other = References(3), References(3)
        for frame in self.frames(4):
            one.add(frame)
        other.load_state_dict(one.state_dict())
        for references in (one, other):
            references.add(np.full((2, 3, 3), 50, np.uint8))
            assert self.drawn(references) == {2, 3, 50}
