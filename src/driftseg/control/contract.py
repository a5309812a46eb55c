"""What control and learning say to each other; no torch.

A controller decides when, how much and which part of a network learns. It sees the drift signal
and times, never an image, a weight or a label.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from driftseg.control.drift import Event


@dataclass(frozen=True)
class Seen:
    """What a controller is told before it decides about a frame."""

    paused: bool = False
    """Whether the guard has paused learning."""
    elapsed_ms: Callable[[], float] = lambda: 0.0
    """Milliseconds since the frame came, read when it is called."""


@dataclass(frozen=True)
class Order:
    """What is to be done with one frame."""

    train: bool
    choice: int | None = None
    """Which tensors learn, by number; None is all that are trainable."""
    learning_rate: float | None = None
    """Of the encoder; None is the learner's own."""
    mix_ratio: float | None = None
    """Share of a source label's classes that ClassMix pastes; None is the learner's own."""
    one_rate: bool = False
    """Whether heads learn no faster than the encoder."""
    skipped: str | None = None
    """Why a frame that was to be trained on is not."""


@dataclass(frozen=True)
class Step:
    """What a learner did with an order."""

    made: bool
    """Whether the weights or statistics moved."""
    losses: Mapping[str, float] = field(default_factory=dict)
    reward_loss: float | None = None
    """The loss by which choices are compared; None where there is none."""
    learning_rate: float | None = None
    """The rate used, of the encoder."""
    reason: str | None = None
    """Why the step was not made."""


class Controller(Protocol):
    """Decides about every frame. `driftseg.control.when` holds the package's own."""

    @property
    def needs_signal(self) -> bool:
        """Whether ``observe`` wants the drift signal."""
        ...

    @property
    def finds_changes(self) -> bool:
        """Whether ``observe`` may return events."""
        ...

    def order(self, seen: Seen) -> Order:
        """The order for this frame; called once a frame."""
        ...

    def done(self, order: Order, step: Step | None, milliseconds: float | None) -> None:
        """What became of the order; called once a frame.

        Args:
            order: as given.
            step: None where nothing was tried.
            milliseconds: of the step; None where none was made.
        """
        ...

    def observe(self, signal: float) -> Event | None:
        """Takes the frame's drift signal; an event when the world has changed."""
        ...

    def to_measure(self) -> Sequence[Order]:
        """Orders whose cost is to be measured before the next frame; usually none."""
        ...

    def answered(self, milliseconds: float) -> None:
        """An answer took this long."""
        ...

    def measured(self, order: Order, milliseconds: float) -> None:
        """An order of ``to_measure`` took this long."""
        ...

    def told(self, order: Order, step: Step | None) -> dict[str, Any]:
        """Columns of the record: ``plan`` and ``detector``, each a dict or None."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """For exact continuation. It may be asked between ``order`` and ``done`` of a frame."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues."""
        ...
