"""The loop: what happens to every frame, on one screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch import Tensor

from driftseg.errors import InputError
from driftseg.evaluation.confusion import Score
from driftseg.frame import Adaptation, Frame, Image, Label, Prediction
from driftseg.methods.device_clock import device_clock
from driftseg.runs.build import Parts
from driftseg.runs.tracked import Recorder
from driftseg.saving.saver import Saver
from driftseg.saving.shots import Shot


@dataclass(frozen=True)
class Moment:
    """What a person watching wants to know."""

    doing: str
    """``stream`` or ``evaluation``."""
    domain: str
    visit: int
    frame: int
    """Frames done."""
    frames: int
    mean_iou: float | None
    """Of this visit so far, in percent, of predictions made before learning."""
    frames_per_second: float
    trained: bool


Watch = Callable[[Moment], None]


def play(
    parts: Parts,
    writer: Recorder,
    watch: Watch,
    *,
    pictures: int,
    diagnostics_every: int,
    saver: Saver | None = None,
) -> None:
    """Runs the whole stream: predict, score, adapt, record; evaluate after every domain."""
    model, stream, evaluator = parts.model, parts.stream, Evaluator(parts, writer)
    visit, seen, played, seconds = 0, 0, 0, 0.0
    clock = device_clock(model.roles.device)
    score = Score(len(parts.label_space))
    evaluator.evaluate(-1, watch)
    shown = _shown(stream.frames_of(0), pictures)
    for frame in stream:
        while frame.visit > visit:
            evaluator.evaluate(visit, watch)
            visit, seen, score = visit + 1, 0, Score(score.classes)
            shown = _shown(stream.frames_of(visit), pictures)
        started = clock()
        prediction = model.predict(frame.image)
        answered = clock()
        adaptation = model.learn()
        learnt = clock()
        times = (1000 * (answered - started), 1000 * (learnt - answered))
        scored = parts.scored(prediction.label)
        if frame.label is not None:
            score.add(scored, frame.label)
        looked = diagnostics_every > 0 and frame.index % diagnostics_every == 0
        diagnostics = model.diagnose(frame.image) if looked else None
        row = _row(frame, prediction, scored, adaptation, times, score.classes, diagnostics)
        writer.frame(row)
        if seen in shown:
            _keep_pictures(writer, parts, frame, scored, shown.index(seen))
        if saver is not None:
            saver.put(_shot(frame, scored, adaptation, times, model.last_logits()))
        seen, played, seconds = seen + 1, played + 1, seconds + learnt - started
        watch(_moment(frame, stream_length=len(stream), score=score, adaptation=adaptation,
                      speed=played / seconds))  # fmt: skip
    while visit < len(stream.visits):
        evaluator.evaluate(visit, watch)
        visit += 1


KEPT_BYTES = 256 * 2**20
"""Rendered held-out frames kept between evaluations, whatever the number of domains."""


class HeldOut:
    """Held-out frames in their domain's weather, rendered once as far as memory is granted."""

    def __init__(self, parts: Parts, kept_bytes: int = KEPT_BYTES):
        self._parts = parts
        self._left = kept_bytes
        self._kept: dict[tuple[str, int], tuple[Image, Label]] = {}

    def frame(self, domain: str, index: int) -> tuple[Image, Label]:
        """An image and its label.

        Raises:
            InputError: the frame has no label.
        """
        known = self._kept.get((domain, index))
        if known is not None:
            return known
        dataset, visit = self._parts.held_out[domain]
        scene = dataset.scene(index)
        if scene.label is None:
            raise InputError(
                f"held-out frame {scene.name} of {domain} has no label: choose labelled "
                "frames, or set evaluation to null"
            )
        frame = (self._parts.weather.on(scene, visit.conditions, visit.domain), scene.label)
        size = frame[0].nbytes + frame[1].nbytes
        if size <= self._left:
            self._left -= size
            self._kept[domain, index] = frame
        return frame


class Evaluator:
    """Scores every domain's held-out frames; where no weight has moved, scores are reused."""

    def __init__(self, parts: Parts, writer: Recorder):
        self._parts = parts
        self._writer = writer
        self._held_out = HeldOut(parts)
        self._rows: list[dict[str, Any]] = []
        self._updates: int | None = None

    def evaluate(self, after: int, watch: Watch) -> None:
        """Writes one row a domain and head; ``after`` is a visit, -1 is before the first frame."""
        if not self._parts.held_out:
            return
        reused = self._updates == self._parts.model.updates
        if not reused:
            self._rows = score_domains(self._parts, watch, after, held_out=self._held_out)
            self._updates = self._parts.model.updates
        name = "start" if after < 0 else self._parts.visits[after].domain
        for row in self._rows:
            self._writer.evaluation(
                {"after_visit": after, "after_domain": name, **row, "reused": reused}
            )


def score_domains(
    parts: Parts, watch: Watch, after: int = -1, *, held_out: HeldOut | None = None
) -> list[dict[str, Any]]:
    """The student's scores in every domain of the schedule, one row a domain and head."""
    frames = HeldOut(parts, 0) if held_out is None else held_out
    rows = []
    for number, (domain, (dataset, _)) in enumerate(parts.held_out.items()):
        scores: dict[str, Score] = {}
        for index in range(len(dataset)):
            image, truth = frames.frame(domain, index)
            for head, label in parts.model.answers(image).items():
                score = scores.setdefault(head, Score(len(parts.label_space)))
                score.add(parts.scored(label), truth)
        rows += [
            _scores(domain, head, score, parts, frames=len(dataset))
            for head, score in scores.items()
        ]
        watch(Moment("evaluation", domain, after, number + 1, len(parts.held_out),
                     100 * scores["main"].mean_iou(), 0.0, False))  # fmt: skip
    return rows


def _scores(domain: str, head: str, score: Score, parts: Parts, *, frames: int) -> dict[str, Any]:
    iou = dict(zip(parts.label_space.classes, (100 * score.iou()).tolist(), strict=True))
    return {
        "domain": domain,
        "head": head,
        "frames": frames,
        "mean_iou": 100 * score.mean_iou(),
        "mean_accuracy": 100 * score.mean_accuracy(),
        "pixel_accuracy": 100 * score.pixel_accuracy(),
        "iou": iou,
    }


def _row(
    frame: Frame,
    prediction: Prediction,
    scored: Label,
    adaptation: Adaptation,
    times: tuple[float, float],
    classes: int,
    diagnostics: Mapping[str, Any] | None,
) -> Mapping[str, Any]:
    """One line of frames.jsonl; the same columns for every method."""
    score = Score(classes)
    if frame.label is not None:
        score.add(scored, frame.label)
    return {
        "index": frame.index,
        "visit": frame.visit,
        "domain": frame.domain,
        "name": frame.name,
        "labelled": frame.label is not None,
        "intersection": score.intersection,
        "union": score.union,
        "confidence": prediction.confidence,
        "entropy": prediction.entropy,
        **asdict(adaptation),
        "predict_ms": times[0],
        "adapt_ms": times[1],
        "diagnostics": diagnostics,
    }


def _shown(frames: int, pictures: int) -> list[int]:
    """Which frames of a visit are kept as pictures: the last, and others evenly before it.

    At the last one most has been learnt in this weather.
    """
    return sorted({frames - 1 - number * frames // pictures for number in range(pictures)})


def _keep_pictures(
    writer: Recorder, parts: Parts, frame: Frame, scored: Label, number: int
) -> None:
    paint = parts.label_space.paint
    kept = {"input": frame.image, "prediction": paint(scored)}
    if frame.label is not None:
        kept["truth"] = paint(frame.label)
    for kind, image in kept.items():
        writer.picture(frame.visit, frame.domain, number, kind, image)


def _shot(
    frame: Frame, scored: Label, adaptation: Adaptation, times: tuple[float, float], logits: Tensor
) -> Shot:
    """What is kept of a frame; a visit has a folder, for frames may come again in another."""
    facts = {
        "domain": frame.domain, "visit": frame.visit, "predict_ms": times[0],
        "learn_ms": times[1], "signal": adaptation.signal, "event": adaptation.event,
        "trained": adaptation.trained,
    }  # fmt: skip
    return Shot(
        frame.index, f"{frame.visit:02d}-{frame.domain}/{frame.name}", frame.image, scored, facts,
        lambda: np.asarray(logits.softmax(dim=1)[0].half().cpu().numpy()),
    )  # fmt: skip


def _moment(
    frame: Frame, *, stream_length: int, score: Score, adaptation: Adaptation, speed: float
) -> Moment:
    known = score.labelled.sum() > 0
    return Moment(
        doing="stream",
        domain=frame.domain,
        visit=frame.visit,
        frame=frame.index + 1,
        frames=stream_length,
        mean_iou=100 * score.mean_iou() if known else None,
        frames_per_second=speed,
        trained=adaptation.trained,
    )
