"""What is kept of a drive: files, a video, lines; and what happens when the disk is full."""

from __future__ import annotations

import json
import resource
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from driftseg.errors import InputError
from driftseg.labels import CAMVID11
from driftseg.saving.saver import BEHIND, KINDS, Saver
from driftseg.saving.shots import Shot

SIZE = (48, 64)


def shot(index: int, *, size: tuple[int, int] = SIZE, **facts) -> Shot:
    draw = np.random.default_rng(index)
    image = draw.integers(0, 256, (*size, 3), dtype=np.uint8)
    label = draw.integers(0, 11, size, dtype=np.uint8)
    probabilities = draw.random((11, 12, 16)).astype(np.float16)
    return Shot(index, f"street_{index:03d}", image, label, facts, lambda: probabilities)


def read(path: Path) -> np.ndarray:
    with PillowImage.open(path) as picture:
        return np.array(picture)


def saver(out: Path, kinds=KINDS, **changes) -> Saver:
    return Saver(
        out, kinds, classes=CAMVID11.classes, colours=CAMVID11.colours, title="tent", **changes
    )


def test_everything_is_kept_under_the_frames_own_names(tmp_path: Path) -> None:
    keeper = saver(tmp_path / "out", facts={"source": "drive.mp4"})
    for index in range(3):
        keeper.put(shot(index, signal=0.1 * index, trained=True))
    saved = keeper.close()
    assert saved == {kind: 3 for kind in (*KINDS, "lines")}
    with PillowImage.open(tmp_path / "out" / "labels" / "street_001.png") as label:
        assert label.mode == "P"
        assert np.array_equal(np.asarray(label), shot(1).label)
        assert tuple(label.getpalette()[:33]) == tuple(v for c in CAMVID11.colours for v in c)
    kept = np.load(tmp_path / "out" / "probabilities" / "street_001.npy")
    assert kept.dtype == np.float16
    assert np.array_equal(kept, shot(1).probabilities())
    lines = [
        json.loads(line) for line in (tmp_path / "out" / "frames.jsonl").read_text().splitlines()
    ]
    assert [line["name"] for line in lines] == ["street_000", "street_001", "street_002"]
    assert lines[2]["signal"] == 0.2
    assert sum(lines[0]["class_shares"].values()) == pytest.approx(1, abs=0.01)
    told = json.loads((tmp_path / "out" / "drive.json").read_text())
    assert told["classes"] == list(CAMVID11.classes)
    assert not list((tmp_path / "out").rglob("*.partial"))


def test_an_overlay_is_half_image_and_half_colour(tmp_path: Path) -> None:
    keeper = saver(tmp_path / "out", ["overlays"])
    flat = Shot(0, "flat", np.full((*SIZE, 3), 100, np.uint8), np.full(SIZE, 3, np.uint8))
    keeper.put(flat)
    keeper.close()
    seen = read(tmp_path / "out" / "overlays" / "flat.jpg")
    wanted = (100 + np.array(CAMVID11.colours[3])) // 2
    assert np.abs(seen.astype(int) - wanted).max() <= 3


def test_labels_are_as_large_as_their_frames(tmp_path: Path) -> None:
    keeper = saver(tmp_path / "out", ["labels"])
    small = shot(0)
    keeper.put(Shot(0, "a", np.zeros((96, 128, 3), np.uint8), small.label))
    keeper.close()
    kept = read(tmp_path / "out" / "labels" / "a.png")
    assert np.array_equal(kept, small.label.repeat(2, axis=0).repeat(2, axis=1))


def test_a_video_that_can_be_played(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    keeper = saver(tmp_path / "out", ["video"], frames_per_second=12.5)
    for index in range(5):
        keeper.put(shot(index, signal=float(index), event={} if index == 3 else None))
    keeper.close()
    with av.open(str(tmp_path / "out" / "drive.mp4")) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert stream.average_rate == 12.5
    assert len(frames) == 5
    assert frames[0].shape == (48 + 96, 64 + 190, 3)


class TestRefused:
    def test_kinds_and_folders(self, tmp_path: Path) -> None:
        with pytest.raises(
            InputError,
            match="save: expected some of labels, overlays, video, probabilities, got 'masks'",
        ):
            saver(tmp_path / "a", ["masks"])
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / "x").touch()
        with pytest.raises(InputError, match="expected a new or empty folder, got one with files"):
            saver(tmp_path / "b", ["labels"])
        with pytest.raises(
            InputError,
            match="expected a folder that can be written to, got "
            r"an error \(Not a directory\)",
        ):
            saver(tmp_path / "b" / "x" / "c", ["labels"])

    def test_frames_that_change_their_size_end_a_video(self, tmp_path: Path) -> None:
        pytest.importorskip("av")
        keeper = saver(tmp_path / "out", ["video"])
        keeper.put(shot(0))
        keeper.put(shot(1, size=(32, 32)))
        with pytest.raises(
            InputError, match="save: expected frames of one size for a video, got frame 1 of 32x32"
        ):
            keeper.close()

    def test_a_full_disk_says_what_was_kept(self, tmp_path: Path) -> None:
        """Files may not grow beyond 4 kB: the third map of noise is larger."""
        keeper = saver(tmp_path / "out", ["labels"])
        for index in range(2):
            keeper.put(shot(index))
        while keeper.saved["lines"] < 2:
            pass
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        import signal

        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
            keeper.put(shot(2, size=(200, 200)))
            with pytest.raises(
                InputError,
                match="expected a place with room for the results, "
                r"got an error \(File too large\); kept: 2 "
                r"labels, 2 lines.*not",
            ):
                keeper.close()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)
        kept = sorted(path.name for path in (tmp_path / "out" / "labels").iterdir())
        assert kept == ["street_000.png", "street_001.png"]
        assert len((tmp_path / "out" / "frames.jsonl").read_text().splitlines()) == 2

    def test_after_an_error_putting_says_so_and_does_not_hang(self, tmp_path: Path) -> None:
        keeper = saver(tmp_path / "out", ["labels"])
        (tmp_path / "out" / "labels" / "taken").touch()
        keeper.put(Shot(0, "taken/0", shot(0).image, shot(0).label))
        while keeper._error is None:
            threading.Event().wait(0.01)
        with pytest.raises(
            InputError,
            match="expected a place with room for the results, got "
            r"an error \(Not a directory\); kept: nothing",
        ):
            keeper.put(shot(1))
        with pytest.raises(
            InputError,
            match="expected a place with room for the results, got "
            r"an error \(Not a directory\); kept: nothing",
        ):
            keeper.close()


def test_no_more_frames_wait_than_are_granted(tmp_path: Path) -> None:
    """A slow disk slows the drive down in the end; it does not fill the memory."""
    keeper = saver(tmp_path / "out", ["labels"])
    gate = threading.Event()
    plain = keeper._write
    keeper._write = lambda one: (gate.wait(), plain(one))
    put: list[int] = []

    def feed() -> None:
        for index in range(3 * BEHIND):
            keeper.put(shot(index))
            put.append(index)

    feeder = threading.Thread(target=feed)
    feeder.start()
    feeder.join(timeout=1.0)
    assert len(put) <= BEHIND + 1
    gate.set()
    feeder.join()
    assert keeper.close()["labels"] == 3 * BEHIND
