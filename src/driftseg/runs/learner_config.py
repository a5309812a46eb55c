"""What a user may set of methods that learn from replay alone, and of those that learn by another.

`driftseg.runs.method_config` holds the others, `driftseg.runs.config` the rest of a run.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from driftseg.runs.method_config import (
    Dacs,
    Detector,
    Hamlet,
    NormStatistics,
    Restyled,
    SourceOnly,
    Tent,
)
from driftseg.settings import Positive, Settings, TrainableSet, is_changed


class ReplayTraining(Settings):
    """What replay_only and restyled_replay share."""

    train: TrainableSet = ["encoder", "head"]
    """The whole trainable set."""
    learning_rate: Positive = 6e-5
    """Of the encoder; heads have ``head_factor`` times as much. The source model's own."""
    head_factor: Positive = 10.0
    """Heads learn this many times as fast."""
    weight_decay: NonNegativeFloat = 0.01
    norm_statistics: Literal["source", "running", "batch"] = "source"
    """Under running, training passes on the replay's images move them."""
    jitter: NonNegativeFloat = 0.05
    """Strength of colour jitter of the first image, beside the replay's own augmentation; hue
    moves by up to 360 degrees times it."""
    teacher: bool = False
    """Whether a moving average of the student is kept, for diagnostics alone."""
    teacher_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Largest momentum of that average."""


class ReplayOnly(ReplayTraining):
    """Learning on from the source beside the stream, whatever the frames look like."""

    name: Literal["replay_only"]


class RestyledReplay(ReplayTraining, Restyled):
    """Replay images in the appearance of the last frames, with their exact labels."""

    name: Literal["restyled_replay"]
    references: PositiveInt = 8
    """Last frames of which one is drawn at random for each image."""


Learner = Annotated[Dacs | Hamlet | ReplayOnly | RestyledReplay, Field(discriminator="name")]
"""Methods that another can learn by."""


class BankSettings(Settings):
    """States of domains, stored at changes and brought back when the domain returns."""

    domains: Annotated[int, Field(ge=2)] = 8
    """States held at most; the one stored longest ago makes way."""
    nearer: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """A stored domain has returned when it is at most this share as far from how the world looks
    now as the domain just left."""
    recent: PositiveInt | None = None
    """Last frames that say how the world looks now; null takes the detector's window, below which
    frames of a new domain would be taken for the old one's."""


class Remembering(Settings):
    """What lae and bank share."""

    learner: Learner
    """How it learns."""
    detector: Detector | None = Detector()
    """What finds changes; hamlet's own where it is the learner."""
    signal_shrink: PositiveInt = 3
    """Factor by which the image is made smaller for drift signal and domain signature."""

    @model_validator(mode="after")
    def _one_detector(self) -> Remembering:
        if isinstance(self.learner, Hamlet) and self.detector and is_changed(self, "detector"):
            raise ValueError("detector: hamlet has its own; set learner.detector in its place")
        return self


class Lae(Remembering):
    """Learning, accumulation, ensemble: online and offline adapters answer together."""

    name: Literal["lae"]
    offline_horizon: Annotated[int, Field(ge=2)] = 10_000
    """Trained frames over which offline adapters average (momentum 1 - 1 / horizon); LAE's. A
    stream of a few hundred frames wants about a hundred."""
    head_first: Annotated[int, Field(ge=0)] = 0
    """Frames after a change in which only the head learns; LAE: three of five epochs."""
    bank: BankSettings | None = None
    """Stores what was learnt in every domain, too; null does not."""

    @model_validator(mode="after")
    def _changes_come(self) -> Lae:
        own = isinstance(self.learner, Hamlet)
        if own and self.head_first > 0:
            raise ValueError("head_first: hamlet says itself what learns; set 0")
        if self.head_first > 0 and "head" not in self.learner.train:
            raise ValueError("head_first: the head does not learn; add it to learner.train")
        if self.detector is None and not own and (self.head_first > 0 or self.bank is not None):
            raise ValueError("without a detector no change is found: head_first 0, bank null")
        return self


class Bank(Remembering, BankSettings):
    """What was learnt in every domain is stored, and brought back when it returns."""

    name: Literal["bank"]

    @model_validator(mode="after")
    def _changes_come(self) -> Bank:
        if self.detector is None and not isinstance(self.learner, Hamlet):
            raise ValueError("without a detector no change is found: set detector")
        return self


Method = Annotated[
    SourceOnly | NormStatistics | Tent | Dacs | Hamlet | ReplayOnly | RestyledReplay | Lae | Bank,
    Field(discriminator="name"),
]


def learner_of(method: Method) -> Method:
    """The method that learns: itself, or the one it learns by."""
    return method.learner if isinstance(method, Remembering) else method


def detector_of(method: Method) -> Detector | None:
    """The drift detector that finds a method's changes; None where there is none."""
    learner = learner_of(method)
    if isinstance(learner, Hamlet):
        return learner.detector
    return method.detector if isinstance(method, Remembering) else None
