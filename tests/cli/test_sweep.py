"""driftseg sweep and tune without Ray: what they print, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from rich.console import Console

from driftseg.cli.sweep import tell_outcome
from driftseg.cli.sweep_table import SweepTable


@pytest.fixture
def sweep_file(tiny_run: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of two runs; the working folder is the test's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(tiny_run))
    path = tmp_path / "mine.yaml"
    grid = {"method.name": ["source_only", "tent"], "seed": [0, 1]}
    path.write_text(yaml.safe_dump({"base": "base.yaml", "grid": grid}, sort_keys=False))
    return path


def test_a_dry_run_lists_and_estimates(driftseg, sweep_file: Path) -> None:
    done = driftseg("sweep", sweep_file, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "2 runs in sweeps/mine" in done.stdout
    assert "tent does not depend on the seed: 1 combination left out" in done.stdout
    assert "source_only  waiting      6 frames  about" in done.stdout
    assert "nothing was written" in done.stdout
    assert not Path("sweeps").exists()


@pytest.mark.parametrize(
    ("command", "change", "told"),
    [
        ("sweep", {"gird": {}}, "did you mean 'grid'?"),
        ("sweep", {"grid": {}}, "expected grid or runs, got neither"),
        ("sweep", {"grid": {"method.name": ["dasc"]}}, "dasc"),
        ("tune", {"trials": 3}, "expected"),
    ],
)
def test_mistakes_are_one_line(
    driftseg, sweep_file: Path, command: str, change: dict, told: str
) -> None:
    sweep_file.write_text(yaml.safe_dump({**yaml.safe_load(sweep_file.read_text()), **change}))
    done = driftseg(command, sweep_file)
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not Path("sweeps").exists()
    assert not Path("studies").exists()


def row(label: str, state: str, frames: int = 0, **more: object) -> SimpleNamespace:
    progress = SimpleNamespace(
        frames=frames, total=9, mean_iou=41.5 if frames else None,
        seconds_left=75.0 if state == "running" and frames else None,
    )  # fmt: skip
    facts = {"reason": "", "known": False, **more}
    return SimpleNamespace(key=label, label=label, state=state, progress=progress, **facts)


ROWS = [row("dacs s0", "running", 3), row("dacs s1", "waiting"), row("tent", "failed", 2),
        row("source_only", "finished", 9, known=True)]  # fmt: skip


def test_without_a_terminal_changes_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with SweepTable(Console(width=100)) as table:
        table(ROWS)
        table(ROWS)
    assert capsys.readouterr().out.splitlines() == [
        "running  dacs s0: frame 3/9, mIoU 41.5 %, 1:15 min left",
        "failed   tent: frame 2/9, mIoU 41.5 %",
        "finished before this command source_only: frame 9/9, mIoU 41.5 %",
    ]


def test_in_a_terminal_there_is_a_table() -> None:
    console = Console(force_terminal=True, width=100, height=30, record=True, color_system=None)
    with SweepTable(console) as table:
        table(ROWS)
        console.print(table._table(ROWS))
    text = console.export_text()
    assert "1 running, 1 failed, 1 waiting, 1 finished; about" in text
    assert "1:15 min" in text
    small = Console(force_terminal=True, width=100, height=8, record=True, color_system=None)
    many = [row(f"run {number}", "waiting") for number in range(20)]
    small.print(SweepTable(small)._table(many))
    assert "16 more runs are not shown" in small.export_text()


def test_failures_are_told_with_their_last_lines(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row("dacs s0", "failed", reason="Traceback\nValueError: x"), ROWS[-1]]
    outcome = SimpleNamespace(rows=rows, lines=[], numbers=Path("n.csv"), report=None,
                              failed=rows[:1])  # fmt: skip
    tell_outcome(Console(width=100), outcome)
    assert capsys.readouterr().out.splitlines() == [
        "failed: dacs s0", "  Traceback", "  ValueError: x",
        "1 failed, 1 finished (1 before this command)", "numbers: n.csv",
        "to run failed runs again, give the same command",
    ]  # fmt: skip
