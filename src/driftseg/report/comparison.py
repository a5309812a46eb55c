"""Compares runs: means over seeds, and significant differences."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from driftseg.errors import InputError
from driftseg.report.bootstrap import FEWEST, Interval, frames_interval, seeds_interval
from driftseg.report.numbers import run_numbers
from driftseg.report.pairing import Members, grouped, pairs_of, settings_apart
from driftseg.report.summary import Spread, has_held_out
from driftseg.report.verdict import STILL
from driftseg.runs.record import Run

SHOWN = (
    "over_all_visits", "stream_over_all_visits", "forgotten", "learnt_from", "frames_per_second",
)  # fmt: skip
"""Default numbers of a comparison."""
TESTED = ("over_all_visits", "stream_over_all_visits", "forgotten")
"""Default numbers whose differences are taken."""
LESS_IS_BETTER = ("forgotten",)
ENOUGH = 6
"""Least number of pairs; with fewer, equal methods too often have differences of one sign."""
Verdict = Literal["better", "worse", "no difference shown", "cannot tell"]


@dataclass(frozen=True)
class Row:
    """One group of runs."""

    label: str
    runs: tuple[Run, ...]
    numbers: Mapping[str, Spread]
    """Values over the runs of the group."""


@dataclass(frozen=True)
class Difference:
    """The difference of one number between a group and the group it is compared with."""

    label: str
    against: str
    number: str
    values: tuple[float, ...]
    """One difference per pair."""
    over_seeds: Interval | None
    """Interval over the pairs; None for fewer than three."""
    over_frames: Interval | None
    """Interval over the stream's frames; only for stream mIoU."""
    unpaired: int = 0
    """Number of runs of the group without a counterpart of the same seed and settings."""
    certain: bool = False
    """Whether both methods are deterministic, so there is only one pair."""

    @property
    def mean(self) -> float:
        """Mean over pairs."""
        return Spread(self.values).mean

    @property
    def verdict(self) -> Verdict:
        """The verdict: significant only if all intervals exclude 0."""
        if self.certain and self.over_frames is None:
            return "cannot tell"
        if not self.certain and self.over_seeds is None:
            return "cannot tell"
        found = [each for each in (self.over_seeds, self.over_frames) if each is not None]
        if not all(each.excludes_zero for each in found):
            return "no difference shown"
        return "better" if (self.mean > 0) != (self.number in LESS_IS_BETTER) else "worse"

    @property
    def reason(self) -> str:
        """Why there is no verdict, if there is none."""
        if self.verdict != "cannot tell":
            return ""
        if self.certain:
            return "no seeds to vary: both are deterministic"
        pairs = f"{len(self.values)} pair{'' if len(self.values) == 1 else 's'}"
        return f"{pairs}, {FEWEST} are needed"


@dataclass(frozen=True)
class Comparison:
    """Groups of runs on one stream."""

    rows: tuple[Row, ...]
    numbers: tuple[str, ...]
    """Names of the compared numbers, as in `run_numbers`."""
    differences: tuple[Difference, ...]
    home: str
    """The domain on which forgetting is measured."""
    paired_by: tuple[str, ...]
    """What the runs of a pair share: the seed and possibly settings."""
    held_out: bool
    """Whether held-out frames were scored; otherwise all mIoU is of the stream."""
    notes: tuple[str, ...] = ()

    def of(self, number: str) -> list[Difference]:
        """The differences of one number."""
        return [found for found in self.differences if found.number == number]

    @property
    def tested(self) -> list[str]:
        """Numbers whose differences were taken."""
        return list(dict.fromkeys(found.number for found in self.differences))


def compare(
    runs: Sequence[Run],
    *,
    by: Sequence[str] = (),
    against: str | None = None,
    numbers: Sequence[str] = (),
) -> Comparison:
    """Groups runs and takes paired differences.

    Args:
        runs: of one stream.
        by: settings that define the groups, such as ``method``; runs are paired if their other
            settings are equal. By default, all settings that differ except the seed define the
            groups.
        against: label or method of the group with which the others are compared; None is
            ``source_only``, or else the first.
        numbers: names of `run_numbers`; by default those in `SHOWN`.

    Raises:
        InputError: no runs, runs of different streams, an unknown number, setting or group, or a
            group with several runs of one seed.
    """
    groups, paired_by = grouped(runs, by)
    held = has_held_out(groups[0].runs[0])
    found = {id(run): run_numbers(run) for group in groups for run in group.runs}
    names = _named(numbers, next(iter(found.values())), held=held)
    names = [name for name in names if any(math.isfinite(each[name]) for each in found.values())]
    if not names:
        raise InputError(
            "compare: expected runs with scores, got none: no frame was labelled. To fix: name "
            "another number with --number, such as frames_per_second"
        )
    rows = tuple(
        Row(group.label, group.runs, {
            name: Spread(tuple(found[id(run)][name] for run in group.runs)) for name in names
        })
        for group in groups
    )  # fmt: skip
    still, told = _against(groups, against)
    tested = [name for name in names if numbers or name in TESTED]
    differences = tuple(
        _difference(group, still[index], name, found, held=held)
        for name in tested
        for index, group in enumerate(groups)
        if index in still
    )
    home, notes = groups[0].runs[0].home, (*told, *_versions(runs))
    return Comparison(rows, tuple(names), differences, home, paired_by, held, notes)


def _difference(
    group: Members, still: Members, name: str, found: Mapping[int, Mapping[str, float]],
    *, held: bool,
) -> Difference:  # fmt: skip
    pairs = [
        (mine, other)
        for mine, other in pairs_of(group, still)
        if math.isfinite(found[id(mine)][name] - found[id(other)][name])
    ]
    values = tuple(found[id(mine)][name] - found[id(other)][name] for mine, other in pairs)
    of_stream = name == "stream_over_all_visits" or (name == "over_all_visits" and not held)
    return Difference(
        group.label, still.label, name, values, seeds_interval(values),
        frames_interval(pairs) if of_stream else None,
        unpaired=len(group.runs) - len({id(mine) for mine, _ in pairs}),
        certain=not (group.random or still.random) and len(values) == 1,
    )  # fmt: skip


def _named(asked: Iterable[str], known: Mapping[str, float], *, held: bool) -> list[str]:
    """The numbers to show."""
    names = list(dict.fromkeys(asked))
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else "driftseg runs --csv prints all names"
            raise InputError(
                f"number: expected a number that runs have, such as {SHOWN[0]}, got {name!r}. "
                f"To fix: {hint}"
            )
    return names or [name for name in SHOWN if held or name != "stream_over_all_visits"]


def _against(
    groups: Sequence[Members], asked: str | None
) -> tuple[dict[int, Members], tuple[str, ...]]:
    """The group with which each group is compared, by its position, and a text on it."""
    if len(groups) < 2:
        return {}, ()
    told: tuple[str, ...] = ()
    if asked is None:
        stills = [group for group in groups if group.runs[0].method == STILL] or [groups[0]]
        if stills[0].runs[0].method != STILL:
            told = (
                f"no run of {STILL}: differences are against the first group, {stills[0].label}",
            )
    else:
        stills = [group for group in groups if group.label == asked]
        stills = stills or [group for group in groups if group.runs[0].method == asked]
    if not stills:
        labels = "; ".join(group.label for group in groups)
        raise InputError(
            f"against: expected a method or one of the groups ({labels}), got {asked!r}. "
            "To fix: copy one of them, in quotes"
        )
    others = [i for i, group in enumerate(groups) if group not in stills]
    return {i: _closest(groups[i], stills) for i in others}, told


def _closest(group: Members, stills: Sequence[Members]) -> Members:
    """The group with the most equal settings, among several groups of the method.

    Raises:
        InputError: two are equally close.
    """
    ranked = sorted(stills, key=lambda still: settings_apart(group, still))
    if len(ranked) > 1 and settings_apart(group, ranked[0]) == settings_apart(group, ranked[1]):
        raise InputError(
            f"against: expected one group to compare {group.label} with, got {ranked[0].label} "
            f"and {ranked[1].label}. To fix: name one with --against, or set --by method"
        )
    return ranked[0]


def _versions(runs: Sequence[Run]) -> list[str]:
    """Differences of the software versions that made the runs."""
    told = []
    for key, what in (("driftseg", "versions of driftseg"), ("renderer", "renderers of weather")):
        found = sorted({str(run.environment.get(key)) for run in runs} - {"None"})
        if len(found) > 1:
            told.append(f"the runs were made by different {what}: {', '.join(found)}")
    return told
