"""Which runs form a group, and which runs of two groups form a pair."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from driftseg.errors import InputError
from driftseg.report.summary import group_runs, name_of, same_world, settings_of
from driftseg.runs.record import Run

NOTHING_RANDOM = (
    "source_only", "norm_statistics", "tent", "alpha_bn", "eata", "sar", "rdumb", "asr",
)  # fmt: skip
"""Methods that draw nothing: one run stands for every seed."""
Unit = tuple[str, ...]
"""Values of the settings that a pair shares, without the seed."""


@dataclass(frozen=True)
class Members:
    """The runs of a group; no two of one unit and seed."""

    label: str
    runs: tuple[Run, ...]
    units: tuple[Unit, ...]
    """One a run."""

    @property
    def random(self) -> bool:
        """Whether the seed changes anything."""
        return any(run.method not in NOTHING_RANDOM for run in self.runs)

    def find(self, unit: Unit, seed: int) -> Run | None:
        """The run of a unit and seed; without randomness, of any seed."""
        known = [run for run, mine in zip(self.runs, self.units, strict=True) if mine == unit]
        for run in known:
            if run.seed == seed:
                return run
        return known[0] if known and not self.random else None


def pairs_of(group: Members, other: Members) -> list[tuple[Run, Run]]:
    """Runs of two groups that share unit and seed."""
    asked = dict.fromkeys(
        (unit, run.seed)
        for each in (group, other)
        for run, unit in zip(each.runs, each.units, strict=True)
    )
    if not (group.random or other.random):  # all seeds are one
        asked = dict.fromkeys((unit, 0) for unit, _ in asked)
    found = [(group.find(*unit), other.find(*unit)) for unit in asked]
    return [(mine, theirs) for mine, theirs in found if mine is not None and theirs is not None]


def grouped(runs: Sequence[Run], by: Sequence[str]) -> tuple[list[Members], tuple[str, ...]]:
    """Groups, and what the runs of a pair share.

    Raises:
        InputError: as `group_runs`; an unknown setting; several runs of one group that differ in
            nothing a pair could be told by.
    """
    if not by:
        plain = [
            Members(group.label, group.runs, ((),) * len(group.runs)) for group in group_runs(runs)
        ]
        return plain, ("seed",)
    group_runs(runs)  # says what no comparison could make sense of
    for run in runs[1:]:
        same_world(run, runs[0])
    settings = [settings_of(run) for run in runs]
    keys = [_key(name, settings) for name in by]
    members: dict[str, list[int]] = {}
    for index, run in enumerate(runs):
        label = ", ".join(_label(key, run, settings[index]) for key in keys)
        members.setdefault(label, []).append(index)
    shared = _varying(members.values(), settings, keys)
    groups = []
    for label, indices in members.items():
        units = tuple(tuple(str(settings[i].get(key)) for key in shared) for i in indices)
        group = Members(label, tuple(runs[i] for i in indices), units)
        _once(group, [settings[i] for i in indices])
        groups.append(group)
    return groups, ("seed", *shared)


def settings_apart(group: Members, other: Members) -> int:
    """How many settings besides the method's own differ between two groups."""
    mine, theirs = settings_of(group.runs[0]), settings_of(other.runs[0])
    keys = (key for key in mine.keys() | theirs.keys() if not key.startswith("method."))
    return sum(str(mine.get(key)) != str(theirs.get(key)) for key in keys)


def _key(name: str, settings: Sequence[Mapping[str, Any]]) -> str:
    """The whole name of a setting or section.

    Raises:
        InputError: there is none, or several end so.
    """
    known = {key for each in settings for key in each}
    if name in known or any(key.startswith(f"{name}.") for key in known):
        return name
    ends = sorted(key for key in known if key.endswith(f".{name}"))
    if len(ends) == 1:
        return ends[0]
    near = ends or difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "driftseg runs --json shows all names"
    raise InputError(
        f"by: expected a setting of the config, such as method, got {name!r}. To fix: {hint}"
    )


def _label(key: str, run: Run, settings: Mapping[str, Any]) -> str:
    """What a run is called by one setting, or by what names a section."""
    if key in ("method", "method.name"):
        return name_of(run)
    short = key.removeprefix("method.")
    for named in (key, f"{key}.name", f"{key}.kind", f"{key}.preset"):
        if named in settings:
            value = settings[named]
            told = ", ".join(map(str, value)) if isinstance(value, list) else value
            return f"{short} {told}"
    inside = {k: v for k, v in settings.items() if k.startswith(f"{key}.")}
    return f"{short} {', '.join(map(str, inside.values()))}" if inside else f"no {short}"


def _varying(
    groups: Any, settings: Sequence[Mapping[str, Any]], keys: Sequence[str]
) -> tuple[str, ...]:
    """Settings that differ within a group, in the config's order, without what makes groups."""
    found: dict[str, None] = {}
    for indices in groups:
        names = dict.fromkeys(key for i in indices for key in settings[i])
        for name in names:
            mine = any(name == key or name.startswith(f"{key}.") for key in keys)
            if not mine and len({str(settings[i].get(name)) for i in indices}) > 1:
                found[name] = None
    return tuple(found)


def _once(group: Members, settings: Sequence[Mapping[str, Any]]) -> None:
    seen: dict[tuple[Unit, int], int] = {}
    for index, (run, unit) in enumerate(zip(group.runs, group.units, strict=True)):
        other = seen.setdefault((unit, run.seed), index)
        if other != index:
            keys = settings[index].keys() | settings[other].keys()
            apart = sorted(
                key for key in keys
                if str(settings[index].get(key)) != str(settings[other].get(key))
            )  # fmt: skip
            raise InputError(
                f"by: expected one run a seed in the group {group.label}, got "
                f"{group.runs[other].path} and {run.path}, which differ in {', '.join(apart)}. "
                f"To fix: add --by {apart[0]}, or choose one with a filter, {apart[0]}=..."
            )
