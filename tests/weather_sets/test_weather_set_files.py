"""Files of weather sets: whole or not there, linked labels, a record that survives a kill."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftseg.errors import InputError
from driftseg.weather_sets.labels import put_label
from driftseg.weather_sets.record import JOURNAL, RECORD, SetRecord
from driftseg.weather_sets.writing import remove_partial, write_whole
from weather_trees import pixels, save

SETTINGS = {"seed": 0, "size": (4, 3)}
DOMAINS = {"rain50": {"folder": "rain/50mm"}}


def opened(out: Path) -> SetRecord:
    return SetRecord(out, settings=SETTINGS, domains=DOMAINS)


def refuse(*arguments, **named):
    raise OSError(errno.EPERM, "Operation not permitted")


def test_a_file_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = os.replace

    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(
        InputError,
        match="expected a file that can be written, got an error "
        r"\(No space left on device\)",
    ):
        write_whole(tmp_path / "deep" / "a.png", b"1234")
    assert not list((tmp_path / "deep").iterdir())
    monkeypatch.setattr(os, "replace", honest)
    write_whole(tmp_path / "deep" / "a.png", b"1234")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.png"]


def test_labels_are_linked_hard_linked_or_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = save(tmp_path / "source" / "a.png", np.ones((3, 4), np.uint8))
    place = tmp_path / "set" / "rain" / "a.png"
    for _ in range(2):
        assert put_label(source, place, None) == "symbolic link"
        assert os.readlink(place) == "../../source/a.png"
    monkeypatch.setattr(os, "symlink", refuse)
    place.unlink()
    for _ in range(2):
        assert put_label(source, place, None) == "hard link"
        assert place.samefile(source)
        assert not place.is_symlink()
    monkeypatch.setattr(os, "link", refuse)
    place.unlink()
    for _ in range(2):
        assert put_label(source, place, None) == "copy"
        assert not place.samefile(source)
        assert place.read_bytes() == source.read_bytes()
    assert [path.name for path in place.parent.iterdir()] == ["a.png"]


def test_labels_shrink_with_their_images_and_keep_their_coding(tmp_path: Path) -> None:
    ids = np.arange(48, dtype=np.uint8).reshape(6, 8)
    grey = save(tmp_path / "grey.png", ids)
    coloured = save(tmp_path / "colour.png", np.stack([ids, ids * 2, ids * 3], -1))
    picture = Image.fromarray(ids)
    picture.putpalette(list(range(255, -1, -1)) * 3)
    picture.save(tmp_path / "palette.png")
    for path in (grey, coloured, tmp_path / "palette.png"):
        place = tmp_path / "set" / path.name
        assert put_label(path, place, (4, 3)) == "shrunk"
        known = {tuple(np.atleast_1d(v)) for v in pixels(path).reshape(48, -1)}
        small = pixels(place)
        assert small.shape[:2] == (3, 4)
        assert {tuple(np.atleast_1d(v)) for v in small.reshape(12, -1)} <= known
    with Image.open(tmp_path / "set" / "palette.png") as shrunk:
        assert shrunk.mode == "P"
        assert shrunk.getpalette() == picture.getpalette()


def test_a_record_goes_on_after_a_kill(tmp_path: Path) -> None:
    """The last line may be torn, and files half-written."""
    with opened(tmp_path) as record:
        record.add("a.png", {"label": None, "made": {"rain50": 1}})
        record.add("b.png", {"label": None, "made": {"rain50": 2}})
    with (tmp_path / JOURNAL).open("ab") as journal:
        journal.write(b'{"source": "c.png", "ent')
    (tmp_path / "rain").mkdir()
    (tmp_path / "rain" / ".c.png.123.partial").write_bytes(b"half")
    with opened(tmp_path) as record:
        assert set(record.images) == {"a.png", "b.png"}
        record.add("c.png", {"label": None, "made": {}})
        assert not list((tmp_path / "rain").iterdir())
    with opened(tmp_path) as record:
        assert set(record.images) == {"a.png", "b.png", "c.png"}
        record.finish()
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == [RECORD]
    with opened(tmp_path) as record:
        assert set(record.images) == {"a.png", "b.png", "c.png"}


def test_a_kill_before_the_first_line(tmp_path: Path) -> None:
    (tmp_path / f".{JOURNAL}.123.partial").write_bytes(b"")
    with opened(tmp_path) as record:
        assert not record.images


@pytest.mark.parametrize("journal", [b"", b"\0\0\0\0"])
def test_a_journal_lost_with_the_power(journal: bytes, tmp_path: Path) -> None:
    with opened(tmp_path) as record:
        record.add("a.png", {"label": None, "made": {}})
        record.finish()
    (tmp_path / JOURNAL).write_bytes(journal)
    with opened(tmp_path) as record:
        assert set(record.images) == {"a.png"}


def test_one_process_at_a_time(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with (
        opened(tmp_path),
        pytest.raises(
            InputError,
            match="expected a folder that no other driftseg weather "
            r"writes to, got one in use.*another",
        ),
    ):
        opened(tmp_path)
    with opened(tmp_path):
        pass


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As NFS, which locks no folder that is open for reading: that is no other process."""
    fcntl = pytest.importorskip("fcntl")

    def unknown(handle, how):
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(fcntl, "flock", unknown)
    with opened(tmp_path) as record:
        record.add("a.png", {"label": None, "made": {}})
        record.finish()
    assert (tmp_path / RECORD).is_file()


@pytest.mark.parametrize("text", ["", "[]", '{"settings": 3}', '{"settings": {}, "images": []}'])
def test_other_records_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / RECORD).write_text(text)
    with pytest.raises(
        InputError,
        match=r"/weather\.json: expected a record of driftseg "
        r"weather, got another file\. To fix: ",
    ):
        opened(tmp_path)
    assert (tmp_path / RECORD).read_text() == text


def test_only_our_leftovers_are_removed(tmp_path: Path) -> None:
    for name in (".a.png.1.partial", "a.partial", ".hidden", "b.png"):
        (tmp_path / name).write_text("")
    remove_partial(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".hidden", "a.partial", "b.png"]
