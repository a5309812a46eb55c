"""All trackers by their names in configs, and the config section ``trackers``."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler, SerializeAsAny
from pydantic_core import CoreSchema, core_schema

from driftseg.errors import InputError
from driftseg.parts import PartTable, Pick
from driftseg.trackers.contract import TrackerSettings

TRACKERS: PartTable[TrackerSettings] = PartTable(
    "tracker",
    {
        "tensorboard": "driftseg.trackers.tensorboard:TensorboardSettings",
        "wandb": "driftseg.trackers.wandb:WandbSettings",
        "mlflow": "driftseg.trackers.mlflow:MlflowSettings",
    },
    group="driftseg.trackers",
    kind=TrackerSettings,
    key="kind",
)


class _NameAlone:
    """Reads ``tensorboard`` as ``{kind: tensorboard}``."""

    def __call__(self, value: Any) -> Any:
        return {TRACKERS.key: value} if isinstance(value, str) else value

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, handler(schema)]}


def _listed(value: Any) -> Any:
    return value if value is None or isinstance(value, list | tuple) else [value]


Tracking = Annotated[
    list[Annotated[SerializeAsAny[TrackerSettings], Pick(TRACKERS), _NameAlone()]],
    BeforeValidator(_listed),
]
"""A config's section ``trackers``: names, or sections with ``kind``."""


def check_installed(trackers: Sequence[TrackerSettings]) -> None:
    """Refuses a tracker whose library is missing, without importing any.

    Raises:
        InputError: one is missing; the text says how to install it.
    """
    for tracker in trackers:
        for module, install in type(tracker).requires.items():
            if importlib.util.find_spec(module) is None:
                raise InputError(
                    f"trackers: expected the package {module} for {tracker.kind}, got none. "
                    f"To fix: {install}, or take {tracker.kind} out of trackers."
                )
