"""Progress of a run on the terminal."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from driftseg.api.commands import Moment


class LiveWatch:
    """A progress bar with domain, frame, running mIoU, frames/s and whether the method learnt.

    Without a terminal it prints one line per visit.
    """

    def __init__(self, console: Console, title: str):
        self._console = console
        self._title = title
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(),
            TextColumn("{task.fields[facts]}"), console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task(title, total=None, facts="")
        self._last: Moment | None = None

    def __enter__(self) -> LiveWatch:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if self._last is not None and error is None:
            self._print(self._last)
        self._bar.stop()

    def __call__(self, moment: Moment) -> None:
        """Shows one moment."""
        if moment.doing == "evaluation":
            self._bar.update(self._task, facts=f"scoring held-out frames in {moment.domain} ...")
            return
        if self._last is not None and self._last.visit != moment.visit:
            self._print(self._last)
        self._last = moment
        self._bar.update(
            self._task, completed=moment.frame, total=moment.frames, facts=_facts(moment)
        )

    def _print(self, moment: Moment) -> None:
        self._console.print(
            f"{self._title}  frame {moment.frame:>4}/{moment.frames}  {_facts(moment)}",
            highlight=False, soft_wrap=True,
        )  # fmt: skip


def _facts(moment: Moment) -> str:
    score = "no labels " if moment.mean_iou is None else f"mIoU {moment.mean_iou:4.1f} %"
    trained = "learnt" if moment.trained else "not trained"
    speed = f"{moment.frames_per_second:4.1f} frames/s"
    return f"{moment.domain:<8} {score}  {speed}  {trained}"
