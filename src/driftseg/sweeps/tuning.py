"""Tuning: Optuna proposes settings, Ray carries out the runs, and two rules choose.

The rules are ``oracle``, which uses labels of the tuning stream, and ``label_free``, which does
not. The study is an SQLite file; only the driver opens it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from driftseg.config.loading import load
from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.evaluation.continual import harmonic_mean
from driftseg.report.summary import flat, stream_scores
from driftseg.runs.label_free import FILE
from driftseg.runs.record import read_run
from driftseg.stream.schedule import Visit, make_schedule
from driftseg.sweeps import extras
from driftseg.sweeps.driving import Driver, Row, Show, Tell
from driftseg.sweeps.expansion import key_of, resolve
from driftseg.sweeps.places import read_json
from driftseg.sweeps.settings import CandidateSettings, TuneSettings

Rule = Literal["oracle", "label_free"]
RULES: tuple[Rule, ...] = ("oracle", "label_free")
SETTINGS = "driftseg"
"""Attribute of a study: what its trials depend on."""
KEY = "run"
"""Attribute of a trial: the key of its run."""
NUMBERS = ("oracle", "label_free", "source_mean_iou", "agreement")
"""Attributes of a trial, all in percent."""


@dataclass
class Study:
    """One method under one sampler."""

    method: str
    rule: Rule | None
    """Whose score the sampler follows; None where it follows none."""
    candidate: CandidateSettings
    study: Any
    running: dict[str, Any] = field(default_factory=dict)
    """Key of a run -> its trial."""

    @property
    def label(self) -> str:
        """As in a table."""
        return self.method if self.rule is None else f"{self.method}, {self.rule}"


def read_tuning(path: Path) -> TuneSettings:
    """A checked file; paths start at its folder.

    Raises:
        InputError: the file, a key or a value is wrong, or it tunes on what is reported.
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
    return int(value) if value is not None and _whole(each) else value


def _whole(each: Any) -> bool:
    """Whether only whole numbers are tried: both ends are, and they are not drawn by logarithm."""
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


class Tuner:
    """Proposes trials, tells their scores, and holds the studies.

    Args:
        settings: from `read_tuning`.

    Raises:
        InputError: Optuna is not installed, or a study was begun with other settings.
    """

    def __init__(self, settings: TuneSettings):
        assert settings.out is not None
        self.settings = settings
        self._optuna = extras.optuna()
        self._file = settings.out / "study.db"
        rules: tuple[Rule | None, ...] = (None,) if settings.sampler == "random" else RULES
        self._facts = self._of_settings()
        settings.out.mkdir(parents=True, exist_ok=True)
        # Every study is checked before any is made, so nothing half-made is left.
        known = set(self._known())
        names = [(m, r, self._name(m, r)) for m in settings.methods for r in rules]
        for method, _, name in names:
            if name in known:
                self._check(method, name)
        self.studies = [self._open(*each) for each in names]

    def _known(self) -> Sequence[str]:
        if not self._file.is_file():
            return ()
        found: Sequence[str] = self._optuna.get_all_study_names(self._url)
        return found

    @property
    def _url(self) -> str:
        return f"sqlite:///{self._file.absolute()}"

    def _name(self, method: str, rule: Rule | None) -> str:
        return f"{method}, {rule or 'both rules'}"

    def _of_settings(self) -> dict[str, dict[str, Any]]:
        """Per method, what its trials depend on; budget and resources are not among it."""
        shared = self.settings.model_dump(mode="json", include={"schedule", "changes", "sampler",
                                                               "seed", "label_free"})  # fmt: skip
        base = resolve(load(self.settings.base), {}, str(self.settings.base))
        shared["base"] = base.model_dump(mode="json", exclude={"out", "threads"})
        return {
            method: {**shared, "methods": {method: candidate.model_dump(mode="json")}}
            for method, candidate in self.settings.methods.items()
        }

    def _check(self, method: str, name: str) -> None:
        study = self._optuna.load_study(study_name=name, storage=self._url)
        before = study.user_attrs.get(SETTINGS)
        now = json.loads(json.dumps(self._facts[method], default=str))
        if before == now:
            return
        old, new = flat(before), flat(now)
        apart = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        raise InputError(
            f"{self._file}: expected the settings that the study began with, got another "
            f"{', '.join(apart[:3])}. To fix: put {'it' if len(apart) == 1 else 'them'} back, or "
            "name another folder with --out"
        )

    def _open(self, method: str, rule: Rule | None, name: str) -> Study:
        candidate = self.settings.methods[method]
        study = self._optuna.create_study(
            study_name=name, storage=self._url, direction="maximize", load_if_exists=True,
        )  # fmt: skip
        if SETTINGS not in study.user_attrs:
            study.set_user_attr(SETTINGS, self._facts[method])
        # A study that goes on draws other numbers than it has drawn already.
        seed = (self.settings.seed + 7919 * len(study.get_trials(deepcopy=False))) % 2**31
        samplers = self._optuna.samplers
        study.sampler = (
            samplers.RandomSampler(seed=seed)
            if rule is None
            else samplers.TPESampler(seed=seed, constant_liar=True)
        )
        return Study(method, rule, candidate, study)

    def take_up(self) -> list[tuple[Study, str, RunConfig]]:
        """Trials that an earlier command left running: their runs go on."""
        found = []
        for each in self.studies:
            for frozen in each.study.get_trials(states=(self._optuna.trial.TrialState.RUNNING,)):
                trial = self._optuna.trial.Trial(each.study, frozen._trial_id)
                found.append((each, *self._run_of(each, trial)))
        return found

    def propose(self, each: Study) -> tuple[str, RunConfig] | None:
        """The next trial's run; None where the budget is used up."""
        if len(each.study.get_trials(deepcopy=False)) >= self.settings.trials:
            return None
        return self._run_of(each, each.study.ask())

    def _run_of(self, each: Study, trial: Any) -> tuple[str, RunConfig]:
        values = suggested(trial, each.candidate)
        config = tuning_config(self.settings, each.method, values, str(self._file))
        key = key_of(config)
        trial.set_user_attr(KEY, key)
        each.running[key] = trial
        return key, config

    def tell(self, each: Study, row: Row) -> None:
        """A run has ended. The trial of a failed one stays open for the same command again."""
        trial = each.running.pop(row.key)
        if row.state == "failed":
            return
        numbers = numbers_of(row.folder) if row.state == "finished" and row.folder else {}
        for name, value in numbers.items():
            trial.set_user_attr(name, value)
        score = numbers.get(each.rule or "oracle")
        if score is None or score != score:
            each.study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        else:
            each.study.tell(trial, score)

    def trials(self, method: str, rule: Rule) -> list[Any]:
        """Scored trials that a rule may choose among."""
        done = self._optuna.trial.TrialState.COMPLETE
        return [
            trial
            for each in self.studies
            if each.method == method and each.rule in (None, rule)
            for trial in each.study.get_trials(deepcopy=False, states=(done,))
        ]

    def best(self, method: str, rule: Rule) -> Any:
        """The trial that a rule chooses; None where none is scored. The first of equal ones."""
        scored = [t for t in self.trials(method, rule) if t.user_attrs.get(rule) is not None]
        return max(scored, key=lambda t: (t.user_attrs[rule], -t.number), default=None)


def suggested(trial: Any, candidate: CandidateSettings) -> dict[str, Any]:
    """The values of a trial; choices are stored by their position."""
    values: dict[str, Any] = {}
    for key, each in candidate.search.items():
        if each.choices is not None:
            values[key] = each.choices[trial.suggest_categorical(key, [*range(len(each.choices))])]
        elif _whole(each):
            values[key] = trial.suggest_int(key, int(each.low or 0), int(each.high or 0))
        else:
            drawn = trial.suggest_float(key, each.low, each.high, log=each.log)
            values[key] = float(f"{drawn:.4g}")
    return values


def numbers_of(folder: Path) -> dict[str, float]:
    """Both rules' scores of a finished run, and what the label-free one is made of."""
    found = read_json(folder / FILE)
    told = {
        "oracle": harmonic_mean(stream_scores(read_run(folder))),
        "label_free": found.get("score"),
        "source_mean_iou": found.get("source_mean_iou"),
        "agreement": found.get("agreement"),
    }
    return {name: float(value) for name, value in told.items() if value is not None}


def tune(tuner: Tuner, *, address: str | None, show: Show, tell: Tell) -> list[Row]:
    """Carries out all trials that the budget still allows.

    Raises:
        InputError: as `Driver`.
    """
    settings = tuner.settings
    assert settings.out is not None
    driver = Driver(settings.out, settings, address=address, stop=None, show=show, tell=tell)
    owners: dict[str, list[Study]] = {}
    with driver:
        for each, key, config in tuner.take_up():
            _begin(driver, owners, tuner, each, key, config)
        while True:
            for each in tuner.studies:
                while driver.open < driver.slots():
                    proposed = tuner.propose(each)
                    if proposed is None:
                        break
                    _begin(driver, owners, tuner, each, *proposed)
            if not driver.open:
                return [*driver.rows.values()]
            for row in driver.step():
                for each in owners.pop(row.key):
                    tuner.tell(each, row)


def _begin(
    driver: Driver,
    owners: dict[str, list[Study]],
    tuner: Tuner,
    each: Study,
    key: str,
    config: RunConfig,
) -> None:
    """Starts a trial's run, or tells its scores at once where the run is there already."""
    row = driver.rows.get(key)
    if row is None:
        number = each.running[key].number
        row = driver.add(key, f"{each.label} trial {number}", config)
        if row.state == "waiting":
            driver.submit(row)
    if row.state in ("waiting", "running"):
        owners.setdefault(key, []).append(each)
    else:
        tuner.tell(each, row)
