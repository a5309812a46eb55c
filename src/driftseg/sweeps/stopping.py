"""The stop rule for hopeless runs: a pruner of Optuna over the running mIoU at visits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from driftseg.config.run import RunConfig
from driftseg.sweeps import extras
from driftseg.sweeps.settings import StopSettings

WORLD = (
    "target", "schedule", "severity", "camera", "weather_seed", "order", "crop", "stream_seed",
    "score_in",
)  # fmt: skip
"""Settings that define the stream; scores of different streams are not compared."""


class StopRule:
    """Asks Optuna's pruner whether a run is hopeless, compared with finished runs.

    Args:
        settings: of the rule.
    """

    def __init__(self, settings: StopSettings):
        self._settings = settings
        self._optuna = extras.optuna()
        self._studies: dict[str, Any] = {}
        self._trials: dict[str, Any] = {}
        self._reported: dict[str, int] = {}

    def finished(self, key: str, config: RunConfig, at_visits: Sequence[float]) -> None:
        """Adds a finished run; later verdicts compare with it."""
        self._report(key, config, at_visits)
        study, trial = self._study(config), self._trials.pop(key)
        if at_visits:
            study.tell(trial, at_visits[-1])
        else:
            study.tell(trial, state=self._optuna.trial.TrialState.FAIL)

    def verdict(self, key: str, config: RunConfig, at_visits: Sequence[float]) -> str | None:
        """The reason to stop a run; None if it continues."""
        if not self._report(key, config, at_visits):
            return None
        if not self._trials[key].should_prune():
            return None
        study = self._study(config)
        self._trials.pop(key)
        visit = len(at_visits)
        done = self._optuna.trial.TrialState.COMPLETE
        others = [
            trial.intermediate_values[visit]
            for trial in study.get_trials(deepcopy=False, states=(done,))
            if visit in trial.intermediate_values
        ]
        share = "median" if self._settings.pruner == "median" else (
            f"{self._settings.percentile:g}th percentile"
        )  # fmt: skip
        return (
            f"stopped after visit {visit}: its best running mIoU, {max(at_visits):.1f} %, is below "
            f"the {share} of {len(others)} finished runs at that visit"
        )

    def _report(self, key: str, config: RunConfig, at_visits: Sequence[float]) -> bool:
        """Reports new visits to Optuna; returns whether there are any."""
        if key not in self._trials:
            self._trials[key] = self._study(config).ask()
            self._reported[key] = 0
        known = self._reported[key]
        for visit, value in enumerate(at_visits[known:], known + 1):
            self._trials[key].report(value, visit)
        self._reported[key] = max(known, len(at_visits))
        return len(at_visits) > known

    def _study(self, config: RunConfig) -> Any:
        values = config.model_dump(mode="json")
        world = json.dumps({name: values.get(name) for name in WORLD}, sort_keys=True, default=str)
        if world not in self._studies:
            self._studies[world] = self._optuna.create_study(
                direction="maximize", pruner=self._pruner()
            )
        return self._studies[world]

    def _pruner(self) -> Any:
        asked = {
            "n_startup_trials": self._settings.at_least,
            "n_warmup_steps": self._settings.after_visits,
        }
        if self._settings.pruner == "median":
            return self._optuna.pruners.MedianPruner(**asked)
        # Optuna's percentile is the share of runs to keep; the setting is the share to stop.
        kept = 100 - self._settings.percentile
        return self._optuna.pruners.PercentilePruner(kept, **asked)
