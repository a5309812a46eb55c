"""The description of adapters: kind, place and width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, get_args

from driftseg.errors import InputError, commas
from driftseg.models.encoders.sites import Target

Kind = Literal["adaptformer", "bottleneck", "lora", "convpass", "convolution", "vida"]
Where = Literal["block", "stage"]
Activation = Literal["relu", "gelu"]

KINDS: tuple[Kind, ...] = get_args(Kind)
PLACES: tuple[Where, ...] = get_args(Where)
TARGETS: tuple[Target, ...] = get_args(Target)
ALL_STAGES = (1, 2, 3, 4)
LINEAR: tuple[Kind, ...] = ("lora", "vida")
"""Kinds that add a matrix to that of a layer, and can therefore be merged into it."""

ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)

WIDEST = 4096
"""Largest number of channels: far above any useful value, far below memory limits."""
_SIZE = ("width", "ratio")

DEFAULTS: dict[Kind, dict[str, Any]] = {
    "adaptformer": {"width": 64, "dropout": 0.1, "scale": 0.1, "learnable_scale": False},
    "bottleneck": {
        "ratio": 1 / 16, "activation": "relu", "dropout": 0.0, "scale": 1.0,
        "learnable_scale": False,
    },
    "lora": {"rank": 8, "alpha": 8.0, "targets": ("query", "value"), "dropout": 0.0},
    "convpass": {"width": 8, "dropout": 0.1, "scale": 1.0},
    "convolution": {
        "ratio": 1 / 4, "depthwise": True, "activation": "relu", "dropout": 0.0, "scale": 1.0
    },
    "vida": {"rank": 1, "high_rank": 128, "targets": TARGETS},
}  # fmt: skip
"""The settings of each kind and their defaults: the published ones, if there are any
(docs/adapters.md). A ratio can always replace a width."""


@dataclass(frozen=True, kw_only=True)
class AdapterSpec:
    """Adapters of one kind; made and checked by `adapter_spec`.

    Fields that a kind does not have keep their default and are not used.
    """

    kind: Kind
    where: Where = "block"
    stages: tuple[int, ...] = ALL_STAGES
    """1 to 4."""
    width: int | None = None
    """Channels of the bottleneck; None if ``ratio`` is set."""
    ratio: float | None = None
    """Channels of the bottleneck relative to the width of the adapter's place."""
    rank: int = 0
    high_rank: int = 0
    """Of the second branch of vida, whose first has ``rank``."""
    alpha: float = 0.0
    """A low-rank update is scaled by alpha / rank."""
    targets: tuple[Target, ...] = ()
    activation: Activation = "relu"
    depthwise: bool = False
    """Whether a convolution is depthwise; otherwise it connects all channels."""
    dropout: float = 0.0
    scale: float = 1.0
    learnable_scale: bool = False
    """Whether ``scale`` is the start of a learnt factor, one per adapter."""

    def width_at(self, channels: int) -> int:
        """Channels of the bottleneck at a place with ``channels`` channels."""
        if self.width is not None:
            return self.width
        assert self.ratio is not None
        return max(1, round(self.ratio * channels))

    def facts(self) -> dict[str, Any]:
        """The description in JSON types, with the kind's settings only."""
        names = ("where", "stages", *_options(self.kind))
        values = {name: getattr(self, name) for name in names}
        plain = {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}
        return {"kind": self.kind, **plain}


def adapter_spec(
    kind: Kind, *, where: Where = "block", stages: Sequence[int] = ALL_STAGES, **options: Any
) -> AdapterSpec:
    """Adapters of one kind, with the kind's defaults for settings that are None.

    Args:
        kind: one of ``KINDS``.
        where: in every block of the stages, or on the output map of each stage.
        stages: 1 to 4.
        options: the kind's settings, see ``DEFAULTS``; None takes the default.

    Raises:
        InputError: an unknown kind, place, stage, target or activation, a setting that the kind
            does not have, or an invalid value.
    """
    _check_one_of("kind", [kind], KINDS)
    _check_one_of("where", [where], PLACES)
    _check_one_of("stages", stages, ALL_STAGES)
    options = {name: value for name, value in options.items() if value is not None}
    for name, value in options.items():
        if name not in _options(kind):
            raise InputError(
                f"adapters: expected settings of {kind} ({commas(_options(kind))}), got {name}. "
                f"To fix: leave out {name}"
            )
        _check_value(name, value)
    if all(name in options for name in _SIZE):
        raise InputError("adapters: expected width or ratio, got both. To fix: set one of them")
    if "targets" in options:
        options["targets"] = _in_order(options["targets"])
    values = dict(DEFAULTS[kind])
    if any(name in options for name in _SIZE):
        values |= dict.fromkeys(_SIZE)
    values |= options
    return AdapterSpec(kind=kind, where=where, stages=tuple(sorted(set(stages))), **values)


def _options(kind: Kind) -> list[str]:
    known = [*DEFAULTS[kind]]
    if set(_SIZE).intersection(known):
        known = [*_SIZE, *(name for name in known if name not in _SIZE)]
    return known


def _check_value(name: str, value: Any) -> None:
    """Whether an option is valid; ``targets`` are checked where they are sorted."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    whole = number and isinstance(value, int)
    wanted: dict[str, tuple[bool, str]] = {
        "width": (whole and 1 <= value <= WIDEST, f"a whole number from 1 to {WIDEST}"),
        "rank": (whole and value >= 1, "a whole number from 1 on"),
        "high_rank": (whole and value >= 1, "a whole number from 1 on"),
        "ratio": (
            number and 0 < value <= 1,
            "the bottleneck's width over the place's, above 0 and up to 1 (a reduction by 16 is "
            "the ratio 0.0625)",
        ),
        "alpha": (number and value > 0, "a number above 0"),
        "scale": (number and value > 0, "a number above 0 (at 0 nothing would ever learn)"),
        "dropout": (number and 0 <= value < 1, "a number from 0 to below 1"),
        "activation": (value in ACTIVATIONS, f"one of {commas(ACTIVATIONS)}"),
        "depthwise": (isinstance(value, bool), "true or false"),
        "learnable_scale": (isinstance(value, bool), "true or false"),
    }
    fine, text = wanted.get(name, (True, ""))
    if not fine:
        raise InputError(
            f"adapters: {name}: expected {text}, got {value!r}. To fix: set {name} to such a value"
        )


def _in_order(targets: Sequence[str]) -> tuple[Target, ...]:
    _check_one_of("targets", targets, TARGETS)
    return tuple(target for target in TARGETS if target in targets)


def _check_one_of(name: str, given: Sequence[object], known: Sequence[object]) -> None:
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise InputError(
            f"adapters: {name}: expected a list of some of {commas(known)}, got {given!r}. To fix: "
            f"set {name} to such a list"
        )
    wrong = [value for value in given if value not in known or isinstance(value, float)]
    if wrong or not given:
        raise InputError(
            f"adapters: {name}: expected some of {commas(known)}, got {commas(given)}. To fix: set "
            f"{name} to such a list"
        )
