"""The loop over all frames, on one screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from driftseg.evaluation.confusion import Score
from driftseg.frame import Adaptation, Frame, Label
from driftseg.models.segmenter import probabilities
from driftseg.runs.build import Parts
from driftseg.runs.held_out import HeldOut
from driftseg.runs.keeper import Keeper
from driftseg.runs.pacing import Taken
from driftseg.runs.place import NEVER, Place
from driftseg.runs.tracked import Recorder
from driftseg.saving.saver import Saver
from driftseg.saving.shots import Shot


@dataclass(frozen=True)
class Moment:
    """Progress, for a person who watches."""

    doing: str
    """``stream`` or ``evaluation``."""
    domain: str
    visit: int
    frame: int
    """Number of finished frames."""
    frames: int
    mean_iou: float | None
    """MIoU of this visit so far in percent, of predictions made before learning."""
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
    keeper: Keeper,
    saver: Saver | None = None,
) -> None:
    """Runs the whole stream: predict, score, adapt, record; evaluate after every domain.

    It starts at the keeper's position and ends early if the keeper has a request.
    """
    model, stream, at = parts.model, parts.stream, keeper.place
    evaluator = Evaluator(parts, writer, at, keeper.check)
    if at.evaluated == NEVER:
        evaluator.evaluate(-1, watch)
    shown = _shown(stream.frames_of(at.visit), pictures)
    for frame in stream:
        while frame.visit > at.visit:
            evaluator.evaluate(at.visit, watch)
            at.next_visit()
            shown = _shown(stream.frames_of(at.visit), pictures)
            keeper.between(visit_ended=True)
        taken = parts.pacing.take(frame.image, frame.index, at.played)
        scored = parts.scored(taken.prediction.label)
        if frame.label is not None:
            at.score.add(scored, frame.label)
        looked = diagnostics_every > 0 and frame.index % diagnostics_every == 0
        diagnostics = model.diagnose(frame.image) if looked else None
        writer.frame(_row(frame, taken, scored, at.score.classes, diagnostics))
        if at.seen in shown:
            _keep_pictures(writer, parts, frame, scored, shown.index(at.seen))
        if saver is not None:
            saver.put(_shot(frame, scored, taken))
        at.played_one(stream.state_dict(), seconds=sum(taken.times) / 1000)
        watch(_moment(frame, stream_length=len(stream), score=at.score,
                      adaptation=taken.adaptation, speed=at.played / at.seconds))  # fmt: skip
        keeper.between()
    while at.visit < len(stream.visits):
        evaluator.evaluate(at.visit, watch)
        at.next_visit()
        keeper.between(visit_ended=True)


class Evaluator:
    """Scores every domain's held-out frames; reuses scores if no weight has changed."""

    def __init__(self, parts: Parts, writer: Recorder, at: Place, check: Callable[[], None]):
        self._parts = parts
        self._writer = writer
        self._held_out = HeldOut(parts)
        self._at = at
        self._check = check

    def evaluate(self, after: int, watch: Watch) -> None:
        """Writes one row per domain and head; ``after`` is a visit; -1: before the first frame."""
        at = self._at
        if self._parts.held_out:
            reused = at.updates == self._parts.model.updates
            if not reused:
                at.rows = score_domains(
                    self._parts, watch, after, held_out=self._held_out, check=self._check
                )
                at.updates = self._parts.model.updates
            name = "start" if after < 0 else self._parts.visits[after].domain
            for row in at.rows:
                self._writer.evaluation(
                    {"after_visit": after, "after_domain": name, **row, "reused": reused}
                )
        at.evaluated = after


def _unasked() -> None:
    """A check that never requests an end."""


def score_domains(
    parts: Parts,
    watch: Watch,
    after: int = -1,
    *,
    held_out: HeldOut | None = None,
    check: Callable[[], None] = _unasked,
) -> list[dict[str, Any]]:
    """The student's scores in every domain of the schedule, one row per domain and head.

    ``check`` is called between held-out frames and may raise.
    """
    kept = HeldOut(parts, 0, 0) if held_out is None else held_out
    scores: dict[str, dict[str, Score]] = {domain: {} for domain in parts.held_out}
    with closing(kept.frames([*parts.held_out])) as frames:
        check()
        for (domain, index), (image, truth) in frames:
            for head, label in parts.model.answers(image).items():
                score = scores[domain].setdefault(head, Score(len(parts.label_space)))
                score.add(parts.scored(label), truth)
            if index + 1 == len(parts.held_out[domain][0]):
                done = [*parts.held_out].index(domain) + 1
                watch(Moment("evaluation", domain, after, done, len(parts.held_out),
                             100 * scores[domain]["main"].mean_iou(), 0.0, False))  # fmt: skip
            check()
    return [
        _scores(domain, head, score, parts, frames=len(parts.held_out[domain][0]))
        for domain, heads in scores.items()
        for head, score in heads.items()
    ]


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
    taken: Taken,
    scored: Label,
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
        "confidence": taken.prediction.confidence,
        "entropy": taken.prediction.entropy,
        **asdict(taken.adaptation),
        "predict_ms": taken.times[0],
        "adapt_ms": taken.times[1],
        "diagnostics": diagnostics,
        **({} if taken.pace is None else {"pace": taken.pace}),
    }


def _shown(frames: int, pictures: int) -> list[int]:
    """Frames of a visit that are kept as pictures: the last, and others at even distances.

    At the last frame the model has learnt most in this weather.
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


def _shot(frame: Frame, scored: Label, taken: Taken) -> Shot:
    """Saves a frame's results; each visit has a folder, because frames may be repeated."""
    adaptation, logits = taken.adaptation, taken.logits
    facts = {
        "domain": frame.domain, "visit": frame.visit, "predict_ms": taken.times[0],
        "learn_ms": taken.times[1], "signal": adaptation.signal, "event": adaptation.event,
        "trained": adaptation.trained,
    }  # fmt: skip
    return Shot(
        frame.index, f"{frame.visit:02d}-{frame.domain}/{frame.name}", frame.image, scored, facts,
        lambda: probabilities(logits),
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
