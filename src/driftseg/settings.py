"""What all config sections are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Range = tuple[Positive, Positive]
"""From the smaller to the larger."""
Pixels = Annotated[int, Field(ge=32)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]+$")]
"""Part of file names: letters, digits and _ . + - only."""


def _no_early_head(names: list[str]) -> list[str]:
    if "early_head" in names:
        raise ValueError(
            "early_head cannot be trained beside the stream: the drift signal compares with what "
            "the source model's says"
        )
    return names


TrainableSet = Annotated[list[str], Field(min_length=1), AfterValidator(_no_early_head)]
"""Names of parts of the network, checked against the network itself."""


class Settings(BaseModel):
    """Base of all settings: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def is_none(value: object) -> bool:
    """For fields that came later: left out of records while they are not set, so hashes stay."""
    return value is None


def is_changed(section: Settings, name: str) -> bool:
    """Whether a setting is not its default; a record names every setting, changed or not."""
    return bool(getattr(section, name) != type(section).model_fields[name].get_default())


def in_order(values: tuple[float, float]) -> tuple[float, float]:
    """Validates a `Range`."""
    if values[0] > values[1]:
        raise ValueError("wanted the smaller number first")
    return values
