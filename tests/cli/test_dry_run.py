"""driftseg run --dry-run: what a run would be, with nothing kept of it."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from driftseg.cli.main import app
from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.runs.build import build
from driftseg.runs.rehearsal import rehearse


def test_a_dry_run_tells_and_keeps_nothing(tiny_run, write_config, tmp_path: Path) -> None:
    config = write_config(tiny_run)
    before = sorted(tmp_path.rglob("*"))
    done = CliRunner().invoke(app, ["run", str(config), "--dry-run"])
    assert done.exit_code == 0, done.exception
    for word in ("frames ", "visits: ", "trained ", " tensors, ", "frame 2 ", "estimate "):
        assert word in done.output
    assert "no faults found; nothing was written" in done.output
    assert sorted(tmp_path.rglob("*")) == before


def test_its_numbers_are_the_runs(tiny_run) -> None:
    settings = check({**tiny_run, "method": {"name": "tent"}}, RunConfig, where="x")
    tried, parts = rehearse(settings), build(settings)
    assert tried.frames == len(parts.stream) == sum(frames for _, frames in tried.visits)
    assert [domain for domain, _ in tried.visits] == [visit.domain for visit in parts.visits]
    names = set(parts.model.roles.trainable)
    sizes = [
        p.numel() for n, p in parts.model.roles.network.module.named_parameters() if n in names
    ]
    assert tried.trained == (len(sizes), sum(sizes))
    assert all(timing.learnt for timing in tried.timings)
    parts.data.close()


def test_a_method_that_never_learns(tiny_run, write_config) -> None:
    config = write_config({**tiny_run, "method": {"name": "source_only"}})
    done = CliRunner().invoke(app, ["run", str(config), "--dry-run"])
    assert "trained     nothing" in done.output


def test_statistics_that_move_are_no_training(tiny_run, write_config) -> None:
    """The head alone has batch normalisation; layer norms have no statistics."""
    config = write_config({**tiny_run, "method": {"name": "norm_statistics"}})
    done = CliRunner().invoke(app, ["run", str(config), "--dry-run"])
    line = "trained     no weight; the statistics of 1 batch-norm layer follow the target"
    assert line in done.output
    assert "learnt" not in done.output
    assert "moved statistics" in done.output
    still = {"name": "norm_statistics"}
    tried = rehearse(check({**tiny_run, "method": still}, RunConfig, where="x"))
    assert tried.trained == (0, 0)
    assert tried.statistics == 1
    frames = sum(tried.held_out.values())
    assert tried.evaluation_seconds == (len(tried.visits) + 1) * frames * tried.scoring
    running = {"name": "tent", "norm_statistics": "running"}
    assert rehearse(check({**tiny_run, "method": running}, RunConfig, where="x")).trained[0] > 0


def test_what_cannot_be_met_is_told(tiny_run, write_config, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    changes = {
        "checkpoint": (
            str(tmp_path / "none.safetensors"),
            "expected a checkpoint file, got a path",
        ),
        "out": (str(tmp_path / "file" / "runs"), "out: expected a folder, got the file"),
    }
    for key, (value, told) in changes.items():
        config = write_config({**tiny_run, key: value})
        done = CliRunner().invoke(app, ["run", str(config), "--dry-run"])
        assert isinstance(done.exception, InputError)
        assert told in str(done.exception)


def test_what_is_to_be_saved_is_checked_first(write_config, tiny_run) -> None:
    config = str(write_config(tiny_run))
    for more in ([], ["--dry-run"]):
        done = CliRunner().invoke(app, ["run", config, "--save", "masks", *more])
        assert isinstance(done.exception, InputError)
        assert "got 'masks'" in str(done.exception) or "got masks" in str(done.exception)
