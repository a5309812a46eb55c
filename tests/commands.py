"""The command in this process: starting Python and loading torch takes most of a short command."""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch

from driftseg.cli.main import entry


def driftseg(folder: Path, *arguments: object) -> CompletedProcess[str]:
    """What ``driftseg`` with these arguments does in a folder.

    As in a process of its own, the folder's modules are found anew, the page is 200 wide and
    without colours, and what the command sets for all of Python is gone after it.
    """
    words = ["driftseg", *map(str, arguments)]
    out, told, code = io.StringIO(), io.StringIO(), 0
    importlib.invalidate_caches()
    _forget(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", words)
        patch.setattr(sys, "path", [str(folder), *sys.path])
        patch.setattr(sys, "dont_write_bytecode", True)
        patch.setenv("COLUMNS", "200")
        patch.setenv("NO_COLOR", "1")
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(told):
                entry()
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            torch.set_num_threads(1)
            _forget(folder)
    return CompletedProcess(words, code, out.getvalue(), told.getvalue())


def _forget(folder: Path) -> None:
    """Modules of the names that this folder has: another folder's may be loaded under them."""
    for path in folder.glob("*.py"):
        sys.modules.pop(path.stem, None)
