"""Numbers of runs, grouped by all settings except the seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from driftseg.errors import InputError
from driftseg.evaluation.confusion import mean, ratio
from driftseg.evaluation.continual import Continual, continual
from driftseg.evaluation.latency import Latency, latency
from driftseg.runs.record import IGNORED_BY_HASH, Run
from driftseg.settings import shown

Floats = npt.NDArray[np.float64]


def one_decimal(value: float) -> str:
    """A number with one decimal, and no sign at zero."""
    text = f"{value:.1f}"
    return "0.0" if text == "-0.0" else text


@dataclass(frozen=True)
class Spread:
    """A number over seeds."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over seeds."""
        return float(np.mean(self.values)) if self.values else float("nan")

    @property
    def deviation(self) -> float:
        """Sample standard deviation; 0 for one seed."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else 0.0

    def __str__(self) -> str:
        if not self.values or np.isnan(self.mean):
            return "–"
        text = one_decimal(self.mean)
        return f"{text} ± {self.deviation:.1f}" if len(self.values) > 1 else text


@dataclass(frozen=True)
class Group:
    """Runs of one method with one config. They differ only in the seed."""

    label: str
    runs: tuple[Run, ...]

    def over_seeds(self, number: Callable[[Run], float]) -> Spread:
        """One number of every run."""
        return Spread(tuple(number(run) for run in self.runs))

    def curve(self, numbers: Callable[[Run], Sequence[float]]) -> Floats:
        """A series of every run, (seeds, length)."""
        return np.array([numbers(run) for run in self.runs], dtype=np.float64)


def group_runs(runs: Sequence[Run]) -> list[Group]:
    """Groups runs. The label of a group is the method and, if needed, the settings that differ.

    Raises:
        InputError: there is no run, or the runs have different streams and cannot share a page.
    """
    if not runs:
        raise InputError(
            "report: expected at least one run, got none. To fix: name the folder of a finished run"
        )
    first = runs[0]
    for run in runs[1:]:
        same_world(run, first)
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(json.dumps(_without_seed(run), sort_keys=True), []).append(run)
    members = list(groups.values())
    for group in members:
        seen: dict[int, Path] = {}
        for run in group:
            if run.seed in seen:
                raise InputError(
                    f"{run.path}: expected another seed, got the settings and the seed "
                    f"{run.seed} of {seen[run.seed]}. To fix: leave out one of the two runs"
                )
            seen[run.seed] = run.path
    settings = [settings_of(group[0]) for group in members]
    names = [name_of(group[0]) for group in members]
    labels = [_label(i, names, settings) for i in range(len(members))]
    return [
        Group(label + _parts(group), tuple(group))
        for label, group in zip(labels, members, strict=True)
    ]


def _parts(group: Sequence[Run]) -> str:
    """The mark of unfinished runs in a label, for all tables and plots."""
    told = [
        f"seed {run.seed} {run.part}" if len(group) > 1 else run.part
        for run in group
        if run.part is not None
    ]
    return f" ({'; '.join(told)})" if told else ""


def same_world(run: Run, first: Run) -> None:
    """Raises InputError for two runs whose scores cannot be compared.

    Raises:
        InputError: their streams differ. The text names each setting with both values.
    """
    mine, theirs = flat(_world(run)), flat(_world(first))
    every = dict.fromkeys([*theirs, *mine])
    other = [key for key in every if mine.get(key) != theirs.get(key)]
    if other:
        told = "; ".join(f"{key} {_value(mine, key)}, not {_value(theirs, key)}" for key in other)
        raise InputError(
            f"{run.path}: expected the same stream as {first.path}, got {told}. To fix: make one "
            "report for each, or run both with the same settings"
        )


def _value(settings: Mapping[str, Any], key: str) -> str:
    """A setting in the error about two streams."""
    value = settings.get(key)
    if key != "schedule":
        return shown(value)
    return " -> ".join(f"{domain} ({frames} frames)" for domain, _, frames in value or ())


_WORLD = ("target", "evaluation", "evaluations", "severity", "camera", "weather_seed")
_FRAMES = {"order": "sequential", "crop": None, "stream_seed": 0}
"""Settings of the stream that older records lack, with the values they had."""


def _world(run: Run) -> dict[str, Any]:
    """The settings that two runs on one page must share. The path of the data is not one."""
    visits = [(v["domain"], v["direction"], v["frames"]) for v in run.visits]
    settings = {key: _placeless(run.config.get(key)) for key in _WORLD}
    settings |= {key: run.config.get(key, usual) for key, usual in _FRAMES.items()}
    return {"classes": run.classes, "schedule": visits, **settings}


_MAY_BE_UNSAID = ("domain", "label_space")
"""Settings of data sections that older records lack. null has the same meaning."""


def _placeless(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {
        key: _placeless(item)
        for key, item in value.items()
        if key != "root" and not (key in _MAY_BE_UNSAID and item is None)
    }


def _without_seed(run: Run) -> dict[str, Any]:
    hidden = IGNORED_BY_HASH | {"seed"}
    return {key: value for key, value in run.config.items() if key not in hidden}


def settings_of(run: Run) -> dict[str, Any]:
    """All settings of a run except its seed, on one level."""
    return flat(_without_seed(run))


def name_of(run: Run) -> str:
    """The method, with its setting compat if there is one."""
    compat = run.config["method"].get("compat")
    return f"{run.method}, {compat}" if compat else run.method


def _label(index: int, methods: Sequence[str], settings: Sequence[Mapping[str, Any]]) -> str:
    """The method, with the settings that distinguish it from every other group of the method."""
    mine = settings[index]
    rivals = [i for i, name in enumerate(methods) if name == methods[index] and i != index]
    keys = sorted({key for i in (index, *rivals) for key in settings[i]})
    keys.sort(key=lambda key: key not in _FIRST)
    keys.sort(key=lambda key: not key.startswith("method."))
    told: list[str] = []
    for key in keys:
        text = _told(key, mine)
        other = {i for i in rivals if str(settings[i].get(key)) != str(mine.get(key))}
        if text is not None and other:
            told.append(text)
            rivals = [i for i in rivals if i not in other]
    return f"{methods[index]} ({', '.join(told)})" if told else methods[index]


_FIRST = ("method.train", "pace.relative", "pace.frames_per_second")
"""The most useful settings of a label, if they differ."""


def _told(key: str, settings: Mapping[str, Any]) -> str | None:
    """A setting in a label; ``no SECTION`` if its section is missing."""
    if key in settings:
        value = settings[key]
        name = key.removeprefix("method.")
        if isinstance(value, list):
            return f"{name} {', '.join(map(str, value))}"
        return f"no {name}" if value is None else f"{name} {value}"
    parents = key.split(".")
    for length in range(len(parents) - 1, 0, -1):
        if ".".join(parents[:length]) in settings:
            return f"no {'.'.join(parents[:length]).removeprefix('method.')}"
    return None  # the section exists and has no such setting


def flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings on one level, with dotted keys."""
    if not isinstance(values, Mapping):
        return {prefix: values}
    result: dict[str, Any] = {}
    for key, value in values.items():
        result |= flat(value, f"{prefix}.{key}" if prefix else str(key))
    return result


def stream_scores(run: Run) -> list[float]:
    """MIoU in percent of each visit's predictions, made before learning; NaN without labels."""
    scores = []
    for visit in range(len(run.visits)):
        rows = [f for f in run.frames if f["visit"] == visit and f["labelled"]]
        part = sum((np.array(f["intersection"]) for f in rows), np.zeros(len(run.classes), int))
        whole = sum((np.array(f["union"]) for f in rows), np.zeros(len(run.classes), int))
        scores.append(100 * mean(ratio(part, whole)))
    return scores


def held_out(run: Run, after: int, domain: str, head: str = "main") -> Mapping[str, Any] | None:
    """The row of one evaluation, or None."""
    for row in run.evaluations:
        if (row["after_visit"], row["domain"], row["head"]) == (after, domain, head):
            return row
    return None


def visit_scores(run: Run, head: str = "main", *, after: int | None = None) -> list[float]:
    """MIoU of each visit's domain on held-out frames, right after that visit.

    With ``after``, all scores are of the evaluation after that visit; -1 is before the first frame.
    """
    return [
        _score(run, i if after is None else after, visit["domain"], head)
        for i, visit in enumerate(run.visits)
    ]


def home_scores(run: Run) -> list[float]:
    """The home domain's score before the first frame and after every visit."""
    return [_score(run, i, run.home, "main") for i in range(-1, len(run.visits))]


def _score(run: Run, after: int, domain: str, head: str) -> float:
    row = held_out(run, after, domain, head)
    value = None if row is None else row["mean_iou"]
    return float("nan") if value is None else float(value)


def has_held_out(run: Run) -> bool:
    """Whether held-out frames are scored; an interrupted run may have no scores yet."""
    planned = bool(run.config.get("evaluation") or run.config.get("evaluations"))
    return bool(run.evaluations) or (run.part is not None and planned)


def has_early_head(run: Run) -> bool:
    """Whether the early head was scored too."""
    return any(row["head"] == "early" for row in run.evaluations)


def has_labels(run: Run) -> bool:
    """Whether any frame of the stream was labelled."""
    return any(frame["labelled"] for frame in run.frames)


def run_continual(run: Run) -> Continual:
    """Forward, backward, total and forgetting of one run.

    From held-out scores if there are any, otherwise from the stream's.
    """
    directions = [visit["direction"] for visit in run.visits]
    if not has_held_out(run):
        return continual(stream_scores(run), directions)
    home = home_scores(run)
    return continual(visit_scores(run), directions, home=(home[0], home[-1]))


def run_latency(run: Run) -> Latency | None:
    """Latency of all frames except the first, which includes the warm-up, and dropped ones."""
    frames = [f for f in run.frames[1:] or run.frames if not _dropped(f)]
    return latency([f["predict_ms"] for f in frames], [f["adapt_ms"] for f in frames])


def _dropped(frame: Mapping[str, Any]) -> bool:
    return bool(frame.get("pace")) and frame["pace"]["frame"] == "dropped"


def trained_share(run: Run) -> float:
    """Percent of frames that the method learnt from."""
    return 100 * float(np.mean([f["trained"] for f in run.frames])) if run.frames else 0.0


def worst_visit(run: Run) -> int:
    """The last forward visit, which has the strongest weather."""
    forward = [i for i, visit in enumerate(run.visits) if visit["direction"] == "forward"]
    return forward[-1]


def class_scores(run: Run, after: int, domain: str) -> dict[str, float | None]:
    """Per-class IoU in percent of one evaluation."""
    row = held_out(run, after, domain)
    return {} if row is None else dict(row["iou"])
