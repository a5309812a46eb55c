"""Names and steps of a record's values in a tracker.

The step is the number of frames that the run has seen: the frame of index 0 is step 1, and scores
before the first frame are step 0.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from driftseg.evaluation.confusion import mean, ratio
from driftseg.evaluation.continual import continual
from driftseg.frame import Image
from driftseg.trackers.contract import Item, Kind

SIDE_BY_SIDE = ("input", "truth", "prediction")
"""From left to right in one picture."""
OF_A_FRAME = {
    "confidence": "stream/confidence",
    "entropy": "stream/entropy",
    "visit": "stream/visit",
    "trained": "learning/trained",
    "learning_rate": "learning/learning_rate",
    "signal": "drift/signal",
    "predict_ms": "time/predict_ms",
    "adapt_ms": "time/learn_ms",
}
"""Columns of frames.jsonl that are one number."""
SECTIONS = {
    "losses": "losses", "plan": "plan", "detector": "detector", "bank": "bank",
    "diagnostics": "roles", "guard": "guard",
}  # fmt: skip
"""Columns with several values; values that are not numbers are left out."""
SCORES = ("mean_iou", "mean_accuracy", "pixel_accuracy")


def finite(values: Mapping[str, Any]) -> dict[str, float]:
    """Only finite numbers and booleans."""
    return {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, Real | np.bool_) and math.isfinite(float(value))
    }


def flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested values on one level, their keys joined by slashes."""
    if not isinstance(values, Mapping):
        return {prefix: values}
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}/{key}" if prefix else str(key))
    return found


class Namer:
    """Makes items from the lines of a record, in the order in which a run writes them.

    Args:
        visits: rows of the schedule: domain, direction, frames.
        home: the domain that forgetting is measured on.
        classes: number of classes.
    """

    def __init__(self, visits: Sequence[Mapping[str, Any]], home: str, classes: int):
        self._visits = visits
        self._home = home
        self._ends = np.cumsum([visit["frames"] for visit in visits]).tolist()
        self._visit = 0
        self._right = np.zeros(classes, dtype=np.int64)
        self._all = np.zeros(classes, dtype=np.int64)
        self._stream: dict[int, float] = {}
        self._held_out: dict[tuple[int, str], float] = {}
        self._frames, self._seconds, self._step = 0, 0.0, 0
        self._count: Counter[tuple[Kind, int]] = Counter()

    def frame(self, row: Mapping[str, Any]) -> Iterator[Item]:
        """Items of one line of frames.jsonl."""
        while row["visit"] > self._visit:
            yield from self._visit_ends()
        self._step = row["index"] + 1
        part, whole = np.asarray(row["intersection"]), np.asarray(row["union"])
        self._right, self._all = self._right + part, self._all + whole
        milliseconds = row["predict_ms"] + row["adapt_ms"]
        self._frames, self._seconds = self._frames + 1, self._seconds + milliseconds / 1000
        values = {name: row[column] for column, name in OF_A_FRAME.items()}
        values |= {
            "stream/mean_iou": self._mean_iou(),
            "stream/frame_mean_iou": 100 * mean(ratio(part, whole)),
            "time/frames_per_second": 1000 / milliseconds if milliseconds > 0 else None,
        }
        for column, prefix in SECTIONS.items():
            if row.get(column) is not None:
                values |= flat(row[column], prefix)
        texts = {}
        if row["event"] is not None:
            values["drift/change"] = 1 if row["event"]["direction"] == "away" else -1
            texts["events"] = _told(row)
        yield self._item("frames", self._step, numbers=finite(values), texts=texts)

    def evaluation(self, row: Mapping[str, Any]) -> Iterator[Item]:
        """Items of one line of evaluations.jsonl."""
        while row["after_visit"] >= self._visit:
            yield from self._visit_ends()
        after, domain = row["after_visit"], row["domain"]
        step = 0 if after < 0 else self._ends[after]
        self._step = max(self._step, step)
        main = row["head"] == "main"
        head = "" if main else f"_{row['head']}"
        values = {f"held_out{head}/{domain}/{name}": row[name] for name in SCORES}
        if main:
            self._held_out[after, domain] = finite({"": row["mean_iou"]}).get("", math.nan)
            values |= {f"held_out_iou/{domain}/{name}": iou for name, iou in row["iou"].items()}
        yield self._item("evaluations", step, numbers=finite(values))

    def pictures(self, domain: str, kinds: Mapping[str, Image]) -> Iterator[Item]:
        """The item of the last frame: input, truth and prediction side by side."""
        images = [kinds[kind] for kind in SIDE_BY_SIDE if kind in kinds]
        picture = np.concatenate(images, axis=1)
        yield self._item("pictures", self._step, pictures={f"pictures/{domain}": picture})

    def final(self) -> Iterator[Item]:
        """Items of the whole run."""
        while self._visit < len(self._visits):
            yield from self._visit_ends()
        numbers = finite({f"final/{name}": value for name, value in self._final().items()})
        yield self._item("final", self._step, numbers=numbers)

    def _visit_ends(self) -> Iterator[Item]:
        number, score = self._visit, self._mean_iou()
        self._stream[number] = score
        self._visit += 1
        self._right, self._all = np.zeros_like(self._right), np.zeros_like(self._all)
        numbers = finite({f"visits/{self._visits[number]['domain']}/mean_iou": score})
        yield self._item("visits", self._ends[number], numbers=numbers)

    def _mean_iou(self) -> float:
        """The mIoU of the current visit so far, in percent."""
        return 100 * mean(ratio(self._right, self._all))

    def _final(self) -> dict[str, Any]:
        """As in the report: from held-out scores if there are any, otherwise from the stream."""
        last = len(self._visits) - 1
        directions = [visit["direction"] for visit in self._visits]
        if self._held_out:
            scores = [
                self._held_out.get((number, visit["domain"]), math.nan)
                for number, visit in enumerate(self._visits)
            ]
            home = [self._held_out.get((at, self._home), math.nan) for at in (-1, last)]
            found = continual(scores, directions, home=(home[0], home[1]))
        else:
            found = continual([self._stream[i] for i in range(last + 1)], directions)
        return {
            "mean_iou_total": found.total,
            "mean_iou_forward": found.forward,
            "mean_iou_backward": found.backward,
            "forgetting": found.forgetting,
            "frames": self._frames,
            "frames_per_second": self._frames / self._seconds if self._seconds > 0 else None,
        }

    def _item(self, kind: Kind, step: int, **content: Any) -> Item:
        number = self._count[kind, step]
        self._count[kind, step] += 1
        return Item(kind, (step, number), **content)


def _told(row: Mapping[str, Any]) -> str:
    """A detected change as text."""
    event = row["event"]
    return (
        f"frame {row['index']} ({row['domain']}): change {event['direction']}, signal "
        f"{event['value']:.4g} (before: {event['reference']:.4g}), level {event['level']}"
    )
