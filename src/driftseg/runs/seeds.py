"""Whether the seed can change a number of a run; one run then does not stand for every seed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from driftseg.config.run import RunConfig
from driftseg.learners.settings import MethodSettings
from driftseg.methods.table import METHODS


def depends_on_seed(config: RunConfig) -> bool:
    """Of a checked config."""
    fresh = config.adapters is not None and config.adapters.file is None
    return fresh or _drawn(config.method, calibrated=config.calibration is not None)


def recorded_depends_on_seed(config: Mapping[str, Any]) -> bool:
    """Of the config in a record, also in one of another version.

    A method that cannot be loaded here may draw anything.
    """
    adapters = config.get("adapters")
    if adapters is not None and adapters.get("file") is None:
        return True
    method = json.dumps(config["method"], sort_keys=True)
    return _recorded(method, calibrated=config.get("calibration") is not None)


@lru_cache(maxsize=256)
def _recorded(method: str, *, calibrated: bool) -> bool:
    values = json.loads(method)
    try:
        kind = METHODS.find(values["name"])
        try:
            settings = kind.model_validate(values)
        except ValidationError:  # of another version, which had other settings
            settings = kind.model_construct(**values)
        return _drawn(settings, calibrated=calibrated)
    except Exception:  # code of a user's own, which may be gone or have changed
        return True


def _drawn(method: MethodSettings, *, calibrated: bool) -> bool:
    return method.random or (calibrated and method.needs_calibration)
