"""Small commands that say what there is."""

from __future__ import annotations

import time
from importlib.metadata import EntryPoint

import pytest
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


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("methods", "tent             TENT: least entropy over the norms' weights and biases."),
        ("encoders", "mit_b1              A Mix Transformer; 2 2 2 2 blocks, 64 128 320 512 "),
        ("datasets", "town                Procedural streets; needs no files."),
    ],
)
def test_what_there_is(command: str, line: str) -> None:
    done = RUNNER.invoke(app, [command])
    assert done.exit_code == 0
    assert line in done.output
    started = time.process_time()
    RUNNER.invoke(app, [command])
    assert time.process_time() - started < 1


def test_parts_of_packages_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that cannot be imported, too, with the reason."""
    paths = {"mine": "driftseg.learners.tent:TentSettings", "broken": "no_such_package:Settings"}
    points = [EntryPoint(name, path, "driftseg.methods") for name, path in paths.items()]
    monkeypatch.setattr("driftseg.parts.entry_points", lambda group: points)
    done = RUNNER.invoke(app, ["methods"])
    assert done.exit_code == 0
    assert "mine             TENT" in done.output
    assert "expected an installed module, got no_such_package" in done.output


def test_methods_that_need_more_than_their_name_are_marked() -> None:
    lines = RUNNER.invoke(app, ["methods"]).output.splitlines()
    needs = {line.split()[0]: line.partition("[needs ")[2].rstrip("]") for line in lines}
    assert needs == {
        "source_only": "", "norm_statistics": "", "tent": "", "dacs": "source",
        "hamlet": "source, calibration", "replay_only": "source", "restyled_replay": "source",
        "alpha_bn": "", "eata": "", "sar": "", "rdumb": "", "cotta": "", "rmt": "", "roid": "",
        "rotta": "", "asr": "", "vida": "", "mic": "source",
        "auto": "source", "lae": "method.learner", "bank": "method.learner",
        "composed": "method.learner",
    }  # fmt: skip
