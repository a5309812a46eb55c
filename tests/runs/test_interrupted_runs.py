"""A run that was interrupted and continued leaves what an uninterrupted one leaves."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
from interrupted import Snapshots, config_of, record

from driftseg.errors import InputError
from driftseg.methods.table import METHODS
from driftseg.runs.checkpoints import Pace
from driftseg.runs.loop import Moment
from driftseg.runs.resuming import resume
from driftseg.runs.run import run

SCORES_REUSED = ("source_only", "alpha_bn", "eata", "sar", "rdumb")
"""No weight of these moves in two frames of this model: nothing is evaluated after the visit."""

ALIKE = ("replay_only", "asr", "eata", "rdumb", "rmt", "roid")
"""They keep and load what others do: restyled_replay, sar, cotta (a teacher and a generator) and
rotta (a memory). `tests/learners` and `tests/methods` continue each by itself."""


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every second chance."""
    chances = iter(range(10**6))
    monkeypatch.setattr(Pace, "due", lambda self, *, visit_ended: next(chances) % 2 == 1)


@pytest.mark.parametrize(
    "method",
    [pytest.param(m, marks=pytest.mark.slow) if m in ALIKE else m for m in METHODS],
)
@pytest.mark.usefixtures("often")
def test_every_method_continues_as_if_nothing_had_been(
    method: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    """Cut at a frame of its second visit or in the evaluation after it.

    The continued run repeats frames of the first one, so this shows, too, that the same config
    gives the same record.
    """
    frame = random.Random(method).randrange(3, 5)
    moments = (("stream", frame), ("evaluation", 1))
    cut = Snapshots(
        tmp_path / "runs", tmp_path, lambda m: m.visit == 1 and (m.doing, m.frame) in moments
    )
    whole = run(config_of(method, tiny_checkpoint, tmp_path / "runs"), cut)
    assert not (whole / "checkpoints").exists()
    wanted = record(whole)
    assert len(cut.made) == (1 if method in SCORES_REUSED else 2)
    part = random.Random(method).choice(cut.made)
    told: list[str] = []
    assert resume(part, tell=told.append) == part
    assert " after " in told[0]
    assert record(part) == wanted


@pytest.mark.usefixtures("often")
def test_whatever_is_kept_of_frames_continues(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """Labels, overlays and probabilities; and nothing of it changes any number of the run."""
    config = config_of("norm_statistics", tiny_checkpoint, tmp_path / "runs", pictures=2)
    cut = Snapshots(tmp_path / "runs", tmp_path, lambda m: (m.doing, m.frame) == ("stream", 4))
    whole = record(run(config, cut, ["labels", "overlays", "probabilities"]))
    (part,) = cut.made
    (part / "saved" / "labels" / ".a.png.1.partial").write_bytes(b"half")
    resume(part)
    assert record(part) == whole
    plain = record(run(config.model_copy(update={"pictures": 0, "out": tmp_path / "plain"})))
    assert plain["frames.jsonl"] == whole["frames.jsonl"]


@pytest.mark.usefixtures("often")
def test_cut_twice(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """Once in the first evaluation, before any checkpoint; and again while it is continued."""
    cut = Snapshots(tmp_path / "runs", tmp_path, lambda m: m.doing == "evaluation" and m.visit < 0)
    whole = record(run(config_of("tent", tiny_checkpoint, tmp_path / "runs"), cut))
    part, told = cut.made[0], []

    def fall(moment: Moment) -> None:
        if moment.frame == 4 and moment.doing == "stream":
            raise RuntimeError("again")

    with pytest.raises(RuntimeError, match="again"):
        resume(part, fall, tell=told.append)
    resume(part, tell=told.append)
    assert "from the first frame of 6" in told[0]
    assert record(part) == whole
    status = json.loads((part / "status.json").read_text())
    assert [each["from_frame"] for each in status["parts"]] == [0, 0, 2]


@pytest.fixture(scope="module")
def cut_run(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run cut in its last visit, with two checkpoints."""
    place = tmp_path_factory.mktemp("cut")
    wanted = Snapshots(place / "runs", place, lambda m: m.frame == 6 and m.doing == "stream")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pace, "due", lambda self, *, visit_ended: True)
        run(config_of("source_only", tiny_checkpoint, place / "runs"), wanted)
    return wanted.made[0]


class TestBadInput:
    """One clear line, and nothing is changed."""

    @pytest.fixture
    def part(self, cut_run: Path, tmp_path: Path) -> Path:
        return Path(shutil.copytree(cut_run, tmp_path / "part"))

    def refuse(self, folder: Path, message: str) -> None:
        before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        with pytest.raises(InputError, match=message) as caught:
            resume(folder)
        assert "\n" not in str(caught.value)
        assert "To fix: " in str(caught.value)
        after = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        after.pop(folder / ".lock", None)
        before.pop(folder / ".lock", None)
        assert after == before

    def change(self, path: Path, **changes) -> None:
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    def test_a_damaged_checkpoint_is_passed_over(self, part: Path) -> None:
        older, last = sorted((part / "checkpoints").iterdir())
        data = bytearray(last.read_bytes())
        data[len(data) // 2] ^= 1
        last.write_bytes(data)
        told: list[str] = []
        resume(part, tell=told.append)
        assert "its digest differs from the one in its name; the checkpoint before" in told[0]
        assert len(record(part)["frames.jsonl"]) == 6
        assert not older.exists()

    def test_all_checkpoints_damaged(self, part: Path) -> None:
        for path in (part / "checkpoints").iterdir():
            path.write_bytes(path.read_bytes()[:-5])
        self.refuse(part, "expected a whole checkpoint, got damaged ones")

    def test_a_checkpoint_of_another_run(self, part: Path) -> None:
        self.change(part / "status.json", run="0" * 32)
        self.refuse(part, "expected a checkpoint of this run, got one of another run")

    def test_a_run_of_another_version(self, part: Path) -> None:
        self.change(part / "status.json", version="0.0.1")
        self.refuse(part, r"expected a run of driftseg 0\.1\.0, got one of 0\.0\.1")

    def test_a_run_of_a_later_format(self, part: Path) -> None:
        self.change(part / "status.json", format=99)
        self.refuse(part, "expected run format 1 or older, got 99")

    def test_a_damaged_status(self, part: Path) -> None:
        (part / "status.json").write_text('{"state": "runn')
        self.refuse(part, r"expected the status of a run, got a damaged file")

    def test_other_weights(self, part: Path) -> None:
        self.change(part / "environment.json", weights_digest="0" * 12)
        self.refuse(part, "expected what the run began with, got another weights_digest")

    def test_other_data(self, part: Path) -> None:
        data = json.loads((part / "environment.json").read_text())["data"]
        data["target"]["digest"] = "0" * 12
        self.change(part / "environment.json", data=data)
        self.refuse(part, "expected what the run began with, got another data of target")

    def test_no_run_at_all(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="expected the folder of a run, got no folder"):
            resume(tmp_path / "gone")
        self.refuse(tmp_path, "expected a run, got another folder")

    def test_a_finished_run_is_left_alone(self, part: Path) -> None:
        resume(part)
        told: list[str] = []
        resume(part, tell=told.append)
        assert told == [f"{part}: is finished, with 6 frames; nothing is left to do"]
