"""Tuning: Optuna proposes settings, Ray executes the runs, and two rules choose.

The rules are ``oracle``, which uses labels of the tuning stream, and ``label_free``, which does
not. The study is an SQLite file; only the driver opens it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from driftseg.config.loading import load
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.evaluation.continual import harmonic_mean
from driftseg.report.summary import flat, stream_scores
from driftseg.runs.label_free import FILE
from driftseg.runs.record import read_run
from driftseg.sweeps import extras
from driftseg.sweeps.driving import Driver, Show, SweepRun, Tell
from driftseg.sweeps.expansion import key_of, resolve
from driftseg.sweeps.places import read_json
from driftseg.sweeps.settings import CandidateSettings, TuneSettings
from driftseg.sweeps.tuning_file import suggested, tuning_config

Rule = Literal["oracle", "label_free"]
RULES: tuple[Rule, ...] = ("oracle", "label_free")
SETTINGS = "driftseg"
"""Attribute of a study: the settings that its trials depend on."""
KEY = "run"
"""Attribute of a trial: the key of its run."""
NUMBERS = ("oracle", "label_free", "source_mean_iou", "agreement")
"""Attributes of a trial, all in percent."""


@dataclass
class Study:
    """One method under one sampler."""

    method: str
    rule: Rule | None
    """The rule whose score the sampler follows; None if it follows none."""
    candidate: CandidateSettings
    study: Any
    running: dict[str, list[Any]] = field(default_factory=dict)
    """Key of a run -> its trial."""

    @property
    def label(self) -> str:
        """The name in tables."""
        return self.method if self.rule is None else f"{self.method}, {self.rule}"


class Tuner:
    """Proposes trials, reports their scores and holds the studies.

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
        # All studies are checked before the first is made, so an error leaves none.
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
        """Per method, the settings of its trials, without budget and resources."""
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
        # A continued study must not draw the same numbers again.
        seed = (self.settings.seed + 7919 * len(study.get_trials(deepcopy=False))) % 2**31
        samplers = self._optuna.samplers
        study.sampler = (
            samplers.RandomSampler(seed=seed)
            if rule is None
            else samplers.TPESampler(seed=seed, constant_liar=True)
        )
        return Study(method, rule, candidate, study)

    def take_up(self) -> list[tuple[Study, str, RunConfig]]:
        """Trials that an earlier command left running; their runs continue."""
        found = []
        for each in self.studies:
            for frozen in each.study.get_trials(states=(self._optuna.trial.TrialState.RUNNING,)):
                trial = self._optuna.trial.Trial(each.study, frozen._trial_id)
                found.append((each, *self._run_of(each, trial)))
        return found

    def propose(self, each: Study) -> tuple[str, RunConfig] | None:
        """The next trial's run; None if the budget is used up, or no score can come of it."""
        trials = each.study.get_trials(deepcopy=False)
        if len(trials) >= self.settings.trials or self._cannot_score(each, trials):
            return None
        return self._run_of(each, each.study.ask())

    def _cannot_score(self, each: Study, trials: Sequence[Any]) -> bool:
        """Whether a run has ended well without a score: the target has no labels for the oracle."""
        failed = [t for t in trials if t.state == self._optuna.trial.TrialState.FAIL]
        return each.rule == "oracle" and any("label_free" in t.user_attrs for t in failed)

    def _run_of(self, each: Study, trial: Any) -> tuple[str, RunConfig]:
        values = suggested(trial, each.candidate)
        config = tuning_config(self.settings, each.method, values, str(self._file))
        key = key_of(config)
        trial.set_user_attr(KEY, key)
        each.running.setdefault(key, []).append(trial)
        return key, config

    def tell(self, each: Study, row: SweepRun) -> None:
        """Reports an ended run to all of its trials; two trials may have drawn equal settings.

        The trials of a failed run stay open, so they can be repeated.
        """
        trials = each.running.pop(row.key)
        if row.state == "failed":
            return
        numbers = numbers_of(row.folder) if row.state == "finished" and row.folder else {}
        rules = RULES if each.rule is None else (each.rule,)
        scores = [numbers[rule] for rule in rules if rule in numbers]
        for trial in trials:
            for name, value in numbers.items():
                trial.set_user_attr(name, value)
            if scores:
                each.study.tell(trial, scores[0])  # a random sampler reads no score
            else:
                each.study.tell(trial, state=self._optuna.trial.TrialState.FAIL)

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
        """The trial that a rule chooses, the first of equal ones; None if none is scored."""
        scored = [t for t in self.trials(method, rule) if t.user_attrs.get(rule) is not None]
        return max(scored, key=lambda t: (t.user_attrs[rule], -t.number), default=None)


def numbers_of(folder: Path) -> dict[str, float]:
    """Both rules' scores of a finished run, and the parts of the label-free one.

    A score that there is no number for is left out: a target without labels has no oracle.
    """
    found = read_json(folder / FILE)
    told = {
        "oracle": harmonic_mean(stream_scores(read_run(folder))),
        "label_free": found.get("score"),
        "source_mean_iou": found.get("source_mean_iou"),
        "agreement": found.get("agreement"),
    }
    return {name: float(n) for name, n in told.items() if n is not None and math.isfinite(n)}


def tune(tuner: Tuner, *, address: str | None, show: Show, tell: Tell) -> list[SweepRun]:
    """Runs all trials that the budget still allows.

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
    """Starts a trial's run, or reports its scores at once if the run has ended already."""
    row = driver.rows.get(key)
    if row is None:
        number = each.running[key][0].number
        row = driver.add(key, f"{each.label} trial {number}", config)
        if row.state == "waiting":
            driver.submit(row)
    if row.state in ("waiting", "running"):
        known = owners.setdefault(key, [])
        if all(one is not each for one in known):
            known.append(each)
    else:
        tuner.tell(each, row)
