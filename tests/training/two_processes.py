"""What two processes do for test_torchrun.py; torchrun starts it once for all of its tests.

    torchrun --nproc-per-node 2 two_processes.py JOBS

JOBS is a JSON file: a list of the arguments of `driftseg`, each with the process that gets SIGINT
in its n-th step, or null.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path

import torch
from torch import distributed as dist

from driftseg.cli.main import app
from driftseg.training.processes import begin, leave
from driftseg.training.step import Stepper

learn = Stepper.learn


def play(arguments: list[str], interrupt: list[int] | None) -> str:
    """How a command ended."""

    def interrupted(self, batch, number):
        if interrupt == [dist.get_rank(), number]:
            os.kill(os.getpid(), signal.SIGINT)
        return learn(self, batch, number)

    Stepper.learn = interrupted
    sys.argv = ["driftseg", *arguments]
    try:
        return f"code {app(arguments, standalone_mode=False)}"
    except BaseException as error:
        if not isinstance(error, ValueError | SystemExit):
            traceback.print_exc()
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    jobs = Path(sys.argv[1])
    torch.set_num_threads(1)
    begin("gloo")
    ends = [play(*job) for job in json.loads(jobs.read_text())]
    told = [None] * dist.get_world_size()
    dist.all_gather_object(told, ends)
    first = dist.get_rank() == 0
    if first:
        jobs.with_name("ends.json").write_text(json.dumps(told))
    leave()
    if first:
        left = [task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")]
        jobs.with_name("threads.json").write_text(json.dumps(left))
