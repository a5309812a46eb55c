"""W&B offline: what its files hold."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from offline_runs import facts, history, series
from PIL import Image
from record_rows import (
    expected,
    feed,
    killed_and_resumed,
    lines_of_a_run,
    two_sessions,
    write_folder,
)

from driftseg.errors import InputError
from driftseg.trackers.session import start_trackers
from driftseg.trackers.wandb import WandbSettings
from driftseg.trackers.wandb_files import BLOCK, HEAD, last_step, messages

pytest.importorskip("wandb")


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings, keys or caches of whoever runs the tests."""
    for name in [*os.environ]:
        if name.startswith("WANDB_"):
            monkeypatch.delenv(name)
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "wandb_own"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def assert_whole(folder: Path) -> None:
    found = series(folder)
    wanted = {k: v for k, v in expected().items() if not k.startswith("final/")}
    assert {*found} == {*wanted}
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, err_msg=name)


def logs(folder: Path) -> list[Path]:
    return sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))


def test_what_an_offline_run_holds(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a_run.partial")
    section = WandbSettings(project="drift", group="storms")
    trackers = start_trackers([section], folder, name="a_run", tags={"seed": "seed 1", "x": ""})
    feed(trackers, lines_of_a_run(), pictures=True)
    assert trackers.end("finished") == []
    assert_whole(folder)
    (path,) = logs(folder)
    told = facts(path)
    assert (told["project"], told["name"], told["tags"]) == ("drift", "a_run", ["seed 1"])
    assert told["config"]["method"] == {"name": "dacs", "train": ["head"]}
    wanted = {name: values[0][1] for name, values in expected().items() if "final/" in name}
    assert {k: v for k, v in told["summary"].items() if "final/" in k} == pytest.approx(wanted)
    assert told["exits"] == [0]
    (event,) = [row for row in history(path) if "events" in row]
    assert event["_step"] == 5
    assert event["events"].startswith("frame 4 (rain+fog): change away")
    picture = next(row for row in history(path) if "pictures/clear/path" in row)
    assert picture["_step"] == 4
    shown = path.parent / "files" / picture["pictures/clear/path"]
    assert np.asarray(Image.open(shown)).shape == (4, 12, 3)


@pytest.mark.parametrize(("until", "checkpoint"), [(9, 9), (14, 9)])
def test_two_sessions_are_one_run(tmp_path: Path, until: int, checkpoint: int) -> None:
    folder = tmp_path / "a_run"
    two_sessions([WandbSettings()], folder, until=until, checkpoint=checkpoint)
    first, second = [facts(path) for path in logs(folder)]
    assert first["id"] == second["id"]
    assert (first["exits"], second["exits"]) == ([1], [0])
    assert_whole(folder)


def test_a_killed_session_leaves_no_gap(tmp_path: Path) -> None:
    folder = tmp_path / "a_run"
    killed_and_resumed(WandbSettings(), folder)
    assert len(logs(folder)) == 2
    assert_whole(folder)


@given(st.lists(st.binary(min_size=1, max_size=70_000), max_size=4), st.integers(0, 200_000))
@settings(deadline=None, max_examples=40)
def test_a_cut_file_holds_its_whole_records(written: list[bytes], cut: int) -> None:
    data = b":W&B\xe1\xbe\x00"
    ends = []
    for record in written:
        first, left = True, record
        while first or left:
            room = BLOCK - len(data) % BLOCK
            if room < HEAD:
                data += bytes(room)
                continue
            piece, left = left[: room - HEAD], left[room - HEAD :]
            kind = (1 if not left else 2) if first else (4 if not left else 3)
            data += struct.pack("<IHB", 0, len(piece), kind) + piece
            first = False
        ends.append(len(data))
    assert list(messages(data)) == written
    whole = [record for record, end in zip(written, ends, strict=True) if end <= cut]
    assert list(messages(data[:cut])) == whole


def test_files_of_another_version_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "wandb" / "offline-run-1-abc"
    folder.mkdir(parents=True)
    assert last_step(tmp_path, "abc") == -1
    (folder / "run-abc.wandb").write_bytes(b":W&B\xe1\xbe\x01" + b"\xff" * 500)
    assert last_step(tmp_path, "abc") in (-1, None)


def test_a_run_of_the_callers_own_stays_active(tmp_path: Path) -> None:
    import wandb

    own = wandb.init(mode="offline", dir=str(tmp_path), settings=wandb.Settings(silent=True))
    two_sessions([WandbSettings()], tmp_path / "a_run", until=9, checkpoint=9)
    assert wandb.run is own
    own.finish()


def test_online_without_a_key_is_said_and_nothing_is_asked(tmp_path: Path) -> None:
    trackers = start_trackers(
        [WandbSettings(mode="online")], write_folder(tmp_path / "run"), name="a"
    )
    (note,) = trackers.end("finished")
    assert InputError.__name__ in note
    assert "expected an API key of W&B, got none. To fix: run wandb login" in note
