"""One run from its config to its folder."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Any

from driftseg.config.run import RunConfig
from driftseg.runs.adapting import own_code_told
from driftseg.runs.build import Parts, build
from driftseg.runs.keeping import CHECKPOINTS, keep_model
from driftseg.runs.loop import Watch, play
from driftseg.runs.record import RunWriter, environment, make_serial
from driftseg.runs.tracked import tracked
from driftseg.saving.saver import Saver, check_kinds
from driftseg.trackers.table import check_installed


def _unwatched(moment: object) -> None:
    """Nobody looks on."""


def run(config: RunConfig, watch: Watch = _unwatched, save: Collection[str] = ()) -> Path:
    """Plays one method through one schedule; returns the run's folder.

    What ``save`` names is kept of every frame in the folder ``saved`` of the run.

    Whatever goes wrong, no half-written run stays behind, and no camera or file stays open.

    Raises:
        InputError: the config, the data or the checkpoint cannot be used.
    """
    check_kinds(save)
    check_installed(config.trackers or ())
    parts = build(config)
    try:
        return _play(config, parts, watch, save)
    finally:
        parts.data.close()


def _play(config: RunConfig, parts: Parts, watch: Watch, save: Collection[str]) -> Path:
    writer = _writer(config, parts)
    saver = told = None
    try:
        told = tracked(config, writer, parts.checkpoint.encoder)
        saver = _saver(config, parts, writer.folder / SAVED, save) if save else None
        if parts.calibration is not None:
            writer.calibration(parts.calibration.to_json(_longest_window(config)))
        with own_code_told(config.method, "its code"):
            play(
                parts, told, watch, pictures=config.pictures,
                diagnostics_every=config.diagnostics_every, saver=saver,
            )  # fmt: skip
        if saver is not None:
            saver.close()
        if config.keep_checkpoint:
            keep_model(parts.model.roles.network, parts.checkpoint, writer.folder / CHECKPOINTS)
        notes = _skipped(parts) + _failed(parts)
        return writer.finish(notes + told.end("finished"))
    except BaseException as error:
        if told is not None:
            told.end("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
        if saver is not None:
            saver.abandon()
        writer.discard()
        raise


SAVED = "saved"
"""Folder of a run for what ``save`` asks for."""


def _saver(config: RunConfig, parts: Parts, out: Path, kinds: Collection[str]) -> Saver:
    """Of predictions as they are scored: in the classes of the run's label space."""
    return Saver(
        out, kinds, classes=parts.label_space.classes, colours=parts.label_space.colours,
        title=config.method.name, facts={"run": config.name, "method": config.method.name},
    )  # fmt: skip


def _longest_window(config: RunConfig) -> int | None:
    detector = config.method.drift_detector
    return None if detector is None else detector.learnt_window


def _skipped(parts: Parts) -> list[str]:
    """One note a frame that could not be read, after their number."""
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


def _writer(config: RunConfig, parts: Parts) -> RunWriter:
    values: dict[str, Any] = config.model_dump(mode="json")
    info = parts.checkpoint
    serial = make_serial(
        datetime.now(),
        source=config.source_name,
        target=config.name,
        method=config.method.name,
        head="mlp",
        encoder=info.encoder,
        seed=config.seed,
        config=values,
    )
    schedule = [
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
    return RunWriter(
        config.out,
        serial,
        config=values,
        environment=environment(
            device=config.device,
            digest=info.digest,
            checkpoint=_origin(config),
            data=parts.data.digests(),
            notes=parts.notes,
        ),
        schedule=schedule,
        classes=parts.label_space.classes,
        label_space=parts.label_space.name,
        colours=parts.label_space.colours,
        home=parts.home,
        scoring=parts.scoring,
    )


def _origin(config: RunConfig) -> str:
    own = None if config.model is None else config.model.network
    return own or config.checkpoint or "bundled"
