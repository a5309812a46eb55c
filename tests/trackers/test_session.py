"""Trackers of a run folder: started, continued, ended."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import fake_trackers
import pytest
from fake_trackers import OddSettings, RememberingSettings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from record_rows import expected, feed, frame_row, lines_of_a_run, two_sessions, write_folder

from driftseg.trackers import session
from driftseg.trackers.session import FILE, start_trackers
from driftseg.trackers.table import TRACKERS

TOTAL = len(lines_of_a_run())


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    fake_trackers.STARTED.clear()
    yield
    fake_trackers.RELEASE.set()
    fake_trackers.RELEASE.clear()


def merged() -> dict[str, list[tuple[int, float]]]:
    """What all sessions sent, in order."""
    found: dict[str, list[tuple[int, float]]] = {}
    for tracker in fake_trackers.STARTED:
        for item in tracker.items:
            for name, value in item.numbers.items():
                found.setdefault(name, []).append((item.step, value))
    return found


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(until=st.integers(0, TOTAL), back=st.integers(0, TOTAL))
def test_sessions_add_up_to_one_run(tmp_path: Path, until: int, back: int) -> None:
    """Wherever a run stops, and however far before that its checkpoint is."""
    fake_trackers.STARTED.clear()
    folder = tmp_path / f"{until}-{back}-{len(list(tmp_path.iterdir()))}"
    two_sessions([RememberingSettings()], folder, until=until, checkpoint=max(0, until - back))
    assert merged() == expected()
    first, second = fake_trackers.STARTED
    assert second.resumed == f"run-{id(first)}"
    assert second.facts.name == "a_run"
    assert (first.calls[-1], second.calls[-1]) == ("end interrupted", "end finished")


def test_lines_that_an_earlier_session_could_not_send_are_sent(tmp_path: Path) -> None:
    lines = lines_of_a_run()
    odd = OddSettings(at="send", does="hangs", patience=0.2)
    first = start_trackers([odd], write_folder(tmp_path / "run"), name="a_run")
    feed(first, lines[:10])
    (note,) = first.end("interrupted")
    assert "did not end in time" in note
    kept = json.loads((tmp_path / "run" / FILE).read_text())
    assert kept["name"] == "a_run"
    assert kept["trackers"][0]["dropped"] > 0
    fake_trackers.STARTED.clear()
    well = OddSettings(at="send", does="sleeps", seconds=0)
    second = start_trackers([well], write_folder(tmp_path / "run", lines[:10]))
    feed(second, lines[10:])
    assert second.end("finished") == []
    assert merged() == expected()


def test_each_tracker_continues_its_own_run(tmp_path: Path) -> None:
    both = [RememberingSettings(), OddSettings(does="sleeps", seconds=0), RememberingSettings()]
    sessions = two_sessions(both, tmp_path / "run", until=9, checkpoint=9)
    assert len(sessions) == 2
    first, second = fake_trackers.STARTED[:3], fake_trackers.STARTED[3:]
    assert {each.resumed for each in second} == {f"run-{id(each)}" for each in first}


def test_one_hanging_tracker_leaves_the_others_alone(tmp_path: Path) -> None:
    hanging = OddSettings(at="start", does="hangs", patience=0.3)
    trackers = start_trackers(
        [hanging, RememberingSettings(patience=0.3)], write_folder(tmp_path / "run"), name="a"
    )
    feed(trackers, lines_of_a_run())
    (note,) = trackers.end("finished")
    assert note.startswith("tracker fake_trackers:OddSettings: ")
    (well,) = [each for each in fake_trackers.STARTED if "end finished" in each.calls]
    assert len(well.series("stream/mean_iou")) == 12
    assert trackers.end("failed") == []


def test_lines_that_cannot_be_named_do_not_stop_a_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trackers = start_trackers([RememberingSettings()], write_folder(tmp_path / "run"), name="a")
    trackers.frame({"index": 0})
    trackers.frame(frame_row(1))
    (note,) = trackers.end("finished")
    assert note == "trackers: nothing is sent from here on (KeyError: 'visit')"
    assert len(caplog.records) == 1


def test_no_trackers_write_nothing(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "run", lines_of_a_run())
    before = {*folder.iterdir()}
    trackers = start_trackers([], folder)
    feed(trackers, lines_of_a_run())
    assert trackers.end("finished") == []
    assert {*folder.iterdir()} == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"trackers": [{"kind": 3}]}', '{"trackers": 7}'])
def test_a_damaged_file_starts_a_new_run(tmp_path: Path, text: str) -> None:
    folder = write_folder(tmp_path / "run")
    (folder / FILE).write_text(text)
    trackers = start_trackers([RememberingSettings()], folder, name="a")
    feed(trackers, lines_of_a_run())
    assert trackers.end("finished") == []
    assert merged() == expected()


def test_a_full_disk_does_not_stop_a_tracker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(self: object, *args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    folder = write_folder(tmp_path / "run")
    trackers = start_trackers([RememberingSettings()], folder, name="a")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        feed(trackers, lines_of_a_run())
        trackers.end("finished")
    assert merged() == expected()
    assert caplog.records


def test_a_stopped_run_does_not_wait_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "HASTE", 0.3)
    hanging = OddSettings(at="send", does="hangs", patience=600)
    trackers = start_trackers([hanging], write_folder(tmp_path / "run"), name="a")
    feed(trackers, lines_of_a_run())
    before = time.monotonic()
    (note,) = trackers.end("interrupted")
    assert time.monotonic() - before < 10
    assert "it did not end in time" in note


def test_the_tracker_of_the_docs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "experiments.md").read_text(encoding="utf-8")
    code = next(block for block in page.split("```python\n")[1:] if "PrintTracker" in block)
    (tmp_path / "my_trackers.py").write_text(code.partition("```")[0])
    monkeypatch.syspath_prepend(str(tmp_path))
    section = TRACKERS.find("my_trackers:PrintSettings")()
    trackers = start_trackers([section], write_folder(tmp_path / "run"), name="a")
    feed(trackers, lines_of_a_run())
    assert trackers.end("finished") == []
    printed = capsys.readouterr().out
    assert "'stream/mean_iou': " in printed
    assert printed.endswith("finished\n")
