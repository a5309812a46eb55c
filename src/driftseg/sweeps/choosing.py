"""The settings that a tuning chose: tables, and configs for `driftseg run`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from driftseg.config.run import RunConfig
from driftseg.report.writing import write_whole
from driftseg.sweeps.driving import SweepRun
from driftseg.sweeps.tuning import KEY, NUMBERS, RULES, Rule, Tuner
from driftseg.sweeps.tuning_file import chosen_config, suggested


@dataclass(frozen=True)
class Choice:
    """The settings that one rule chose for one method."""

    method: str
    rule: Rule
    """``oracle`` or ``label_free``."""
    trial: int
    """The number of the trial."""
    values: Mapping[str, Any]
    """The chosen settings."""
    numbers: Mapping[str, float]
    """Scores on the tuning stream, in percent."""
    config: Path
    """A config for `driftseg run`, with the base's schedule."""


@dataclass(frozen=True)
class Tuned:
    """The result of a tuning."""

    choices: Sequence[Choice]
    """One per method and rule."""
    trials: Mapping[str, int]
    """Number of scored trials of each method."""
    rows: Sequence[SweepRun]
    """The runs of this call."""
    numbers: Path
    """A CSV file with all trials."""
    sweep: Path | None
    """A sweep of all chosen settings with three seeds; None if nothing was chosen."""

    @property
    def failed(self) -> list[SweepRun]:
        """Runs of this call that failed."""
        return [row for row in self.rows if row.state == "failed"]


def write_choices(tuner: Tuner, rows: Sequence[SweepRun]) -> Tuned:
    """Writes `trials.csv`, `choices.csv`, one config per method and rule, and a sweep of them.

    Raises:
        InputError: a file cannot be written.
    """
    folder = tuner.settings.out
    assert folder is not None
    choices, configs = [], []
    for method in tuner.settings.methods:
        for rule in RULES:
            trial = tuner.best(method, rule)
            if trial is None:
                continue
            values = values_of(tuner, method, trial)
            path = folder / "chosen" / f"{method}_{rule}.yaml"
            numbers = {name: trial.user_attrs[name] for name in NUMBERS if name in trial.user_attrs}
            config = chosen_config(tuner.settings, method, dict(values))
            _write_config(tuner, config, rule, values, numbers, trial.number, path)
            configs.append(config)
            choices.append(Choice(method, rule, trial.number, values, numbers, path))
    trials = _write_trials(tuner, folder / "trials.csv")
    _write_table(choices, folder / "choices.csv")
    counted = {
        method: max(len(tuner.trials(method, rule)) for rule in RULES)
        for method in tuner.settings.methods
    }
    sweep = _write_sweep(configs, choices, folder) if choices else None
    return Tuned(choices, counted, rows, trials, sweep)


class _Stored:
    """A trial whose values are known, for `suggested`."""

    def __init__(self, params: Mapping[str, Any]):
        self._params = params

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._params[name]

    def suggest_int(self, name: str, low: int, high: int) -> Any:
        return self._params[name]

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> Any:
        return self._params[name]


def values_of(tuner: Tuner, method: str, trial: Any) -> dict[str, Any]:
    """Dotted keys and values of a trial."""
    return suggested(_Stored(trial.params), tuner.settings.methods[method])


def _write_config(
    tuner: Tuner,
    config: RunConfig,
    rule: Rule,
    values: Mapping[str, Any],
    numbers: Mapping[str, float],
    trial: int,
    path: Path,
) -> None:
    told = ", ".join(f"{key}={value}" for key, value in values.items())
    by = "with labels of the tuning stream" if rule == "oracle" else "without target labels"
    lines = [
        f"# Chosen by driftseg tune for {config.method.name}, {by} (rule {rule}).",
        f"# Trial {trial} of {tuner.settings.trials}: {told}",
        "# On the tuning stream: " + ", ".join(f"{k} {v:.2f} %" for k, v in numbers.items()),
    ]
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
    write_whole(path, "\n".join(lines) + "\n" + text, what="the chosen config")


def _write_sweep(configs: Sequence[RunConfig], choices: Sequence[Choice], folder: Path) -> Path:
    """All chosen settings on the reported schedule, with three seeds.

    The base is the first config; a run changes every section in which any two configs differ.
    """
    dumped = [config.model_dump(mode="json") for config in configs]
    first = dumped[0]
    keys = dict.fromkeys(key for each in dumped for key in each)  # some leave out what is null
    differ = [key for key in keys if any(each.get(key) != first.get(key) for each in dumped)]
    values = {
        "base": str(choices[0].config.relative_to(folder)),
        "name": f"{folder.name}_chosen",
        "runs": [{key: each.get(key) for key in differ} for each in dumped],
        "grid": {"seed": [0, 1, 2]},
    }
    path = folder / "chosen_sweep.yaml"
    told = f"# All chosen settings on the reported schedule: driftseg sweep {path}\n"
    rules = ", ".join(f"{each.method} ({each.rule})" for each in choices)
    text = yaml.safe_dump(values, sort_keys=False)
    write_whole(path, f"{told}# runs: {rules}\n{text}", what="the sweep of chosen settings")
    return path


def _write_trials(tuner: Tuner, path: Path) -> Path:
    keys = list(dict.fromkeys(
        key for candidate in tuner.settings.methods.values() for key in candidate.search
    ))  # fmt: skip
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", "sampler_follows", "trial", "state", *keys, *NUMBERS, "run"])
    for each in tuner.studies:
        for trial in each.study.get_trials(deepcopy=False):
            complete = set(trial.params) >= set(each.candidate.search)
            values = values_of(tuner, each.method, trial) if complete else {}
            writer.writerow([
                each.method, each.rule or "", trial.number, trial.state.name.lower(),
                *(_cell(values.get(key, "")) for key in keys),
                *(_number(trial.user_attrs.get(name)) for name in NUMBERS),
                trial.user_attrs.get(KEY, ""),
            ])  # fmt: skip
    write_whole(path, text.getvalue(), what="the trials")
    return path


def _write_table(choices: Sequence[Choice], path: Path) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", "rule", "trial", *NUMBERS, "values", "config"])
    for each in choices:
        writer.writerow([
            each.method, each.rule, each.trial,
            *(_number(each.numbers.get(name)) for name in NUMBERS),
            json.dumps(each.values), each.config,
        ])  # fmt: skip
    write_whole(path, text.getvalue(), what="the choices")


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
