"""Sizes are judged by headers before a run, a training or a weather set begins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import driftseg
from driftseg.api.data import make_weather_set
from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.config.train import TrainConfig
from driftseg.errors import InputError
from driftseg.images.reading import resize_image
from driftseg.runs.build import build
from driftseg.runs.record import read_run
from driftseg.runs.run import run
from driftseg.runs.train import build_training
from driftseg.scenes.folder import FolderSettings
from driftseg.scenes.sequence import SequenceSettings
from driftseg.scenes.sizes import squeezed
from layout_trees import photo, save, stripes

ODD = {"small": (32, 48), "tall": (96, 64), "large": (128, 192), "wide": (80, 120)}
"""(height, width) of frame 4, where the others are 64 and 96."""


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    for number in (1, 2, 3, 5):
        write(tmp_path, number, (64, 96))
    return tmp_path


def write(root: Path, number: int, size: tuple[int, int]) -> None:
    save(root / "in" / f"{number}.png", photo(number, *size))
    save(root / "ids" / f"{number}.png", stripes((0, 1, 2), *size))


def values(tiny_run: dict, root: Path, method: str, **target: object) -> dict:
    data = {"kind": "folder", "root": str(root / "in"), "labels": str(root / "ids")}
    return {
        **tiny_run, "target": {**data, **target}, "evaluation": None, "schedule": [{"name": "a"}],
        "method": {"name": method}, "source": tiny_run["source"],
    }  # fmt: skip


@pytest.mark.parametrize("odd", ["small", "tall"])
@pytest.mark.parametrize("method", ["dacs", "restyled_replay"])
def test_a_frame_that_is_too_small_is_named_before_the_run(
    method: str, odd: str, drive: Path, tiny_run: dict
) -> None:
    write(drive, 4, ODD[odd])
    config = check(values(tiny_run, drive, method), RunConfig, where="test")
    with pytest.raises(InputError) as caught:
        build(config)
    height, width = ODD[odd]
    assert str(caught.value) == (
        f"{drive}/in/4.png: expected at least 96x64 pixels, which learning by {method} needs, got "
        f"{width}x{height}. To fix: set target.size to what all images can be shrunk to, or leave "
        "the image out with exclude"
    )


@pytest.mark.parametrize(
    ("method", "odd", "target"),
    [
        ("dacs", "small", {"exclude": ["4"]}),
        ("dacs", "small", {"stop": 3}),
        ("dacs", "small", {"size": [48, 32]}),
        ("dacs", "large", {}),
        ("tent", "small", {}),
        ("replay_only", "tall", {}),
    ],
)
def test_what_can_be_run_is_run(
    method: str, odd: str, target: dict, drive: Path, tiny_run: dict
) -> None:
    write(drive, 4, ODD[odd])
    found = read_run(run(check(values(tiny_run, drive, method, **target), RunConfig, where="x")))
    assert len(found.frames) == {3: 3}.get(target.get("stop"), 4 if "exclude" in target else 5)
    assert not any("squeezed" in note for note in found.environment["notes"])


def test_a_frame_of_another_shape_is_told(drive: Path, tiny_run: dict) -> None:
    write(drive, 4, ODD["tall"])
    found = read_run(
        run(check(values(tiny_run, drive, "tent", size=[48, 32]), RunConfig, where="x"))
    )
    told = (
        "1 of 5 images are squeezed: they have another ratio of width to height than size 48x32; "
        "the first is 4.png with 64x96"
    )
    assert told in found.environment["notes"]


def test_a_crop_larger_than_one_frame(drive: Path, tiny_run: dict) -> None:
    write(drive, 4, ODD["small"])
    config = {**values(tiny_run, drive, "tent"), "crop": [64, 64]}
    with pytest.raises(InputError, match=r"4\.png: expected at least 64x64 pixels, which the crop"):
        build(check(config, RunConfig, where="test"))


def test_nothing_is_enlarged_late(drive: Path) -> None:
    write(drive, 4, ODD["small"])
    folder, pattern = drive / "in", str(drive / "in" / "*.png")
    message = r"expected an image of at least 96x64, the size of the run, got 48x32.*images"
    for settings in (
        FolderSettings(root=folder, size=(96, 64)),
        SequenceSettings(pattern=pattern, size=(96, 64)),
    ):
        with pytest.raises(InputError, match=message):
            settings.make()
    with pytest.raises(InputError, match=message):
        driftseg.frames(folder, size=(96, 64))
    with pytest.raises(InputError, match=message):
        make_weather_set(folder, drive / "set", fog=75, size=(96, 64))
    assert not (drive / "set").exists()
    made = FolderSettings(root=folder, size=(96, 64), exclude=["4"]).make()
    assert squeezed(made) == ""
    assert make_weather_set(folder, drive / "set", fog=75, size=(96, 64), exclude=["4"]).made == 4


def test_the_image_is_shrunk_where_its_shape_allows(drive: Path) -> None:
    write(drive, 4, ODD["large"])
    made = FolderSettings(root=drive / "in", size=(96, 64)).make()
    wanted = resize_image(photo(4, *ODD["large"]), (96, 64), name="")
    assert np.array_equal(made.scene(3).image, wanted)
    assert squeezed(made) == ""


def test_a_damaged_file_is_left_to_the_stream(drive: Path) -> None:
    (drive / "in" / "4.png").write_bytes(b"")
    assert len(FolderSettings(root=drive / "in", size=(48, 32)).make()) == 5


def test_a_source_scene_that_is_too_small(drive: Path, tiny_run: dict) -> None:
    """It was enlarged without a word."""
    write(drive, 4, ODD["small"])
    source = {"kind": "folder", "root": str(drive / "in"), "labels": str(drive / "ids")}
    config = {**tiny_run, "source": source}
    with pytest.raises(InputError, match=r"4\.png: expected at least 96x64.*source\.size"):
        build(check(config, RunConfig, where="test"))
    config = {
        "out": str(drive / "out"), "model": {"encoder": "mit_b0", "head_width": 16},
        "data": source, "validation": source, "steps": 1, "early_head_steps": 0,
    }  # fmt: skip
    with pytest.raises(InputError, match=r"4\.png: expected at least 96x64.*data\.size"):
        build_training(check(config, TrainConfig, where="test"))
