"""Schedules and streams."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftseg.errors import InputError, UnreadableError
from driftseg.frame import Scene
from driftseg.labels import CAMVID11
from driftseg.stream.ahead import in_advance
from driftseg.stream.schedule import Visit, storm, with_directions
from driftseg.stream.stream import Stream, cut
from driftseg.town.scenes import TownScenes
from driftseg.weather.camera import CITYSCAPES, TOWN
from driftseg.weather.conditions import Conditions
from driftseg.weather.draws import drops_of
from driftseg.weather.fog import fog
from driftseg.weather.geometry import geometry_of
from driftseg.weather.light import light_of
from driftseg.weather.rain import _veil, rain
from driftseg.weather.weather import Weather

WEATHER = Weather(TOWN, CAMVID11, seed=0)


class Broken:
    """Scenes of which some cannot be read."""

    label_space = CAMVID11

    def __init__(self, broken: set[int], frames: int = 10):
        self.broken = broken
        self.scenes = TownScenes(seed=1, frames=frames, size=(64, 48))

    def __len__(self) -> int:
        return len(self.scenes)

    def name(self, index: int) -> str:
        return self.scenes.name(index)

    def scene(self, index: int) -> Scene:
        if index in self.broken:
            raise UnreadableError(f"{self.name(index)}.png: cannot be decoded as an image")
        return self.scenes.scene(index)


def stream(visits, *, broken=(), frames=10, share=0.05, seed=0, **changes) -> Stream:
    return Stream(
        Broken(set(broken), frames), visits, weather=WEATHER, corrupt_share=share,
        generator=np.random.default_rng(seed), **changes,
    )  # fmt: skip


def test_frames_go_on_through_the_sequence() -> None:
    frames = list(stream(storm(frames=2), frames=10))
    assert len(frames) == 22
    assert [f.index for f in frames] == list(range(22))
    names = [f.name for f in frames]
    assert names[:10] == [f"town1_{i:06d}" for i in range(10)]
    assert names[10] == "town1_000000"
    assert [f.visit for f in frames] == [v for v in range(11) for _ in range(2)]


def test_all_frames_each_visit_and_passes() -> None:
    visits = with_directions([Visit("a"), Visit("b", Conditions(rain=50), passes=2)])
    frames = list(stream(visits, frames=3))
    assert [f.domain for f in frames] == ["a"] * 3 + ["b"] * 6
    assert [f.name[-1] for f in frames] == list("012012012")


def test_patterns_choose_the_frames_of_a_domain() -> None:
    visits = [Visit("even", include=("*0", "*2", "*4")), Visit("last", include=("*9",))]
    assert [f.name[-1] for f in stream(visits)] == list("0249")
    with pytest.raises(
        InputError,
        match="schedule: expected frames of the target that match dusk of domain x, got none",
    ):
        stream([Visit("x", include=("dusk",))])


def test_weather_changes_images_not_labels() -> None:
    visits = with_directions([Visit("clear"), Visit("wet", Conditions(rain=200.0))])
    frames = list(stream(visits, frames=2))
    assert np.array_equal(frames[0].label, frames[2].label)
    assert not np.array_equal(frames[0].image, frames[2].image)


def test_a_scene_looks_the_same_whenever_it_is_seen() -> None:
    scene = TownScenes(seed=1, frames=1, size=(64, 48)).scene(0)
    visit = Visit("wet", Conditions(rain=100.0))
    assert np.array_equal(
        WEATHER.on(scene, visit.conditions, visit.domain),
        WEATHER.on(scene, visit.conditions, visit.domain),
    )
    other = Weather(TOWN, CAMVID11, seed=1)
    assert not np.array_equal(
        WEATHER.on(scene, visit.conditions, visit.domain),
        other.on(scene, visit.conditions, visit.domain),
    )


def test_fog_is_before_the_rain_and_ends_it() -> None:
    """Rain over fog is rain on the foggy scene, no deeper than the fog's 1 / beta."""
    scene = TownScenes(seed=1, frames=1, size=(64, 48)).scene(0)
    sunny = {"clouds": 0, "wet_road": 0}
    sky = light_of(
        np.asarray(scene.image / np.float32(255), np.float32), geometry_of(scene, TOWN, CAMVID11)
    ).sky
    foggy = fog(scene.image, scene.depth, 75.0, camera=TOWN, airlight=tuple(map(float, sky)))
    assert np.array_equal(WEATHER.on(scene, Conditions(visibility=75.0, **sunny), "grey"), foggy)
    assert WEATHER.on(scene, Conditions(visibility=float("inf")), "fine") is scene.image
    both = WEATHER.on(scene, Conditions(rain=100.0, visibility=75.0, **sunny), "both")
    depth = np.minimum(scene.depth, np.float32(75 / np.log(20)))
    drops = drops_of(scene.name, "both", 0)
    assert np.array_equal(both, rain(foggy, depth, 100.0, drops, camera=TOWN, surroundings=sky))


def test_that_depth_is_where_fog_and_rain_mix_as_they_would() -> None:
    """The sky shows both airlights, weighed by their extinctions; 75 m and 100 mm/h."""
    grey = np.full((48, 64, 3), 0.8, np.float32)
    reach = np.full((48, 64), 75 / np.log(20), np.float32)
    seen = _veil(grey, reach, 100.0, CITYSCAPES, 1.0).mean()
    assert seen == pytest.approx(0.8 * (39.943 + 6.826 * 0.797) / (39.943 + 6.826), rel=0.005)


def test_scenes_without_depth_use_the_road_plane_and_say_so() -> None:
    scene = TownScenes(seed=1, frames=1, size=(64, 48)).scene(0)
    labelled = Scene(scene.name, scene.image, scene.label)
    bare = Scene(scene.name, scene.image)
    assert WEATHER.depth_note(scene) == "exact depth"
    assert "label meets the ground" in WEATHER.depth_note(labelled)
    assert "without labels" in WEATHER.depth_note(bare)
    for one in (labelled, bare):
        assert not np.array_equal(WEATHER.on(one, Conditions(rain=100.0), "wet"), scene.image)


def test_unreadable_frames_are_skipped_and_counted() -> None:
    running = stream([Visit("a")], broken={4}, share=0.1)
    frames = list(running)
    assert [f.index for f in frames] == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert [(s.name, s.visit) for s in running.skipped] == [("town1_000004", 0)]


def test_too_many_unreadable_frames_stop_the_run() -> None:
    running = stream([Visit("a")], broken={2, 5}, share=0.1)
    with pytest.raises(
        InputError,
        match=r"expected at most 0\.1 of the frames to be "
        "unreadable, got 2 of 10; the last: "
        r"town1_000005\.png: cannot be.*corrupt_share",
    ):
        list(running)


def test_state_goes_on() -> None:
    whole = list(stream(storm(frames=2), broken={3}, share=0.2))
    first = stream(storm(frames=2), broken={3}, share=0.2)
    part = [frame for _, frame in zip(range(7), first, strict=False)]
    second = stream(storm(frames=2), broken={3}, share=0.2)
    second.load_state_dict(first.state_dict())
    rest = list(second)
    assert [f.index for f in part + rest] == [f.index for f in whole]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(part + rest, whole, strict=True))


class TestAhead:
    """Frames that a thread makes in advance are the same frames."""

    @settings(max_examples=10, deadline=None)
    @given(ahead=st.integers(0, 12), stop=st.integers(0, 12))
    def test_the_same_frames_and_the_same_position(self, ahead: int, stop: int) -> None:
        plain, mine = (
            stream(storm(frames=1), broken={3}, share=0.2, crop=(40, 32), ahead=how)
            for how in (0, ahead)
        )
        parts = [
            [frame for _, frame in zip(range(stop), one, strict=False)] for one in (plain, mine)
        ]
        for one, other in zip(*parts, strict=True):
            assert one.index == other.index
            assert np.array_equal(one.image, other.image)
            assert np.array_equal(one.label, other.label)
        assert plain.state_dict() == mine.state_dict()  # what was consumed, not what was made
        assert [f.index for f in plain] == [f.index for f in mine]

    def test_it_works_while_nobody_asks(self) -> None:
        made: list[int] = []
        found = in_advance(lambda x: made.append(x) or 10 * x, range(20), ahead=3)
        assert next(found) == (0, 0)
        deadline = time.monotonic() + 10
        while len(made) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert made == [0, 1, 2, 3]
        time.sleep(0.05)
        assert made == [0, 1, 2, 3]  # no further than was asked
        found.close()
        assert threading.active_count() == len(
            [t for t in threading.enumerate() if not t.name.startswith("ahead")]
        )

    def test_an_error_comes_where_its_item_would(self) -> None:
        def make(x: int) -> int:
            if x == 2:
                raise InputError("the third")
            return x

        found = in_advance(make, range(5), ahead=4)
        assert [next(found), next(found)] == [(0, 0), (1, 1)]
        with pytest.raises(InputError, match="the third"):
            next(found)


class TestOrder:
    """Shuffled within a visit and a pass, and nowhere else."""

    @settings(max_examples=15, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1), frames=st.integers(1, 12), passes=st.integers(1, 3))
    def test_the_same_frames_in_another_order(self, seed: int, frames: int, passes: int) -> None:
        visits = storm(frames=frames, passes=passes)
        plain = stream(visits)
        mixed = stream(visits, seed=seed, shuffled=True)
        assert mixed.plan == stream(visits, seed=seed, shuffled=True).plan
        for start in range(0, len(plain), frames):  # one pass of one visit after the other
            part = slice(start, start + frames)
            assert sorted(mixed.plan[part]) == sorted(plain.plan[part])

    def test_passes_and_seeds_differ(self) -> None:
        one = stream([Visit("a", passes=2)], shuffled=True)
        assert one.plan[:10] != one.plan[10:]
        assert one.plan != stream([Visit("a", passes=2)], shuffled=True, seed=1).plan


class TestCrop:
    """A window anywhere, the same whatever was skipped or seen before."""

    def test_image_and_label_are_cut_alike(self) -> None:
        whole = list(stream([Visit("wet", Conditions(rain=100.0))]))
        for frame, full in zip(
            stream([Visit("wet", Conditions(rain=100.0))], crop=(40, 32)), whole, strict=True
        ):
            assert frame.image.shape == (32, 40, 3)
            assert frame.label.shape == (32, 40)
            views = np.lib.stride_tricks.sliding_window_view(full.image, (32, 40, 3))[:, :, 0]
            found = np.argwhere((views == frame.image).all(axis=(2, 3, 4)))
            assert any(np.array_equal(full.label[y : y + 32, x : x + 40], frame.label)
                       for y, x in found)  # fmt: skip

    def test_skipped_frames_move_no_other_crop(self) -> None:
        good = {f.index: f for f in stream([Visit("a")], crop=(40, 32), seed=3)}
        holed = list(stream([Visit("a")], crop=(40, 32), seed=3, broken={2, 5}, share=0.5))
        assert len(holed) == 8
        assert all(np.array_equal(f.image, good[f.index].image) for f in holed)

    def test_shuffled_and_cropped_state_goes_on(self) -> None:
        def make() -> Stream:
            return stream(storm(frames=2), seed=7, shuffled=True, crop=(32, 40))

        whole, first, second = list(make()), make(), make()
        part = [frame for _, frame in zip(range(9), first, strict=False)]
        second.load_state_dict(first.state_dict())
        rest = list(second)
        assert [f.name for f in part + rest] == [f.name for f in whole]
        assert all(np.array_equal(a.image, b.image)
                   for a, b in zip(part + rest, whole, strict=True))  # fmt: skip

    def test_labels_have_no_say(self) -> None:
        bare = stream([Visit("a")], crop=(40, 32))
        labelled = list(stream([Visit("a")], crop=(40, 32)))
        scene = bare._dataset.scene
        bare._dataset.scene = lambda i: Scene(scene(i).name, scene(i).image)
        for one, other in zip(bare, labelled, strict=True):
            assert one.label is None
            assert np.array_equal(one.image, other.image)

    @given(x=st.floats(0, 1, exclude_max=True), y=st.floats(0, 1, exclude_max=True))
    def test_windows_lie_inside(self, x: float, y: float) -> None:
        image = np.arange(7 * 9 * 3, dtype=np.uint8).reshape(7, 9, 3)
        window, label = cut(image, image[..., 0], (4, 3), np.array([x, y]), name="a")
        assert window.shape == (3, 4, 3)
        assert label is not None
        assert np.array_equal(window[..., 0], label)

    def test_every_corner_is_reached(self) -> None:
        image = np.arange(30, dtype=np.uint8).reshape(5, 6, 1).repeat(3, 2)
        ends = [0.0, np.nextafter(1, 0)]
        firsts = [int(cut(image, None, (2, 2), np.array([x, y]), name="a")[0][0, 0, 0])
                  for y in ends for x in ends]  # fmt: skip
        assert firsts == [0, 4, 18, 22]

    def test_larger_than_the_frame(self) -> None:
        running = stream([Visit("a")], crop=(40, 49))
        with pytest.raises(
            InputError, match="town1_000000: expected a frame of at least the crop 40x49, got 64x48"
        ):
            next(iter(running))
