"""Settings of sweeps and tunings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)

from driftseg.config.run import LabelFreeSettings
from driftseg.settings import Name, Positive, Seed, Settings
from driftseg.stream.schedule import PresetSettings, VisitSettings

_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "KB": 10**3, "MB": 10**6, "GB": 10**9}


def _bytes(value: Any) -> Any:
    """Bytes of a text such as ``2 GiB``; other values are not changed."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", value)
    if found is None or found[2] not in _UNITS:
        raise ValueError(f"expected bytes, such as 2 GiB, got {value!r}. To fix: write 2 GiB")
    return int(float(found[1]) * _UNITS[found[2]])


Bytes = Annotated[PositiveInt, BeforeValidator(_bytes)]


class ResourceSettings(Settings):
    """Resources of one run. Ray starts a run on a node that has them free."""

    cpus: Positive | None = None
    """CPU cores; null takes the number of the run's threads."""
    gpus: NonNegativeFloat = 0
    """GPUs; 0.5 puts two runs on one GPU."""
    memory: Bytes | None = None
    """Bytes, or text such as 2 GiB; null reserves none."""


class StopSettings(Settings):
    """Stops hopeless runs early, by a pruner of Optuna (extra ``tune``).

    After each visit the running mIoU of a run is compared with that of finished runs of the same
    schedule and data at the same visit.
    """

    pruner: Literal["median", "percentile"] = "median"
    percentile: Annotated[float, Field(gt=0, lt=100)] = 25.0
    """Of ``percentile``: runs below this percentile of the finished runs are stopped."""
    after_visits: PositiveInt = 1
    """Visits that every run completes before it can be stopped."""
    at_least: PositiveInt = 4
    """Number of finished runs to compare with; with fewer, no run is stopped."""


class EngineSettings(Settings):
    """How runs are executed. No setting changes a number of a run's record."""

    threads: PositiveInt = 1
    """CPU threads of a run whose config states none. The number of runs at a time on this machine
    is its cores divided by this number."""
    resources: ResourceSettings = ResourceSettings()
    retries: NonNegativeInt = 3
    """How often a run is continued after its worker, its node or its process was lost. A run that
    ends with an error is not repeated."""
    sync: bool = False
    """false: all nodes see the folder of the sweep (one machine, or a shared folder). true: each
    node keeps runs in its own folder; Ray copies their files back."""
    sync_every: Positive = 30.0
    """Seconds between two transfers of a run in progress, with ``sync``."""


Change = dict[str, Any]
"""Dotted keys of a run's config, as for ``--set``, and their values."""


class SweepSettings(EngineSettings):
    """``driftseg sweep``: a base config and its variations."""

    base: Path
    """A config of `driftseg run`. A relative path starts at the sweep file's folder."""
    name: Name | None = None
    """null takes the name of the sweep file."""
    out: Path | None = None
    """The sweep's folder; null takes ``sweeps/NAME``."""
    changes: Change = {}
    """Changes of the base config for all runs."""
    grid: dict[str, list[Any]] = {}
    """Key -> its values. Every combination is a run; the last key varies fastest."""
    runs: list[Change] = []
    """A list of changes. With ``grid``, each is combined with every combination of the grid."""
    stop: StopSettings | None = None


class SearchSettings(Settings):
    """The values of one setting to try: between two numbers, or from a list."""

    low: float | None = None
    high: float | None = None
    log: bool = False
    """Whether the logarithm is sampled uniformly; for learning rates."""
    choices: list[Any] | None = None
    """A list of values, in place of low and high."""

    @model_validator(mode="after")
    def _one_kind(self) -> SearchSettings:
        if (self.choices is None) == (self.low is None or self.high is None):
            raise ValueError(
                f"expected either low and high, or choices, got low={self.low}, high={self.high}, "
                f"choices={self.choices}. To fix: set both numbers, or choices"
            )
        if self.choices is not None and (not self.choices or self.low is not None or self.log):
            raise ValueError(
                f"expected one choice or more, without low, high and log, got {self.choices}, "
                f"low={self.low}, log={self.log}. To fix: leave out low, high and log, or choices"
            )
        if self.low is not None and self.high is not None:
            if self.low >= self.high:
                raise ValueError(
                    f"expected low below high, got {self.low:g} and {self.high:g}. To fix: swap "
                    "or change the two numbers"
                )
            if self.log and self.low <= 0:
                raise ValueError(
                    f"expected low above 0 with log, got {self.low:g}. To fix: set low above 0, "
                    "or leave out log"
                )
        return self


class CandidateSettings(Settings):
    """One method in a tuning."""

    changes: Change = {}
    """Changes of the base config for this method, including method.name."""
    search: Annotated[dict[str, SearchSettings], Field(min_length=1)]
    """Dotted key -> values to try."""


class TuneSettings(EngineSettings):
    """``driftseg tune``: a search for the best settings of each method on a tuning schedule."""

    base: Path
    """A config of `driftseg run` with the schedule that will be reported. A relative path starts
    at the file's folder."""
    name: Name | None = None
    """null takes the name of the file."""
    out: Path | None = None
    """The study's folder; null takes ``studies/NAME``."""
    schedule: PresetSettings | Annotated[list[VisitSettings], Field(min_length=1)]
    """Schedule of the tuning runs. It must differ from the base's, which is reported."""
    changes: Change = {}
    """Changes of the base config for the tuning runs only, such as another target."""
    methods: Annotated[dict[Name, CandidateSettings], Field(min_length=1)]
    """By any name. If the name is a method's, its changes need no ``method.name``."""
    trials: PositiveInt
    """Runs of each method: all have the same budget. It can be raised later."""
    sampler: Literal["random", "tpe"] = "random"
    """random: both rules of selection choose among the same trials. tpe: the trials follow the
    scores of earlier ones, so each rule has its own study with this number of trials."""
    seed: Seed = 0
    """Seed of the sampler."""
    label_free: LabelFreeSettings
    """Held-out source frames and augmented views, for selection without target labels."""
