"""The base class and the common types of all settings."""

from __future__ import annotations

import re
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import ErrorDetails

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Range = tuple[Positive, Positive]
"""Two numbers, the smaller one first."""
Pixels = Annotated[int, Field(ge=32)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]+$")]
"""Becomes a part of file names: letters, digits and _ . + - only."""


def _no_early_head(names: list[str]) -> list[str]:
    if "early_head" in names:
        raise ValueError(
            "expected parts that can learn on the stream, got early_head, which the drift signal "
            "needs unchanged. To fix: leave early_head out"
        )
    return names


TrainableSet = Annotated[list[str], Field(min_length=1), AfterValidator(_no_early_head)]
"""Names of parts of the network. The network itself checks them."""


class Settings(BaseModel):
    """Base of all settings. Unknown keys are errors. Values do not change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def is_none(value: object) -> bool:
    """Whether a field is not set. Records leave such fields out, so that config hashes stay."""
    return value is None


def is_changed(section: Settings, name: str) -> bool:
    """Whether a setting differs from its default."""
    return bool(getattr(section, name) != type(section).model_fields[name].get_default())


def in_order(values: tuple[float, float]) -> tuple[float, float]:
    """Validates a `Range`."""
    if values[0] > values[1]:
        raise ValueError(
            f"expected the smaller number first, got {shown(values)}. To fix: swap the two numbers"
        )
    return values


def shown(value: Any) -> str:
    """A value in an error message: text in quotes, everything else as YAML writes it."""
    if isinstance(value, str):
        return repr(value)
    try:
        given = list(value) if isinstance(value, tuple) else value
        text = yaml.safe_dump(given, default_flow_style=True, sort_keys=False, width=10**6)
    except yaml.YAMLError:
        return f"a {type(value).__name__}"
    return text.removesuffix("...\n").strip()


def wrong_value(fault: ErrorDetails) -> str:
    """One error of pydantic as ``expected X, got Y``."""
    text = re.sub(r"^Input should be |^Input should ", "", fault["msg"])
    text = re.sub(r"^(greater|less) ", r"a number \1 ", text)
    text = re.sub(r"^(List|Tuple) should have (.*) after .*", r"a list of \2", text)
    text = re.sub(r"^String should match pattern", "a text that matches the pattern", text)
    text = re.sub(r", unable to parse string.*", "", text)
    text = re.sub(r"^a valid dictionary.*", "keys and values", text)
    return f"expected {text}, got {shown(fault['input'])}"
