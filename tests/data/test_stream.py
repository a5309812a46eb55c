"""Schedules and streams."""

from __future__ import annotations

import numpy as np
import pytest

from driftseg.data.datasets.town import TownScenes
from driftseg.data.schedule import Visit, domains, rain_name, storm, with_directions
from driftseg.data.stream import Stream, Weather, depth_note
from driftseg.data.weather.camera import TOWN
from driftseg.errors import InputError, UnreadableError
from driftseg.frame import Scene
from driftseg.labels import CAMVID11

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


def test_the_storm() -> None:
    visits = storm(frames=2)
    assert [v.rain for v in visits] == [0, 25, 50, 75, 100, 200, 100, 75, 50, 25, 0]
    assert [v.direction for v in visits] == ["forward"] * 6 + ["backward"] * 5
    assert list(domains(visits)) == ["clear", "rain25", "rain50", "rain75", "rain100", "rain200"]
    assert visits[1].weather == "rain 25 mm/h"
    assert visits[0].weather == "as it is"
    assert rain_name(12.5) == "rain12.5"


def test_without_rain_everything_is_forward() -> None:
    assert {v.direction for v in with_directions([Visit("day"), Visit("dusk")])} == {"forward"}


def test_bad_schedules() -> None:
    with pytest.raises(InputError, match="the schedule is empty"):
        with_directions([])
    with pytest.raises(InputError, match=r"wet is rain 10 mm/h and rain 20 mm/h.*two names"):
        with_directions([Visit("wet", 10), Visit("wet", 20)])


def test_frames_go_on_through_the_sequence() -> None:
    frames = list(stream(storm(frames=2), frames=10))
    assert len(frames) == 22
    assert [f.index for f in frames] == list(range(22))
    names = [f.name for f in frames]
    assert names[:10] == [f"town1_{i:06d}" for i in range(10)]
    assert names[10] == "town1_000000"
    assert [f.visit for f in frames] == [v for v in range(11) for _ in range(2)]


def test_all_frames_each_visit_and_passes() -> None:
    visits = with_directions([Visit("a"), Visit("b", 50, passes=2)])
    frames = list(stream(visits, frames=3))
    assert [f.domain for f in frames] == ["a"] * 3 + ["b"] * 6
    assert [f.name[-1] for f in frames] == list("012012012")


def test_patterns_choose_the_frames_of_a_domain() -> None:
    visits = [Visit("even", include=("*0", "*2", "*4")), Visit("last", include=("*9",))]
    assert [f.name[-1] for f in stream(visits)] == list("0249")
    with pytest.raises(InputError, match=r"no frame of the target matches \['dusk'\]"):
        stream([Visit("x", include=("dusk",))])


def test_weather_changes_images_not_labels() -> None:
    visits = with_directions([Visit("clear"), Visit("wet", 200.0)])
    frames = list(stream(visits, frames=2))
    assert np.array_equal(frames[0].label, frames[2].label)
    assert not np.array_equal(frames[0].image, frames[2].image)


def test_a_scene_looks_the_same_whenever_it_is_seen() -> None:
    scene = TownScenes(seed=1, frames=1, size=(64, 48)).scene(0)
    visit = Visit("wet", 100.0)
    assert np.array_equal(WEATHER.on(scene, visit), WEATHER.on(scene, visit))
    other = Weather(TOWN, CAMVID11, seed=1)
    assert not np.array_equal(WEATHER.on(scene, visit), other.on(scene, visit))


def test_scenes_without_depth_use_the_road_plane_and_say_so() -> None:
    scene = TownScenes(seed=1, frames=1, size=(64, 48)).scene(0)
    labelled = Scene(scene.name, scene.image, scene.label)
    bare = Scene(scene.name, scene.image)
    assert depth_note(scene) == "exact depth"
    assert "label meets the ground" in depth_note(labelled)
    assert "without labels" in depth_note(bare)
    for one in (labelled, bare):
        assert not np.array_equal(WEATHER.on(one, Visit("wet", 100.0)), scene.image)


def test_unreadable_frames_are_skipped_and_counted() -> None:
    running = stream([Visit("a")], broken={4}, share=0.1)
    frames = list(running)
    assert [f.index for f in frames] == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert [(s.name, s.visit) for s in running.skipped] == [("town1_000004", 0)]


def test_too_many_unreadable_frames_stop_the_run() -> None:
    running = stream([Visit("a")], broken={2, 5}, share=0.1)
    with pytest.raises(InputError, match=r"2 of 10 frames.*corrupt_share 0.1.*town1_000005.png"):
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
