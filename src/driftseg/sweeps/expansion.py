"""Makes the configs of a sweep's runs from the sweep file, without Ray."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from driftseg.config.loading import load
from driftseg.config.reading import apply_change, check
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.runs.seeds import depends_on_seed
from driftseg.sweeps.settings import Change, SweepSettings


@dataclass(frozen=True)
class Point:
    """One run of a sweep."""

    key: str
    """Method, seed and a digest of the config; names its files."""
    label: str
    """The varied values as a short text."""
    varied: Mapping[str, Any]
    """The varied values by key."""
    config: RunConfig
    """Resolved, without the folder of the sweep."""
    any_seed: bool = False
    """Whether this run counts for every seed, because it does not depend on the seed."""


@dataclass(frozen=True)
class Expansion:
    """All runs of a sweep."""

    points: tuple[Point, ...]
    combinations: int
    """Number of combinations before equal runs were merged."""
    notes: tuple[str, ...]
    """Notes on merged runs."""


def read_sweep(path: Path) -> SweepSettings:
    """Reads and checks a sweep file; ``base`` is relative to its folder.

    Raises:
        InputError: the file, a key or a value is wrong.
    """
    values = load(path)
    settings = check(values, SweepSettings, where=str(path))
    if not settings.grid and not settings.runs:
        raise InputError(
            f"{path}: expected grid or runs, got neither. To fix: write what varies, such as "
            "grid: {seed: [0, 1, 2]}"
        )
    for key, listed in settings.grid.items():
        if not listed:
            raise InputError(
                f"{path}: grid.{key}: expected a list of values, got an empty one. To fix: list "
                "at least one value, or remove the key"
            )
    return settings.model_copy(
        update={
            "base": path.parent / settings.base,
            "name": settings.name or path.stem,
            "out": settings.out or Path("sweeps") / (settings.name or path.stem),
        }
    )


def expand(settings: SweepSettings, where: str) -> Expansion:
    """All runs in the order of the file; equal runs are merged.

    Args:
        settings: from `read_sweep`.
        where: name of the file in errors.

    Raises:
        InputError: a key or a value is wrong; the text names the run.
    """
    base = load(settings.base)
    changes = list(_changes(settings))
    varying = _varying(changes)
    found: dict[str, Point] = {}
    joined: dict[str, int] = {}
    for change in changes:
        varied = {key: change[key] for key in varying if key in change}
        told = f"{where}: run with {_told(varied) or 'no change'}"
        config = resolve(base, {**settings.changes, **change}, told, threads=settings.threads)
        seeded = depends_on_seed(config)
        if not seeded:
            first = found_seed(settings.grid, base)
            config = config.model_copy(update={"seed": first})
            varied.pop("seed", None)
        key = key_of(config)
        if key in found:
            joined[config.method.name] = joined.get(config.method.name, 0) + 1
            continue
        found[key] = Point(key, "", varied, config, any_seed=not seeded)
    labels = _labels([point.varied for point in found.values()])
    points = tuple(
        Point(point.key, label or point.config.method.name, point.varied, point.config,
              point.any_seed)
        for point, label in zip(found.values(), labels, strict=True)
    )  # fmt: skip
    notes = tuple(_joined(name, number, points) for name, number in joined.items())
    return Expansion(points, len(changes), notes)


def _joined(name: str, number: int, points: Sequence[Point]) -> str:
    times = f"{number} combination{'s' if number > 1 else ''}"
    if any(point.any_seed and point.config.method.name == name for point in points):
        return f"{name} does not depend on the seed: {times} left out, each config is run once"
    return f"{name}: {times} left out, equal to others of the list"


def _changes(settings: SweepSettings) -> Iterator[Change]:
    grids = [
        dict(zip(settings.grid, values, strict=True))
        for values in itertools.product(*settings.grid.values())
    ]
    for listed in settings.runs or [{}]:
        for grid in grids:
            yield {**listed, **grid}


def found_seed(grid: Mapping[str, Sequence[Any]], base: Mapping[str, Any]) -> int:
    """The first seed of a sweep."""
    seeds = [seed for seed in grid.get("seed", ()) if isinstance(seed, int)]
    return int(seeds[0]) if seeds else int(base.get("seed", 0) or 0)


def resolve(
    base: Mapping[str, Any], change: Change, where: str, *, threads: int | None = None
) -> RunConfig:
    """A base config with changes, checked.

    Args:
        base: plain values.
        change: dotted keys and values, applied in order.
        where: name of the config in errors.
        threads: of a run whose config states none.

    Raises:
        InputError: a key or a value is wrong.
    """
    values = copy.deepcopy(dict(base))
    for key, value in sorted(change.items(), key=lambda item: not _names_a_part(item[0])):
        text = yaml.safe_dump(value, default_flow_style=True, width=10**6).strip()
        try:
            apply_change(values, f"{key}={text.removesuffix('...').strip()}", RunConfig)
        except InputError as error:
            raise InputError(f"{where}: {str(error).replace('--set ', '')}") from None
    if threads is not None and values.get("threads") is None:
        values["threads"] = threads
    return check(values, RunConfig, where=where)


def _names_a_part(key: str) -> bool:
    """Whether a key selects a section's part; this drops the section's other settings."""
    return key.rpartition(".")[2] in ("name", "kind") or "." not in key


def key_of(config: RunConfig) -> str:
    """The name of a run's files in a sweep; equal experiments have the same name."""
    values = config.model_dump(mode="json")
    values.pop("out")
    text = json.dumps(values, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{config.method.name}_s{config.seed}_{digest}"


def _varying(changes: Sequence[Change]) -> list[str]:
    """Keys with more than one value; a missing key counts as a value."""
    keys = dict.fromkeys(key for change in changes for key in change)
    order = sorted(keys, key=lambda key: key == "seed")
    return [
        key
        for key in order
        if len({json.dumps(change.get(key, "\0"), default=str) for change in changes}) > 1
    ]


def _labels(varied: Sequence[Mapping[str, Any]]) -> list[str]:
    """Short labels; long ones for all runs if two short ones are equal.

    A key that only some runs have is left out if the labels stay distinct without it.
    """
    keys = sorted({key: None for each in varied for key in each}, key=lambda key: key == "seed")
    shown, now = keys, _short_labels(varied, keys)
    for key in keys:
        if key.startswith(("seed", "method")) or all(key in each for each in varied):
            continue
        fewer = [name for name in shown if name != key]
        if len({*(labels := _short_labels(varied, fewer))}) == len({*now}):
            shown, now = fewer, labels
    if len({*now}) == len(now):
        return now
    return [_told(each) for each in varied]


def _short_labels(varied: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[str]:
    return [" ".join(_short(key, each[key]) for key in keys if key in each) for each in varied]


def _short(key: str, value: Any) -> str:
    if isinstance(value, Mapping):
        named = [str(value[name]) for name in ("name", "preset", "kind") if name in value]
        return named[0] if named else _told(value)
    if isinstance(value, list):
        named = [str(v["name"]) for v in value if isinstance(v, Mapping) and "name" in v]
        return "-".join(dict.fromkeys(named)) if named else f"{_last(key)}={_flow(value)}"
    if key == "seed":
        return f"s{value}"
    if isinstance(value, str) and _last(key) in ("name", "encoder", "preset", "kind"):
        return value
    return f"{_last(key)}={_flow(value)}"


def _told(varied: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={_flow(value)}" for key, value in varied.items())


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _flow(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6).strip()
    return text.removesuffix("...").strip()
