"""Event files, read back with TensorBoard's own reader."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from record_rows import (
    expected,
    feed,
    killed_and_resumed,
    lines_of_a_run,
    two_sessions,
    write_folder,
)

from driftseg.trackers.session import start_trackers
from driftseg.trackers.tensorboard import TensorboardSettings, last_steps

pytest.importorskip("tensorboard")


def read(folder: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    return found.Reload()


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    found = read(folder)
    return {
        name: [(event.step, event.value) for event in found.Scalars(name)]
        for name in found.Tags()["scalars"]
    }


def assert_whole(found: dict[str, list[tuple[int, float]]]) -> None:
    wanted = expected()
    assert {*found} == {*wanted}
    for name, series in wanted.items():
        assert [step for step, _ in found[name]] == [step for step, _ in series], name
        np.testing.assert_allclose(
            [value for _, value in found[name]], [value for _, value in series], rtol=1e-6
        )


def test_what_tensorboard_shows(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a_run.partial")
    trackers = start_trackers(
        [TensorboardSettings()], folder, name="a_run", tags={"method": "dacs"}
    )
    feed(trackers, lines_of_a_run(), pictures=True)
    assert trackers.end("finished") == []
    assert_whole(scalars(folder / "tensorboard"))
    found = read(folder / "tensorboard")
    assert {*found.Tags()["images"]} == {"pictures/clear", "pictures/rain_fog"} or {
        *found.Tags()["images"]
    } == {"pictures/clear", "pictures/rain+fog"}
    shown = found.Images("pictures/clear")
    assert [each.step for each in shown] == [4, 12]
    picture = np.asarray(Image.open(io.BytesIO(shown[0].encoded_image_string)))
    assert picture.shape == (4, 12, 3)
    assert picture[0, :, 0].tolist() == [200] * 6 + [100] * 6

    def text(name: str) -> str:
        return found.Tensors(f"{name}/text_summary")[0].tensor_proto.string_val[0].decode()

    assert "    name: dacs" in text("config")
    assert text("tags") == "* method: dacs"
    assert text("events").startswith("frame 4 (rain+fog): change away")
    assert text("state") == "finished"


@pytest.mark.parametrize(("until", "checkpoint"), [(4, 4), (9, 9), (9, 6), (14, 9), (22, 0)])
def test_two_sessions_are_one_run(tmp_path: Path, until: int, checkpoint: int) -> None:
    folder = tmp_path / "a_run"
    two_sessions([TensorboardSettings()], folder, until=until, checkpoint=checkpoint, pictures=True)
    assert_whole(scalars(folder / "tensorboard"))
    found = read(folder / "tensorboard")
    assert [each.step for each in found.Images("pictures/clear")] == [4, 12]
    assert len(found.Tensors("events/text_summary")) == 1


def test_a_killed_session_leaves_no_gap(tmp_path: Path) -> None:
    folder = tmp_path / "a_run"
    killed_and_resumed(TensorboardSettings(), folder)
    assert_whole(scalars(folder / "tensorboard"))


def test_a_cut_event_file_is_continued(tmp_path: Path) -> None:
    """A machine that lost its power: the last record is not whole."""
    lines, folder = lines_of_a_run(), tmp_path / "a_run"
    first = start_trackers([TensorboardSettings()], write_folder(folder), name="a_run")
    feed(first, lines[:9])
    first.end("interrupted")
    (path,) = (folder / "tensorboard").glob("events.*")
    path.write_bytes(path.read_bytes()[:-70])
    second = start_trackers([TensorboardSettings()], write_folder(folder, lines[:9]))
    feed(second, lines[9:])
    assert second.end("finished") == []
    found = scalars(folder / "tensorboard")
    assert all(len({step for step, _ in each}) == len(each) for each in found.values())


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    settings = TensorboardSettings(folder=tmp_path / "logs")
    two_sessions([settings], tmp_path / "a_run.partial", until=9, checkpoint=9)
    assert_whole(scalars(tmp_path / "logs" / "a_run"))
    assert not (tmp_path / "a_run.partial" / "tensorboard").exists()
    assert last_steps(tmp_path / "logs" / "a_run")["stream/mean_iou"] == 12
