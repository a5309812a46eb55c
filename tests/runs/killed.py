"""Runs in processes of their own, which something ends."""

from __future__ import annotations

import importlib
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from driftseg.cli.main import entry
from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.runs import checkpoints, status, whole
from driftseg.runs.interruption import RunInterrupted
from driftseg.runs.loop import Moment
from driftseg.runs.resuming import resume
from driftseg.runs.run import run


def started(context: ForkServerContext, target, *arguments) -> BaseProcess:
    process = context.Process(target=target, args=arguments)
    process.start()
    return process


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_frame(number: int, end: Callable[[], None] = die) -> Callable[[Moment], None]:
    return lambda moment: end() if (moment.doing, moment.frame) == ("stream", number) else None


def in_evaluation(moment: Moment) -> None:
    if moment.doing == "evaluation" and moment.visit == 1:
        die()


def is_checkpoint(path: object, number: int) -> bool:
    return f"{number:06d}_frame_" in str(path)


def half_a_checkpoint() -> None:
    """Dies when half of the second checkpoint is on the disk."""
    write = whole.write_whole

    def half(path: Path, data: bytes, **how: bool) -> None:
        if is_checkpoint(path, 2):
            path.with_name(f".{path.name}.1.partial").write_bytes(data[: len(data) // 2])
            die()
        write(path, data, **how)

    checkpoints.write_whole = half


def before_the_rename() -> None:
    """Dies when the second checkpoint is written and not yet in its place."""
    rename = os.replace

    def replace(source: Path, target: Path) -> None:
        if is_checkpoint(target, 2):
            die()
        rename(source, target)

    os.replace = replace  # type: ignore[assignment]


def before_the_oldest_is_removed() -> None:
    """Dies when the third checkpoint is in its place, beside both others."""
    write = whole.write_whole

    def then_die(path: Path, data: bytes, **how: bool) -> None:
        write(path, data, **how)
        if is_checkpoint(path, 3):
            die()

    checkpoints.write_whole = then_die


def between_two_files() -> None:
    """Dies at the end: environment.json says what a finished run does, status.json not yet."""
    write = status.Status.write

    def then_die(self: status.Status, folder: Path, **how: bool) -> None:
        if self.state == "finished":
            die()
        write(self, folder, **how)

    status.Status.write = then_die  # type: ignore[method-assign]


def no_room_for_a_checkpoint() -> None:
    """From now on no file may grow beyond 20 kB, as if the disk were full there."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))


def no_room_for_a_line(out: Path) -> Callable[[], None]:
    """From now on frames.jsonl may grow by 100 bytes, which is no whole line."""

    def limit() -> None:
        (lines,) = out.glob("*/frames.jsonl")
        room = lines.stat().st_size + 100
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))

    return limit


def ask(number: int, times: int = 1) -> Callable[[], None]:
    def end() -> None:
        for _ in range(times):
            os.kill(os.getpid(), number)

    return end


def run_until(values: dict, how: str) -> None:
    """Runs in this process, which ends as ``how`` says; exit codes are those of the command."""
    torch.set_num_threads(1)
    sys.stderr = sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for as long as we live
    config = check(values, RunConfig, where="test")
    due = how != "no_room_for_a_line"
    checkpoints.Pace.due = lambda self, *, visit_ended: due  # type: ignore[method-assign]
    watch = at_frame(0)
    if how in PREPARED:
        PREPARED[how]()
    elif how == "no_room_for_a_line":
        watch = at_frame(4, no_room_for_a_line(config.out))
    else:
        watch = WATCHED[how]
    end(lambda: run(config, watch))


def resume_at(folder: Path, number: int) -> None:
    """Continues a run until a frame, and waits there."""
    torch.set_num_threads(1)
    end(lambda: resume(folder, at_frame(number, signal.pause)))


def begin_together(place: Path, number: int, config: Path) -> None:
    """``driftseg run --resume`` that begins when another one has looked for a run, too."""
    torch.set_num_threads(1)
    running = importlib.import_module("driftseg.runs.run")
    build = running.build

    def together(config: RunConfig) -> object:
        parts = build(config)  # both have looked by now, and found none
        (place / f"{number}").touch()
        while len(list(place.glob("?"))) < 2:
            time.sleep(0.001)
        return parts

    running.build = together  # type: ignore[attr-defined]
    os.environ["NO_COLOR"] = "1"
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for as long as we live
    sys.stderr = (place / f"{number}.txt").open("w")
    sys.argv = ["driftseg", "run", str(config), "--resume"]
    entry()


def end(what: Callable[[], object]) -> None:
    try:
        what()
    except InputError:
        sys.exit(2)
    except RunInterrupted as error:
        sys.exit(128 + error.number)
    sys.exit(0)


PREPARED = {
    each.__name__: each
    for each in (
        half_a_checkpoint, before_the_rename, before_the_oldest_is_removed, between_two_files,
    )
}  # fmt: skip
WATCHED = {
    "at_a_frame": at_frame(3),
    "in_an_evaluation": in_evaluation,
    "no_room_for_a_checkpoint": at_frame(3, no_room_for_a_checkpoint),
    "ctrl_c": at_frame(3, ask(signal.SIGINT)),
    "terminated": at_frame(4, ask(signal.SIGTERM)),
    "terminated_twice": at_frame(4, ask(signal.SIGTERM, 2)),
}
