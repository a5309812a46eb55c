"""Small commands that say what there is."""

from __future__ import annotations

from typer.testing import CliRunner

import driftseg
from driftseg.cli.main import app

RUNNER = CliRunner()


def test_version() -> None:
    done = RUNNER.invoke(app, ["--version"])
    assert (done.exit_code, done.output) == (0, f"driftseg {driftseg.__version__}\n")


def test_completion_is_on() -> None:
    env = {"_DRIFTSEG_COMPLETE": "complete_bash", "COMP_WORDS": "driftseg cal", "COMP_CWORD": "1"}
    done = RUNNER.invoke(app, [], env=env, prog_name="driftseg")
    assert done.output.split() == ["calibrate"]
    assert "--show-completion" in RUNNER.invoke(app, ["--help"]).output
