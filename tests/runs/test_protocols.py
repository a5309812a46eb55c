"""Schedules, order and crops: from the config to what the run leaves behind."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.runs.build import build
from driftseg.runs.record import read_run
from driftseg.runs.run import run
from driftseg.stream.schedule import fast_storm, foggy, make_schedule, random_storm, storm


def read(values: dict, **changes) -> RunConfig:
    return check({**values, **changes}, RunConfig, where="test")


def test_presets(tiny_run) -> None:
    def visits(**schedule):
        return make_schedule(read(tiny_run, schedule=schedule).schedule)

    assert visits(preset="storm", passes=3) == storm(passes=3)
    assert visits(preset="fast_storm", frames=4) == fast_storm(frames=4)
    assert visits(preset="fog", frames=4) == foggy(frames=4)
    walks = [random_storm(np.random.default_rng(seed), visits=21, frames=2) for seed in (0, 9)]
    assert visits(preset="random_storm", frames=2) == walks[0]
    assert visits(preset="random_storm", frames=2, seed=9) == walks[1]
    assert len(visits(preset="random_storm", visits=7)) == 7


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (
            {"preset": "hail"},
            r"test: schedule\.preset: expected 'storm', 'fast_storm', 'fog' "
            "or 'random_storm', got 'hail'",
        ),
        (
            {"preset": "fog", "seed": 3},
            r"test: schedule\.seed: expected visits and seed with the preset random_storm, got "
            "them with fog",
        ),
        (
            {"preset": "storm", "visits": 5},
            r"test: schedule\.visits: expected visits and seed "
            "with the preset random_storm, got them with storm",
        ),
        (
            {"preset": "random_storm", "visits": 6},
            "expected an odd number of visits from 3 "
            "on, because it starts and ends clear and "
            "changes by one level, got 6",
        ),
        ([{"name": "grey", "visibility": 0}], r"schedule\.0\.visibility: .*greater than 0"),
        (
            [{"name": "grey", "visiblity": 75}],
            "test: expected a known key, got "
            r"'schedule\.0\.visiblity'.*did you mean "
            r"'schedule\.0\.visibility",
        ),
    ],
)
def test_schedules_that_cannot_be(tiny_run, schedule, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        make_schedule(read(tiny_run, schedule=schedule).schedule)
    assert "\n" not in str(caught.value)


def test_fog_in_a_run(tiny_run) -> None:
    schedule = [{"name": "clear", "frames": 1}, {"name": "fog75", "visibility": 75, "frames": 1},
                {"name": "both", "visibility": 75, "rain": 50, "frames": 1}]  # fmt: skip
    done = read_run(run(read(tiny_run, schedule=schedule, method={"name": "source_only"})))
    assert [v["weather"] for v in done.visits] == [
        "as it is", "fog 75 m", "rain 50 mm/h and fog 75 m"]  # fmt: skip
    assert "weather is rendered on exact depth" in done.environment["notes"]
    scores = [r["mean_iou"] for r in done.evaluations[:6] if r["head"] == "main"]
    assert len(set(scores)) == 3
    assert read_run(done.path).config == done.config
    check(done.config, RunConfig, where="config.yaml")


def test_the_protocol_is_told(tiny_run) -> None:
    notes = build(read(tiny_run)).notes
    assert notes[1] == (
        "scored: predictions on the stream, made before the method learns from the frame"
    )
    still = build(read(tiny_run, method={"name": "source_only"})).notes
    assert still[1] == "scored: predictions on the stream"
    assert not [note for note in still if "learn" in note]
    schedule = [{"name": "clear", "frames": 2}, {"name": "wet", "rain": 9, "passes": 3}]
    notes = build(read(tiny_run, schedule=schedule, order="shuffled", crop=[64, 48],
                       evaluation=None)).notes  # fmt: skip
    assert notes[1] == (
        "scored: predictions on the stream, made before the method learns from the frame; random "
        "crops of 64x48 of each frame; frames in random order within each visit and pass; passes "
        "of a visit: 1, 3"
    )


def test_crops_are_adapted_on_and_whole_frames_held_out(tiny_run) -> None:
    values = {**tiny_run, "crop": [48, 40], "order": "shuffled"}
    parts = build(read(values))
    assert {frame.image.shape for frame in parts.stream} == {(40, 48, 3)}
    assert {parts.held_out["wet"][0].scene(0).image.shape} == {(64, 96, 3)}
    done = read_run(run(read(values)))  # the method refuses replay of another size
    assert np.asarray(Image.open(done.picture(1, "wet", 0, "input"))).shape == (40, 48, 3)
    assert all(row["trained"] for row in done.frames)


def test_other_seeds_meet_the_same_stream(tiny_run) -> None:
    values = {**tiny_run, "crop": [48, 40], "order": "shuffled"}
    images = [[f.image for f in build(read(values, **changes)).stream]
              for changes in ({}, {"seed": 5}, {"stream_seed": 5})]  # fmt: skip
    same = [np.array_equal(a, b) for a, b in zip(images[0], images[1], strict=True)]
    other = [np.array_equal(a, b) for a, b in zip(images[0], images[2], strict=True)]
    assert all(same)
    assert not any(other)


def test_crops_larger_than_the_frames(tiny_run) -> None:
    with pytest.raises(
        InputError,
        match="crop: expected a window no larger than the target's "
        r"frames, 96x64, got 512x512.*smaller",
    ):
        build(read(tiny_run, crop=[512, 512]))


def test_ignored_rows_are_the_crops(tiny_run) -> None:
    method = {"name": "dacs", "ignored_rows": [20, 20]}
    with pytest.raises(
        InputError,
        match=r"method\.ignored_rows: expected below 40 rows, got "
        "20, 20",
    ):
        build(read(tiny_run, crop=[48, 40], method=method))
