"""Sweeps and tuning, as functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from driftseg.sweeps.choosing import Choice, Tuned, write_choices
from driftseg.sweeps.driving import Driver, SweepRun, drive, seconds_left
from driftseg.sweeps.expansion import Expansion, Point, expand, read_sweep
from driftseg.sweeps.outcome import TOLD, SweepGroup, Swept, write_outcome
from driftseg.sweeps.settings import SweepSettings, TuneSettings
from driftseg.sweeps.stopping import StopRule
from driftseg.sweeps.trying import Estimate, estimate, whole
from driftseg.sweeps.tuning import Tuner
from driftseg.sweeps.tuning import tune as tune_studies
from driftseg.sweeps.tuning_file import read_tuning

__all__ = [
    "TOLD", "Choice", "Estimate", "Expansion", "Point", "SweepGroup", "SweepRun", "SweepSettings",
    "Swept", "TuneSettings", "Tuned", "estimate", "expand", "read", "read_tuning", "seconds_left",
    "sweep", "tune", "whole",
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
    show: Callable[[Sequence[SweepRun]], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Swept:
    """Carries out all runs of a sweep file (``driftseg sweep``).

    Finished runs are not repeated, and interrupted runs continue. It needs the extra ``sweep``.

    Args:
        file: a YAML file (docs/experiments.md).
        out: the sweep's folder, in place of the file's.
        address: ``HOST:PORT`` of a Ray cluster, or ``auto``; None uses this machine alone.
        show: called with all runs, about twice a second.
        tell: called with lines that a person should read.

    Returns:
        All runs and their states, the report's page and the CSV file. A run that fails does not
        raise; it is in ``failed``.

    Raises:
        InputError: the file is wrong, the folder cannot be used, Ray is not installed, or no
            cluster is at the address.
        KeyboardInterrupt: Ctrl-C; every run has finished its frame, and the same call continues.
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


def tune(
    file: str | Path,
    *,
    out: str | Path | None = None,
    address: str | None = None,
    show: Callable[[Sequence[SweepRun]], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Tuned:
    """Tunes methods on a schedule that is not the reported one (``driftseg tune``).

    Finished trials are not repeated. It needs the extra ``tune``.

    Args:
        file: a YAML file (docs/experiments.md).
        out: the study's folder, in place of the file's.
        address: ``HOST:PORT`` of a Ray cluster, or ``auto``; None uses this machine alone.
        show: called with all runs of this call, about twice a second.
        tell: called with lines that a person should read.

    Returns:
        What both rules chose, and a config of each choice for `run`.

    Raises:
        InputError: as `sweep`; the tuning schedule is the reported one; or the study was begun
            with other settings.
        KeyboardInterrupt: as `sweep`.
    """
    settings = read_tuning(Path(file))
    if out is not None:
        settings = settings.model_copy(update={"out": Path(out)})
    tuner = Tuner(settings)
    rows = tune_studies(tuner, address=address, show=show or _unseen, tell=tell or _unheard)
    return write_choices(tuner, rows)


def _unseen(rows: Sequence[SweepRun]) -> None:
    """Nobody looks on."""


def _unheard(line: str) -> None:
    """Nobody listens."""
