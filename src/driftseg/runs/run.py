"""Runs one config and writes its folder."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Any

from driftseg.config.run import RunConfig
from driftseg.runs.adapting import own_code_told
from driftseg.runs.build import Parts, build
from driftseg.runs.checkpoints import Found, remove_checkpoints
from driftseg.runs.environment import environment
from driftseg.runs.finding import refuse_second
from driftseg.runs.interruption import Interruption, RunInterrupted, Stopped, Tell
from driftseg.runs.keeper import SAVED_LINES, Keeper
from driftseg.runs.keeping import CHECKPOINTS, keep_model
from driftseg.runs.label_free import measure, write
from driftseg.runs.loop import Watch, play
from driftseg.runs.pace_record import write_pace
from driftseg.runs.record import DEPENDS_ON_SEED, make_serial
from driftseg.runs.remarks import NO_REMARKS, Remarks, write_remarks
from driftseg.runs.seeds import depends_on_seed
from driftseg.runs.tracked import Recorder, TrackedWriter, tracked
from driftseg.runs.writing import RunWriter, new_record
from driftseg.saving.saver import Saver, check_kinds
from driftseg.trackers.table import check_installed


def unwatched(moment: object) -> None:
    """A watch that does nothing."""


def untold(line: str) -> None:
    """A tell that does nothing."""


def run(
    config: RunConfig,
    watch: Watch = unwatched,
    save: Collection[str] = (),
    *,
    tell: Tell = untold,
    digest_contents: bool = False,
    remarks: Remarks = NO_REMARKS,
    alone: bool = False,
) -> Path:
    """Plays one method through one schedule; returns the run's folder.

    The results that ``save`` names are kept of every frame in the run's folder ``saved``. Remarks
    are written before the first frame.

    After any end, records stay and the run can be continued (`driftseg.runs.resuming`), and cameras
    and files are closed. A run that fails before its first record leaves nothing.

    Args:
        config: of the run.
        watch: called after every frame and evaluation.
        save: what is kept of every frame.
        tell: hears what a person should know.
        digest_contents: whether the record says what is in the files of data, not only their
            names and sizes; they are read once more for that.
        remarks: tags and notes of a person, kept with the record.
        alone: whether to refuse where an unfinished run of this config is there, even if another
            process begins it at the same moment.

    Raises:
        InputError: the config, the data or the checkpoint cannot be used, or it is not alone.
        RunInterrupted: by Ctrl-C or SIGTERM; the frame in progress was finished.
    """
    check_kinds(save)
    check_installed(config.trackers or ())
    parts = build(config)
    try:
        writer = _new(config, parts, save, digest_contents=digest_contents, alone=alone)
        if remarks:
            write_remarks(writer.folder, remarks)
        return play_record(config, parts, writer, watch, save, tell=tell)
    finally:
        parts.data.close()


def play_record(
    config: RunConfig,
    parts: Parts,
    writer: RunWriter,
    watch: Watch,
    save: Collection[str],
    *,
    tell: Tell,
    found: Found | None = None,
) -> Path:
    """Runs into a record, from the beginning or from a checkpoint.

    Args:
        config: of the run.
        parts: made from it.
        writer: of its record.
        watch: called after every frame and evaluation.
        save: results of every frame to keep.
        tell: called with messages for a person.
        found: the checkpoint to continue from.
    """
    saver, fresh = None, len(writer.status.parts) == 1
    told: TrackedWriter | None = None
    try:
        with Interruption(tell) as stop:
            told = tracked(config, writer, parts.checkpoint.encoder)
            saver = _saver(config, parts, writer.folder / SAVED, save, found, fresh=fresh)
            keeper = Keeper(parts, writer, stop, saver)
            if found is not None:
                keeper.load(found.state)
            try:
                _play(config, parts, writer, told, watch, keeper, saver)
            except Stopped:
                keeper.write()
                raise
            return _finish(config, parts, writer, told, saver, tell)
    except Stopped:
        if told is not None:
            told.end("interrupted")
        if saver is not None:
            saver.abandon()
        number = stop.number or 0
        writer.interrupt(f"by signal {number}")
        status = writer.status
        raise RunInterrupted(
            writer.folder, frames=status.frames, total=status.total, number=number
        ) from None
    except BaseException as error:
        if told is not None:
            told.end("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
        if saver is not None:
            saver.abandon()
        if fresh and writer.empty:
            writer.discard()
        else:
            writer.interrupt(f"{type(error).__name__}: {error}".splitlines()[0])
        raise


def _play(
    config: RunConfig,
    parts: Parts,
    writer: RunWriter,
    told: Recorder,
    watch: Watch,
    keeper: Keeper,
    saver: Saver | None,
) -> None:
    if parts.calibration is not None:
        writer.calibration(parts.calibration.to_json(_longest_window(config)))
    with own_code_told(config.method, "its code"):
        play(
            parts, told, watch, pictures=config.pictures, keeper=keeper,
            diagnostics_every=config.diagnostics_every, saver=saver,
        )  # fmt: skip


def _finish(
    config: RunConfig,
    parts: Parts,
    writer: RunWriter,
    told: TrackedWriter,
    saver: Saver | None,
    tell: Tell,
) -> Path:
    if saver is not None:
        saver.close()
    if config.keep_checkpoint:
        keep_model(parts.model.roles.network, parts.checkpoint, writer.folder / CHECKPOINTS)
    found = measure(config, parts)
    if found is not None:
        write(writer.folder, found)
    pace = parts.pacing.told()
    if config.pace is not None and pace is not None:
        for line in write_pace(writer.folder, config.pace, pace, schedule_of(parts)):
            tell(line)
    folder = writer.finish(_skipped(parts) + _failed(parts) + told.end("finished"))
    remove_checkpoints(folder)
    return folder


SAVED = "saved"
"""Folder in a run for the results that ``save`` names."""


def _saver(
    config: RunConfig,
    parts: Parts,
    out: Path,
    kinds: Collection[str],
    found: Found | None,
    *,
    fresh: bool,
) -> Saver | None:
    """Saver for predictions in the classes of the run's label space."""
    if not kinds:
        return None
    there = (out / "frames.jsonl").is_file()
    lines = None if fresh or not there else 0 if found is None else found.lengths[SAVED_LINES]
    return Saver(
        out, kinds, classes=parts.label_space.classes, colours=parts.label_space.colours,
        title=config.method.name, facts={"run": config.name, "method": config.method.name},
        lines=lines,
    )  # fmt: skip


def _longest_window(config: RunConfig) -> int | None:
    detector = config.method.drift_detector
    return None if detector is None else detector.learnt_window


def _skipped(parts: Parts) -> list[str]:
    """The number of unreadable frames, then one note per frame."""
    every = parts.stream.skipped
    if not every:
        return []
    told = [f"frame {s.name} (visit {s.visit}) was skipped: {s.reason}" for s in every]
    return [f"{len(every)} of {len(parts.stream)} frames could not be read", *told]


def _failed(parts: Parts) -> list[str]:
    told = []
    if number := parts.model.guard.skipped:
        told.append(
            f"{number} steps were not made, for their loss was not finite: lower "
            "method.learning_rate, or train less of the network"
        )
    if number := parts.model.unlabelled_batches:
        told.append(f"{number} source batches held no labelled pixel; their loss is 0")
    return told


def _new(
    config: RunConfig, parts: Parts, save: Collection[str], *, digest_contents: bool, alone: bool
) -> RunWriter:
    values: dict[str, Any] = config.model_dump(mode="json")
    serial = make_serial(
        datetime.now(),
        source=config.source_name,
        target=config.name,
        method=config.method.name,
        head="mlp",
        encoder=parts.checkpoint.encoder,
        seed=config.seed,
        config=values,
    )
    return new_record(
        config.out,
        serial,
        config=values,
        environment=environment_of(config, parts, digest_contents=digest_contents),
        schedule=schedule_of(parts),
        classes=parts.label_space.classes,
        label_space=parts.label_space.name,
        colours=parts.label_space.colours,
        home=parts.home,
        scoring=parts.scoring,
        save=save,
        claim=(lambda: refuse_second(config, save)) if alone else lambda: None,
    )


def schedule_of(parts: Parts) -> list[dict[str, Any]]:
    """One row per visit, for the record."""
    return [
        {
            "visit": number,
            "domain": visit.domain,
            "direction": visit.direction,
            "weather": str(visit.conditions),
            "strength": visit.conditions.strength,
            "frames": parts.stream.frames_of(number),
        }
        for number, visit in enumerate(parts.visits)
    ]


def environment_of(
    config: RunConfig, parts: Parts, *, digest_contents: bool = False
) -> dict[str, Any]:
    """What the record keeps of where the run takes place."""
    told = environment(
        device=config.device,
        digest=parts.checkpoint.digest,
        checkpoint=_origin(config),
        data=parts.data.digests(contents=digest_contents),
        notes=parts.notes,
        adapters=None if config.adapters is None else config.adapters.file,
    )
    return {**told, DEPENDS_ON_SEED: depends_on_seed(config)}


def _origin(config: RunConfig) -> str:
    own = None if config.model is None else config.model.network
    return own or config.checkpoint or "bundled"
