"""The examples in docstrings of public modules are true, and public names are what they say."""

from __future__ import annotations

import doctest
import inspect
import pkgutil
import subprocess
import sys
from importlib import import_module

import pytest

import driftseg

ROOMS = ("driftseg", "driftseg.methods", "driftseg.metrics", "driftseg.weather")


@pytest.mark.parametrize("name", ["driftseg", "driftseg.methods", "driftseg.weather"])
def test_examples_are_true(name: str) -> None:
    done = doctest.testmod(import_module(name))
    assert done.attempted > 1
    assert done.failed == 0


@pytest.mark.parametrize("name", ROOMS)
def test_every_public_name_is_there(name: str) -> None:
    room = import_module(name)
    assert len({*room.__all__}) == len(room.__all__)
    for public in room.__all__:
        found = getattr(room, public)
        assert inspect.ismodule(found) == (f"{name}.{public}" in ROOMS), public


def test_no_module_takes_the_place_of_a_public_name() -> None:
    """Python binds a module to its package when it is first loaded, whoever loads it."""
    modules = [m.name for m in pkgutil.walk_packages(driftseg.__path__, "driftseg.")]
    assert "driftseg.report.page" in modules
    code = (
        "import importlib, inspect, driftseg\n"
        f"for name in {[m for m in modules if not m.endswith('__main__')]}:\n"
        "    importlib.import_module(name)\n"
        f"for room in {list(ROOMS)}:\n"
        "    room = importlib.import_module(room)\n"
        "    for name in room.__all__:\n"
        "        found = getattr(room, name)\n"
        "        known = name in ('methods', 'metrics', 'weather')\n"
        "        assert known or not inspect.ismodule(found), name\n"
        "from driftseg import report\n"
        "assert callable(report)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
