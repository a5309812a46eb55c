"""Reads a tuning file, and makes the configs of its trials and of chosen settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from driftseg.config.loading import load
from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.stream.schedule import Visit, make_schedule
from driftseg.sweeps.expansion import resolve
from driftseg.sweeps.settings import CandidateSettings, TuneSettings


def read_tuning(path: Path) -> TuneSettings:
    """Reads and checks a tuning file; ``base`` is relative to its folder.

    Raises:
        InputError: the file, a key or a value is wrong, or it tunes on the reported schedule.
    """
    settings = check(load(path), TuneSettings, where=str(path))
    name = settings.name or path.stem
    settings = settings.model_copy(
        update={
            "base": path.parent / settings.base,
            "name": name,
            "out": settings.out or Path("studies") / name,
        }
    )
    base = resolve(load(settings.base), {}, str(settings.base))
    reported = [_weather(visit) for visit in make_schedule(base.schedule)]
    tuned = [_weather(visit) for visit in make_schedule(settings.schedule)]
    if reported == tuned:
        raise InputError(
            f"{path}: schedule: expected another schedule than that of {settings.base}, got the "
            "same weather in the same order. Settings that are chosen on the reported stream make "
            "its scores too good. To fix: tune on other weather"
        )
    for method, candidate in settings.methods.items():
        for key in candidate.search:
            if key.split(".")[0] in ("schedule", "target", "seed", "evaluation", "out"):
                raise InputError(
                    f"{path}: methods.{method}.search.{key}: expected a setting of the method, "
                    "got one of the stream. To fix: remove it"
                )
        for trial in _corners(candidate):  # a wrong key is found before anything starts
            tuning_config(settings, method, trial, str(path))
    return settings


def _weather(visit: Visit) -> tuple[Any, ...]:
    return (visit.conditions, tuple(visit.include))


def _corners(candidate: CandidateSettings) -> list[dict[str, Any]]:
    low = {
        key: each.choices[0] if each.choices else _number(each.low, each)
        for key, each in candidate.search.items()
    }
    high = {
        key: each.choices[-1] if each.choices else _number(each.high, each)
        for key, each in candidate.search.items()
    }
    return [low, high]


def _number(value: float | None, each: Any) -> float | int | None:
    return int(value) if value is not None and whole_numbers(each) else value


def whole_numbers(each: Any) -> bool:
    """Whether only whole numbers are tried: both limits are whole, and log is off."""
    return bool(each.low == int(each.low) and each.high == int(each.high) and not each.log)


def tuning_config(
    settings: TuneSettings, method: str, values: dict[str, Any], where: str
) -> RunConfig:
    """The config of a trial's run."""
    changes = {
        **settings.changes,
        **_of_method(settings, method),
        **values,
        "schedule": settings.model_dump(mode="json")["schedule"],
        "label_free": settings.label_free.model_dump(mode="json"),
    }
    return resolve(
        load(settings.base), changes, f"{where}: methods.{method}", threads=settings.threads
    )


def chosen_config(settings: TuneSettings, method: str, values: dict[str, Any]) -> RunConfig:
    """The config of the reported run: the base's own schedule with chosen values."""
    changes = {**_of_method(settings, method), **values}
    return resolve(load(settings.base), changes, f"methods.{method}")


def _of_method(settings: TuneSettings, method: str) -> dict[str, Any]:
    changes = settings.methods[method].changes
    named = any(key in ("method", "method.name") for key in changes)
    return changes if named else {"method.name": method, **changes}


def suggested(trial: Any, candidate: CandidateSettings) -> dict[str, Any]:
    """The values of a trial; choices are stored by position."""
    values: dict[str, Any] = {}
    for key, each in candidate.search.items():
        if each.choices is not None:
            values[key] = each.choices[trial.suggest_categorical(key, [*range(len(each.choices))])]
        elif whole_numbers(each):
            values[key] = trial.suggest_int(key, int(each.low or 0), int(each.high or 0))
        else:
            drawn = trial.suggest_float(key, each.low, each.high, log=each.log)
            values[key] = float(f"{drawn:.4g}")
    return values
