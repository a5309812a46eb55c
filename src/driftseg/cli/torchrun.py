"""Facts about torchrun for the command line, without torch."""

from __future__ import annotations

import os
import shlex
import sys


def launched() -> bool:
    """Whether torchrun has started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def prints() -> bool:
    """Whether this process prints: only the first of all processes does."""
    return not launched() or os.environ.get("RANK", "0") == "0"


def tells_errors() -> bool:
    """Whether this process prints errors: only the first on each machine does."""
    return not launched() or os.environ.get("LOCAL_RANK", "0") == "0"


def command_again() -> str:
    """The command line of this process, to repeat it."""
    own = shlex.join(["driftseg", *sys.argv[1:]])
    if not launched():
        return own
    here = os.environ.get("LOCAL_WORLD_SIZE", "1")
    if os.environ.get("WORLD_SIZE") != here:
        return f"torchrun, with its options as before, -m {own}"
    return f"torchrun --nproc-per-node {here} -m {own}"
