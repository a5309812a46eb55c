"""A run in a process of its own: ``python -m driftseg.sweeps.process CONFIG``.

It is `driftseg run CONFIG --resume`, and it ends when the process that started it is gone: the
frame in progress is finished and a checkpoint is written. So no run goes on without its sweep.
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
    while os.read(0, 4096):  # nothing is ever sent; the end of it is the end of the parent
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
