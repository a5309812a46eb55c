"""Live progress of a training."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from driftseg.cli.texts import duration

if TYPE_CHECKING:
    from driftseg.api.commands import Progress as Step

SECONDS = 10.0
"""Seconds between two lines, if output is not a terminal."""


class TrainWatch:
    """A progress bar. If output is not a terminal, a line every ten seconds.

    Args:
        console: where to print.
        clock: returns seconds.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic):
        self._console = console
        self._clock = clock
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TextColumn("{task.fields[facts]}"), TimeRemainingColumn(), console=console,
            disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("main", total=None, facts="")
        self._phase = ""
        self._begun = (0, 0.0)
        """First step seen in the phase, and its time."""
        self._last = float("-inf")

    def begin(self, continues: str | None) -> None:
        """Starts the bar, after the data is read and the model is made."""
        if continues is not None:
            self._print(continues)
        self._bar.start()

    def __enter__(self) -> TrainWatch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._bar.stop()

    def __call__(self, step: Step) -> None:
        """Shows one step."""
        facts = f"loss {step.loss:.3f}  {step.images_per_second:.1f} images/s"
        if step.unlabelled:
            facts += f"  {step.unlabelled} batches without labelled pixels"
        self._bar.update(
            self._task, completed=step.step, total=step.steps, description=step.phase, facts=facts
        )
        now = self._clock()
        if step.phase != self._phase:
            self._phase, self._begun, self._last = step.phase, (step.step, now), float("-inf")
        if not self._console.is_terminal and now - self._last >= SECONDS:
            self._last = now
            self._print(f"{step.phase} step {step.step}/{step.steps}: {facts}{self._left(step)}")
        if step.mean_iou is not None:
            self._print(
                f"{step.phase} step {step.step}: validation mIoU {step.mean_iou:.2f} %"
                f" (best {step.best or 0:.2f})"
            )

    def _left(self, step: Step) -> str:
        """An estimate from the steps seen so far."""
        first, then = self._begun
        if step.step <= first:
            return ""
        each = (self._clock() - then) / (step.step - first)
        return f"  {duration((step.steps - step.step) * each)} left"

    def _print(self, line: str) -> None:
        self._bar.console.print(line, highlight=False, soft_wrap=True, markup=False)
