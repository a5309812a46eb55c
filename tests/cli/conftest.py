"""The command, called in this process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from driftseg.cli.main import entry


@pytest.fixture
def driftseg(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs the command in this process; as ``process`` does in another."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        given = ["driftseg", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", given)
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            entry()
        code = end.value.code
        return subprocess.CompletedProcess(given, int(code or 0), *capsys.readouterr())

    return run
