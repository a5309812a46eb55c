"""Sweeps and tuning, as functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from driftseg.sweeps.driving import Driver, Row, drive, seconds_left
from driftseg.sweeps.expansion import Expansion, Point, expand, read_sweep
from driftseg.sweeps.outcome import TOLD, Line, Outcome, write_outcome
from driftseg.sweeps.settings import SweepSettings
from driftseg.sweeps.stopping import StopRule

__all__ = [
    "TOLD", "Expansion", "Line", "Outcome", "Point", "Row", "SweepSettings", "expand", "read",
    "seconds_left", "sweep",
]  # fmt: skip


def read(file: str | Path, *, out: str | Path | None = None) -> tuple[SweepSettings, Expansion]:
    """A checked sweep file, and the runs that it means.

    Args:
        file: YAML.
        out: the sweep's folder, in place of the file's.

    Raises:
        InputError: the file, a key or a value is wrong.
    """
    settings = read_sweep(Path(file))
    if out is not None:
        settings = settings.model_copy(update={"out": Path(out)})
    return settings, expand(settings, str(file))


def sweep(
    file: str | Path,
    *,
    out: str | Path | None = None,
    address: str | None = None,
    show: Callable[[Sequence[Row]], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Outcome:
    """Carries out all runs of a sweep file (``driftseg sweep``); finished runs are not repeated.

    Args:
        file: YAML.
        out: the sweep's folder, in place of the file's.
        address: of an existing cluster of Ray; None uses this machine.
        show: called with all runs, about twice a second.
        tell: called with lines that a person should read.

    Returns:
        What came of all runs, with the report's page and the CSV.

    Raises:
        InputError: the file is wrong, the folder cannot be used, Ray is not installed, or no
            cluster is at the address. A run that fails does not raise.
    """
    settings, found = read(file, out=out)
    assert settings.out is not None
    stop = None if settings.stop is None else StopRule(settings.stop)
    driver = Driver(
        settings.out, settings, address=address, stop=stop, show=show or _unseen,
        tell=tell or _unheard,
    )  # fmt: skip
    with driver:
        for point in found.points:
            driver.add(point.key, point.label, point.config)
        drive(driver)
    rows = [driver.rows[point.key] for point in found.points]
    return write_outcome(settings.out, str(settings.name), found.points, rows)


def _unseen(rows: Sequence[Row]) -> None:
    """Nobody looks on."""


def _unheard(line: str) -> None:
    """Nobody listens."""
