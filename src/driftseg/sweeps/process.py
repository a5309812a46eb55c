"""A run in its own process: ``python -m driftseg.sweeps.process CONFIG``.

It is `driftseg run CONFIG --resume`. When the process that started it ends, it finishes the frame
in progress, writes a checkpoint and ends. So no run continues without its sweep.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

GRACE = 30.0
"""Seconds that a run has to finish its frame and to write a checkpoint."""


def _end_with_parent() -> None:
    while os.read(0, 4096):  # nothing is sent; the read ends when the parent ends
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(128 + signal.SIGTERM)


def main() -> None:
    """Runs the config that the command line names."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv = ["driftseg", "run", sys.argv[1], "--resume"]
    runpy.run_module("driftseg", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
