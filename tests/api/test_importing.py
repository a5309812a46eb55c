"""What importing driftseg loads, and what it offers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import driftseg


def test_importing_it_is_quick_and_loads_nothing() -> None:
    code = (
        "import sys, driftseg; assert 'torch' not in sys.modules; print(driftseg.__version__);"
        "assert 'adapt' in dir(driftseg)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == driftseg.__version__


def test_every_public_name_is_there() -> None:
    for name in driftseg.__all__:
        assert getattr(driftseg, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'adaptt'"):
        _ = driftseg.adaptt
