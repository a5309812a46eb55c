"""driftseg sweep --dry-run: the runs of a sweep and an estimate of their time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from driftseg.api.sweeps import Expansion, SweepSettings


def rehearse(console: Console, settings: SweepSettings, found: Expansion) -> None:
    """Prints one line per run and an estimate of the total time. Writes nothing."""
    from driftseg.api import sweeps
    from driftseg.cli.texts import duration

    assert settings.out is not None

    def tell(line: str) -> None:
        console.print(line, soft_wrap=True, highlight=False, markup=False, style="dim")

    estimates = sweeps.estimate(settings.out, found.points, tell)
    width = max(len(each.label) for each in estimates)
    for each in estimates:
        done = f"{each.frames}/" if each.frames else ""
        left = f"  about {duration(each.seconds)}" if each.state != "finished" else ""
        console.print(
            f"{each.label:<{width}}  {each.state:<11}  {done}{each.total} frames{left}",
            soft_wrap=True, highlight=False, markup=False,
        )  # fmt: skip
    slots, seconds = sweeps.whole(estimates, settings)
    runs = "one run at a time" if slots == 1 else f"{slots} runs at a time"
    console.print(
        f"estimate: {duration(seconds)} with {runs} on this machine, from one timed frame of each "
        "config; nothing was written", soft_wrap=True, highlight=False,
    )  # fmt: skip
