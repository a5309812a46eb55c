"""What the commands do, as functions; the command line parses for them and prints."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from driftseg.api.adapting import load_dataset
from driftseg.api.finding import FoundRun, gather
from driftseg.api.models import load_model
from driftseg.config.reading import apply_change, check, read_config
from driftseg.config.run import RunConfig
from driftseg.config.train import TrainConfig
from driftseg.control.detectors import DetectorSettings
from driftseg.errors import InputError
from driftseg.models.checkpoints import Inspection, LoadReport
from driftseg.models.checkpoints import inspect as inspect_checkpoint
from driftseg.report.numbers import write_numbers
from driftseg.report.page import write_report
from driftseg.runs.build import build, calibrated
from driftseg.runs.finding import finished_run, unfinished_runs
from driftseg.runs.loop import Moment, Watch, score_domains
from driftseg.runs.record import plain, read_run
from driftseg.runs.remarks import Remarks
from driftseg.runs.resuming import resume as resume_run
from driftseg.runs.run import run as play_run
from driftseg.runs.run import untold, unwatched
from driftseg.runs.train import build_training, use_threads
from driftseg.runs.train_rehearsal import TrainRehearsal, rehearse_training
from driftseg.saving.saver import check_kinds
from driftseg.training.processes import joined
from driftseg.training.recipe import Interrupted, Progress
from driftseg.training.stopping import Stopping

Config = TypeVar("Config", bound=BaseModel)
Given = str | Path | Mapping[str, Any]
"""A config: a YAML file, plain values, or checked settings."""

__all__ = [
    "Evaluation", "Interrupted", "LoadReport", "Moment", "Progress", "TrainRehearsal", "Trained",
    "calibrate", "changed", "check_kinds", "evaluate", "inspect", "load_dataset", "load_model",
    "plain", "read", "rehearse_train", "report", "run", "train", "use_threads",
]  # fmt: skip


def read(
    config: Given | Config,
    kind: type[Config],
    changes: Sequence[str] = (),
    data: str | Path | None = None,
) -> Config:
    """Checked settings from a file, from plain values, or from settings themselves.

    Raises:
        InputError: a key or a value is wrong; one line names it and the way out.
    """
    if isinstance(config, kind):
        if changes or data is not None:
            raise InputError(
                "expected a config that is not checked yet, got checked settings with changes or "
                "data. To fix: give the config as a file or as plain values"
            )
        return config
    folder = None if data is None else Path(data)
    if isinstance(config, Mapping):
        return check(config, kind, where="config", changes=changes, data=folder)
    assert isinstance(config, str | Path)
    return read_config(Path(config), kind, changes=changes, data=folder)


def changed(values: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Values with ``key.sub=value`` changes applied; the value is YAML."""
    for change in changes:
        apply_change(values, change)
    return values


def run(
    config: Given | RunConfig,
    *,
    changes: Sequence[str] = (),
    data: str | Path | None = None,
    watch: Watch | None = None,
    save: Collection[str] = (),
    again: bool = False,
    resume: bool = False,
    digest_contents: bool = False,
    tell: Callable[[str], None] | None = None,
    tags: Sequence[str] = (),
    note: str | None = None,
) -> Path:
    """Plays one method through one schedule (``driftseg run``).

    A run of the same config that is finished already is not repeated; its folder is returned.

    Args:
        config: a YAML file, plain values, or a `RunConfig`.
        changes: ``key.sub=value`` each, as ``--set``.
        data: folder of every data section that takes one and names none.
        watch: called after every frame and evaluation with a `Moment`.
        save: some of ``labels``, ``overlays``, ``video``, ``probabilities``: kept of every frame
            in the run's folder, below ``saved``, in the classes that are scored (probabilities in
            the model's own).
        again: repeat a run that is finished, in a new folder.
        resume: continue an interrupted run of the same config, if there is one. If two processes
            ask for this at the same moment, one runs and the other raises an InputError.
        digest_contents: record a digest of what is in the files of data, too.
        tell: called with lines that a person should read.
        tags: words to find the run by (`find_runs`); they are no part of the config.
        note: a text to keep with the run.

    Returns:
        The run's folder.

    Raises:
        InputError: the config, the data or the checkpoint cannot be used.
        RunInterrupted: a KeyboardInterrupt, by Ctrl-C or SIGTERM: the frame in progress was
            finished, and `resume` continues.
    """
    remarks = Remarks().tagged(tags)
    remarks = remarks if note is None else remarks.noted(note)
    settings = read(config, RunConfig, changes, data)
    told = untold if tell is None else tell
    check_kinds(save)
    known = None if again else finished_run(settings, save)
    if known is not None:
        told(f"this run is finished already: {known}; to repeat it, ask for it again (--again)")
        return known
    others = unfinished_runs(settings, save)
    if resume and others:
        return resume_run(others[0][0], watch or unwatched, tell=told)
    for folder, part in others[:1]:
        told(f"{folder} holds this run, not finished ({part}); driftseg resume continues it")
    return play_run(
        settings, watch or unwatched, save, tell=told, digest_contents=digest_contents,
        remarks=remarks, alone=resume,
    )  # fmt: skip


@dataclass(frozen=True)
class Evaluation:
    """Scores of a checkpoint on held-out frames."""

    rows: Sequence[Mapping[str, Any]]
    """One a domain and head: ``domain``, ``head``, ``frames``, ``mean_iou``, ``iou``, ..."""
    classes: tuple[str, ...]
    checkpoint: str
    frames: Mapping[str, int]
    """Number of held-out frames of each domain."""
    notes: tuple[str, ...]


def evaluate(
    config: Given, *, changes: Sequence[str] = (), data: str | Path | None = None
) -> Evaluation:
    """Scores a config's checkpoint in every domain, without adapting (``driftseg evaluate``).

    Arguments are those of `run`.

    Raises:
        InputError: as `run`, or there are no held-out frames.
    """
    still = [*changes, "method={name: source_only}", "source=null"]
    settings = read(config, RunConfig, still, data)
    if settings.adapters is not None and settings.adapters.file is None:
        settings = settings.model_copy(update={"adapters": None})  # untrained ones add nothing
    if settings.evaluation is None and not settings.evaluations:
        where = config if isinstance(config, str | Path) else "config"
        raise InputError(
            f"{where}: expected held-out frames, got none. To fix: set evaluation or evaluations"
        )
    parts = build(settings)
    try:
        rows = score_domains(parts, lambda moment: None)
    finally:
        parts.data.close()
    frames = {name: len(held_out) for name, (held_out, _) in parts.held_out.items()}
    info = parts.checkpoint
    return Evaluation(rows, parts.label_space.classes, info.path, frames, info.notes)


@dataclass(frozen=True)
class Trained:
    """What came of a source training."""

    best: Path
    """The checkpoint chosen by validation, or the last one."""
    mean_iou: float
    """Its validation mIoU in percent."""


def train(
    config: Given | TrainConfig,
    *,
    changes: Sequence[str] = (),
    data: str | Path | None = None,
    watch: Callable[[Progress], None] | None = None,
    loaded: Callable[[Sequence[LoadReport]], None] | None = None,
    begin: Callable[[str | None], None] | None = None,
    stopping: Callable[[], None] | None = None,
) -> Trained:
    """Trains a source model on labelled scenes (``driftseg train``).

    An interrupted training continues where it stopped when it is called again. A finished one
    continues when ``steps`` or ``early_head_steps`` has grown. Under torchrun each process trains
    on its share of every batch, and only the first one calls back.

    The first SIGINT or SIGTERM ends the training after the step in progress.

    Args:
        config: a YAML file, plain values, or a `TrainConfig`.
        changes: ``key.sub=value`` each, as ``--set``.
        data: folder of every data section that takes one and names none.
        watch: called now and then with a `Progress`.
        loaded: called once with what became of every file of weights.
        begin: called before the first step, with where an earlier training continues, or None.
        stopping: called when the first signal comes.

    Raises:
        InputError: anything in the config that cannot be met.
        KeyboardInterrupt: a signal came; the state after the last whole step is on disk.
    """
    settings = read(config, TrainConfig, changes, data)
    with joined(settings.device) as processes:
        training, reports = build_training(settings, processes)
        if not processes.first:
            watch = loaded = begin = stopping = None
        if loaded is not None:
            loaded(reports)
        if begin is not None:
            begin(training.continues)
        with Stopping(stopping, patient=processes.several) as stop:
            best = training.run(watch or (lambda progress: None), lambda: stop.number)
    return Trained(settings.out / "best.safetensors", best)


def rehearse_train(
    config: Given | TrainConfig,
    *,
    changes: Sequence[str] = (),
    data: str | Path | None = None,
) -> TrainRehearsal:
    """What a training would be, tried on two steps (``driftseg train --dry-run``).

    Arguments are those of `train`. Nothing is written.

    Raises:
        InputError: anything in the config that cannot be met.
    """
    settings = read(config, TrainConfig, changes, data)
    with joined(settings.device) as processes:
        return rehearse_training(settings, processes)


def calibrate(
    config: Given, *, changes: Sequence[str] = (), data: str | Path | None = None
) -> dict[str, Any]:
    """What fits a model, learnt from held-out source frames (``driftseg calibrate``).

    Arguments are those of `run`.

    Returns:
        ``detector`` (window, thresholds, levels), ``signals``, ``confidence``, and ``checkpoint``
        with its ``notes``.

    Raises:
        InputError: as `run`, or the config names no calibration frames.
    """
    settings = read(config, RunConfig, changes, data)
    if settings.calibration is None:
        where = config if isinstance(config, str | Path) else "config"
        raise InputError(
            f"{where}: expected calibration frames, got none. To fix: set calibration.data to "
            "labelled source frames that the model was not trained on"
        )
    found, info = calibrated(settings)
    detector = settings.method.drift_detector or DetectorSettings()
    learnt = found.to_json(detector.longest_window)
    return {**learnt, "checkpoint": info.path, "notes": list(info.notes)}


def report(
    runs: Sequence[str | Path],
    out: str | Path | None = None,
    *,
    title: str | None = None,
    oracle: str | Path | None = None,
    numbers: str | Path | None = None,
    where: Iterable[str] = (),
    left_out: Callable[[Sequence[FoundRun]], None] | None = None,
) -> Path:
    """One page of one or several runs (``driftseg report``).

    Args:
        runs: folders of runs, or of many runs, of which the finished ones are taken; seeds of one
            config are shown as mean and spread. A run that is named and not finished is shown as
            far as it went, and marked so.
        out: the HTML file; None is ``report.html`` in the last folder that is named.
        title: heading of the page.
        oracle: folder of a run with the best scores to be had; shows what was recovered.
        numbers: also write the numbers: a .csv with a row a run, or a .md table over seeds.
        where: filters that choose among the runs, as of `find_runs`.
        left_out: called with the runs of folders that are not finished or not readable.

    Returns:
        The page.

    Raises:
        InputError: a folder is no run.
    """
    if not runs:
        raise InputError(
            "report: expected at least one run, got none. To fix: name the folders of finished runs"
        )
    gathered = gather(runs, where)
    read_runs = gathered.runs
    if left_out is not None:
        left_out(gathered.left_out)
    path = Path(runs[-1]) / "report.html" if out is None else Path(out)
    best = None if oracle is None else read_run(Path(oracle))
    write_report(read_runs, path, title=title, oracle=best)
    if numbers is not None:
        write_numbers(read_runs, Path(numbers))
    return path


def inspect(
    checkpoint: str | Path, *, role: str | None = None, weights: str | None = None
) -> Inspection:
    """What a checkpoint file holds (``driftseg inspect``); ``lines()`` tells it in sentences.

    Args:
        checkpoint: a file, a Hugging Face folder or hub id.
        role: which network of a training checkpoint.
        weights: which set of weights, where the file holds several.

    Raises:
        InputError: the file cannot be read.
    """
    return inspect_checkpoint(checkpoint, role=role, weights=weights)  # type: ignore[arg-type]
