"""Adaptation or prediction on a video, a folder or a camera, with saved results."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from driftseg.api.adapting import Labelled, adapt
from driftseg.api.drive_frames import check_shape, fitting, length_of, shrunk
from driftseg.api.exported import ExportedModel, load_exported
from driftseg.api.images import frames
from driftseg.api.models import Model, load_model
from driftseg.api.online import Answer, OnlineModel
from driftseg.errors import InputError
from driftseg.exporting.reading import is_exported
from driftseg.frame import Adaptation, Image
from driftseg.live.server import LivePage
from driftseg.runs.keeping import CHECKPOINTS
from driftseg.runs.keeping import keep_model as keep_adapted
from driftseg.saving.saver import Saver
from driftseg.saving.shots import Shot
from driftseg.scenes.addresses import masked
from driftseg.scenes.dataset import Dataset

MISSING = 0.05
"""Share of a video's frames that may be missing: headers of some containers are estimates."""
TRIED = 3
"""Number of frames after which the speed is printed."""
WITH_SOURCE, WITHOUT_SOURCE = "auto", "alpha_bn"
"""Default methods. alpha_bn changes no weight and keeps nothing of a frame."""


@dataclass(frozen=True)
class Drove:
    """Progress of a drive, and at its end the result."""

    frame: int
    """Number of finished frames."""
    frames: int | None
    """Number of frames of the drive; None for a camera."""
    method: str
    size: tuple[int, int]
    """(width, height) of the model's input."""
    frames_per_second: float
    """Speed of prediction and learning, over the last frames."""
    learnt: bool
    """Whether the method learnt from the last frame."""
    out: Path | None = None
    saved: Mapping[str, int] = field(default_factory=dict)
    """Number of saved results of each kind."""


Watch = Callable[[Drove], None]


def drive(
    source: str | Path | int,
    model: Model | str | Path | None = None,
    *,
    method: str | Mapping[str, Any] | None = None,
    labelled: Dataset | Labelled | None = None,
    learn: bool = True,
    backend: str | None = None,
    save: Collection[str] = (),
    out: str | Path | None = None,
    keep_model: bool = False,
    size: tuple[int, int] | None = None,
    start: int = 0,
    stop: int | None = None,
    every: int = 1,
    watch: Watch | None = None,
    live: LivePage | None = None,
    **settings: Any,
) -> Drove:
    """Predicts and adapts on a video, folder or camera, and saves results (``driftseg adapt``).

    Args:
        source: as of ``driftseg.frames``.
        model: as of ``driftseg.load_model``; with ``learn=False`` also an exported .onnx or .xml
            file.
        method: as of ``driftseg.adapt``; None is ``auto`` with labelled source images
            and ``alpha_bn`` without.
        labelled: labelled source images, as ``source`` of ``driftseg.adapt``.
        learn: whether the method learns; False only predicts (``driftseg predict``).
        backend: the runtime of an exported file, as of ``driftseg.load_exported``.
        save: some of ``labels``, ``overlays``, ``video``, ``probabilities``.
        out: a new folder for the results; None saves nothing.
        keep_model: whether the adapted model is saved at the end, in ``checkpoints`` of ``out``;
            ``load_model`` and ``export`` take it.
        size: (width, height) to shrink frames to; None shrinks the longer side to 1024 pixels.
        start: first frame.
        stop: frame after the last one; None is the end.
        every: use every n-th frame.
        watch: called after every frame.
        live: a local page that shows the drive; it ends with the drive.
        settings: of the method, as of ``driftseg.adapt``.

    Returns:
        The result of the drive.

    Raises:
        InputError: an argument or a frame cannot be used; finished results stay.
    """
    with _shown(live):
        return _drive(
            source, model, method, labelled, learn, save, out, keep_model, size, start, stop,
            every, watch, live, backend, settings,
        )  # fmt: skip


@contextmanager
def _shown(live: LivePage | None) -> Iterator[None]:
    """The page says how a drive ended, whatever ended it."""
    end = ("ended", "the drive has ended; this is its last frame")
    try:
        yield
    except KeyboardInterrupt:
        end = ("stopped", "the drive was stopped; this is its last frame")
        raise
    except BaseException as error:
        end = ("failed", f"the drive has failed: {error}")
        raise
    finally:
        if live is not None:
            live.end(*end)


def _drive(
    source: str | Path | int,
    model: Model | str | Path | None,
    method: str | Mapping[str, Any] | None,
    labelled: Dataset | Labelled | None,
    learn: bool,
    save: Collection[str],
    out: str | Path | None,
    keep: bool,
    size: tuple[int, int] | None,
    start: int,
    stop: int | None,
    every: int,
    watch: Watch | None,
    live: LivePage | None,
    backend: str | None,
    settings: Mapping[str, Any],
) -> Drove:
    _check_out(save, keep, out, learn)
    names, total, rate = length_of(source, start, stop, every)
    stream = frames(source, start=start, stop=stop, every=every)
    first = next(stream, None)
    if first is None:
        raise InputError(
            f"{masked(str(source))}: expected frames between start={start} and stop={stop}, got "
            "none. To fix: give other values of start and stop"
        )
    chosen = _method(method, labelled, learn)
    ready: Model | ExportedModel
    adapter: OnlineModel | ExportedModel
    if not learn and isinstance(model, str | Path) and (backend or is_exported(model)):
        ready = adapter = load_exported(model, backend=backend)
        size = size or ready.size
    else:
        ready = load_model(model)
        adapter = adapt(ready, chosen, source=labelled, **settings)
    shown = size or fitting(first.shape[1], first.shape[0])
    title = chosen if isinstance(chosen, str) else str(chosen.get("name"))
    saver = None
    if out is not None:
        saver = Saver(
            Path(out), save, classes=ready.classes, colours=ready.colours,
            frames_per_second=rate / every, title=title,
            facts={"source": masked(str(source)), "method": title, "size": list(shown)}
            | ({"backend": ready.backend} if isinstance(ready, ExportedModel) else {}),
        )  # fmt: skip
    if live is not None:
        live.begin(
            title=title, source=masked(str(source)), classes=ready.classes,
            colours=ready.colours, frames=total,
        )  # fmt: skip
    takers: list[Callable[[Shot], None]] = [] if saver is None else [saver.put]
    if live is not None:
        takers.append(live.show)
    drive_ = _Drive(adapter, takers, title, total, shown, Path(out) if out is not None else None)
    try:
        for index, image in enumerate(_all(first, stream)):
            name = names[index] if names is not None else f"{start + index * every:06d}"
            check_shape(name, image, first, given=size is not None)
            state = drive_.step(index, name, image)
            if watch is not None:
                watch(state)
    finally:
        model_kept = {}
        if keep and out is not None and isinstance(ready, Model):
            keep_adapted(ready.network, ready.info, Path(out) / CHECKPOINTS)
            model_kept = {"model": 1}
        saved = {**({} if saver is None else saver.close()), **model_kept}
    done = drive_.ended(saved)
    check_whole(done, source)
    return done


def _check_out(save: Collection[str], keep: bool, out: str | Path | None, learn: bool) -> None:
    if (save or keep) and out is None:
        raise InputError(
            f"{'save' if save else 'keep_model'}: expected a folder for the results, got none. To "
            "fix: name a new folder by out"
        )
    if keep and not learn:
        raise InputError(
            "keep_model: expected a method that learns, got predictions without learning. To fix: "
            "leave out keep_model, or use adapt"
        )


class _Drive:
    """What is done with every frame."""

    def __init__(
        self,
        adapter: OnlineModel | ExportedModel,
        takers: Sequence[Callable[[Shot], None]],
        title: str,
        total: int | None,
        size: tuple[int, int],
        out: Path | None,
    ):
        self._adapter, self._takers, self._title = adapter, takers, title
        self._total, self._size, self._out = total, size, out
        self._times: list[float] = []
        self._done = 0
        self._learnt = False

    def step(self, index: int, name: str, image: Image) -> Drove:
        """Predicts, learns, and hands over what is to be kept."""
        seen = shrunk(image, self._size, name)
        started = time.perf_counter()
        answer = self._adapter.predict(seen)
        adaptation = self._adapter.learn()
        self._times.append(time.perf_counter() - started)
        self._done, self._learnt = index + 1, adaptation.trained
        if self._takers:
            shot = self._shot(index, name, image, answer, adaptation)
            for take in self._takers:
                take(shot)
        return self._told({})

    def _shot(self, index: int, name: str, image: Image, answer: Answer, done: Adaptation) -> Shot:
        state = self._adapter.state()
        facts = {
            "predict_ms": state.predict_ms, "learn_ms": state.learn_ms, "signal": state.signal,
            "event": done.event, "trained": done.trained, "learns": list(state.learns),
            "skipped": state.skipped, "confidence": answer.mean_confidence,
            "frames_per_second": self._speed(),
        }  # fmt: skip
        return Shot(index, name, image, answer.label, facts, answer.probabilities)

    def _speed(self) -> float:
        recent = self._times[-10:]
        return len(recent) / max(sum(recent), 1e-9)

    def _told(self, saved: Mapping[str, int]) -> Drove:
        return Drove(
            self._done, self._total, self._title, self._size, self._speed(), self._learnt,
            self._out, saved,
        )  # fmt: skip

    def ended(self, saved: Mapping[str, int]) -> Drove:
        """The same at the end."""
        return self._told(saved)


def check_whole(done: Drove, source: str | Path | int) -> None:
    """Raises InputError if a video held clearly fewer frames than its header says."""
    if done.frames is None or done.frame >= done.frames * (1 - MISSING) - 1:
        return
    kept = "" if done.out is None else f", and kept in {done.out}"
    raise InputError(
        f"{masked(str(source))}: expected {done.frames} frames, got {done.frame}: the video is cut "
        f"off or damaged. The {done.frame} frames were answered{kept}"
    )


def _all(first: Image, rest: Iterator[Image]) -> Iterator[Image]:
    yield first
    yield from rest


def _method(
    method: str | Mapping[str, Any] | None, labelled: object, learn: bool
) -> str | Mapping[str, Any]:
    if not learn:
        return "source_only"
    if method is not None:
        return method
    return WITHOUT_SOURCE if labelled is None else WITH_SOURCE
