"""Adapters that a method brings of its own: what the configs of a run and of `adapt` share."""

from __future__ import annotations

from typing import Protocol, TypeVar

from driftseg.learners.settings import MethodSettings
from driftseg.models.adapters.settings import AdapterSettings, with_own_kind


class _Config(Protocol):
    @property
    def method(self) -> MethodSettings: ...
    @property
    def adapters(self) -> AdapterSettings | None: ...


Config = TypeVar("Config", bound=_Config)


def with_adapters_of_the_method(config: Config) -> Config:
    """The config, whose section ``adapters`` says which adapters its method brings, if any.

    Raises:
        ValueError: the section has another kind.
    """
    learner = config.method.learner_settings
    found = with_own_kind(config.adapters, learner.adapter_kind, method=learner.name)
    if found is not config.adapters:
        object.__setattr__(config, "adapters", found)  # settings are frozen for all others
    return config
