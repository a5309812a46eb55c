"""What a method's settings say before anything is made, and what its parts are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from driftseg.control.calibration import Calibration
from driftseg.control.contract import Controller, Order
from driftseg.control.detectors import DetectorSettings
from driftseg.control.settings import ControlSupplies
from driftseg.control.when import Always
from driftseg.errors import InputError
from driftseg.frame import SourceBatch
from driftseg.learners.contract import Learner
from driftseg.models.adapters.spec import Kind
from driftseg.models.encoders.sites import adapter_names
from driftseg.models.network import Network
from driftseg.models.roles import Roles, StaticDepth
from driftseg.models.sending import sent
from driftseg.models.statistics import NormStatistics
from driftseg.models.trainable import trainable_names
from driftseg.settings import Settings

STREAMS = {"replay": 1, "learner": 2, "selection": 3, "adapters": 4}
"""Number of each of the random streams that follow from a run's seed. A new one gets a new
number, so that it moves no other."""


class SourceBatches(Protocol):
    """Where labelled source images come from, on the CPU: `driftseg.replay.replay.Replay`."""

    unlabelled: int
    """Batches drawn without a labelled pixel."""

    def sample(self) -> SourceBatch:
        """The next batch."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """For exact continuation."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues."""
        ...


def on_device(batch: SourceBatch, device: torch.device) -> SourceBatch:
    """The batch where the network lies."""
    return SourceBatch(sent(batch.images, device), sent(batch.labels, device))


@dataclass(frozen=True)
class Needs:
    """What a method asks of the network and of the data."""

    train: tuple[str, ...] = ()
    """The whole trainable set, by parts."""
    norm_statistics: NormStatistics = "source"
    teacher: bool = False
    static: StaticDepth = "none"
    offline: bool = False
    """Whether trained adapters have an average of their own (lae)."""
    source: bool = False
    """Whether labelled source scenes are learnt from."""
    as_large_as_source: bool = False
    """Whether windows as large as source crops are cut out of frames; none may be smaller."""
    learns_at_once: bool = True
    """Whether the trainable set learns from the first frame, or waits for a choice."""

    def roles(self, network: Network) -> Roles:
        """The roles of one network that meet these needs.

        Raises:
            InputError: the network has no such parts, or no adapters where they are averaged.
        """
        names = trainable_names(network, self.train)
        offline: list[str] = []
        if self.offline:
            offline = [name for name in adapter_names(network.module) if name in {*names}]
            if not offline:
                raise InputError(
                    "lae: expected adapters that learn, because it averages them, got none. To "
                    "fix: set adapters.kind, and name adapters in method.learner.train"
                )
        return Roles(
            network,
            names,
            norm_statistics=self.norm_statistics,
            teacher=self.teacher,
            static=self.static,
            offline=offline,
            learning=None if self.learns_at_once else (),
        )


@dataclass(frozen=True)
class Supplies:
    """What the parts of a method are made from, and all that they are made from."""

    roles: Roles
    size: tuple[int, int]
    """(width, height) of the frames that are adapted on."""
    classes: tuple[str, ...]
    """Names in id order."""
    replay: Callable[[bool], SourceBatches]
    """The labelled source, read only when it is called. True: whatever the buffer's capacity is,
    everything is held (the released code of HAMLET)."""
    calibration: Calibration | None = None
    """What was learnt from held-out source frames, where anything was."""
    adapter_factor: float = 1.0
    """Adapters of the encoder learn this many times as fast as it would."""
    seed: int = 0

    def numpy(self, stream: str) -> np.random.Generator:
        """The generator of one of `STREAMS`."""
        return np.random.default_rng([self.seed, STREAMS[stream]])

    def control(self, choices: tuple[int, ...], plain: Order) -> ControlSupplies:
        """What a controller is made from."""
        return ControlSupplies(choices, plain, self.numpy, self.calibration)

    def torch(self) -> torch.Generator:
        """The generator of dropout and drop path."""
        return torch.Generator().manual_seed(self.seed)


@dataclass(frozen=True)
class Composition:
    """The parts of a method."""

    learner: Learner
    controller: Controller
    choices: Mapping[int, Sequence[str]] | None = None
    """Per number of a choice the tensors that learn with it; None where nothing is chosen."""
    memory: Any = None
    """`driftseg.methods.memory.Memory`, or None."""


@dataclass(frozen=True)
class SignalSettings:
    """How the drift signal is computed."""

    shrink: int = 3
    """Factor by which the image is made smaller."""
    full_resolution: bool = False
    """At the image's size instead of on the head's grid."""


class MethodSettings(Settings):
    """Base of the settings of every method.

    A method of one's own is a subclass with fields, ``needs`` and ``make``
    (docs/own_methods.md). The other questions have answers that fit most.
    """

    name: str

    def needs(self) -> Needs:
        """What it asks of network and data."""
        raise self._lacks("needs")

    def make(self, supplies: Supplies) -> Composition:
        """Its learner and controller. By default the learner learns from every frame."""
        order = self.plain_order
        controller = Always(learning_rate=order.learning_rate, mix_ratio=order.mix_ratio)
        return Composition(self.make_learner(supplies), controller)

    def make_learner(self, supplies: Supplies) -> Learner:
        """The update rule alone, for a controller of one's choice."""
        raise self._lacks("make_learner")

    @property
    def plain_order(self) -> Order:
        """What is ordered where a controller has no numbers of its own."""
        return Order(True)

    def _lacks(self, method: str) -> InputError:
        return InputError(
            f"method {self.name}: expected the method {method} in {type(self).__name__}, got a "
            "class without it. To fix: add it to the class"
        )

    @property
    def learner_settings(self) -> MethodSettings:
        """Of the method that learns: itself, or the one it remembers for."""
        return self

    @property
    def adapter_kind(self) -> Kind | None:
        """The kind of adapters without which it is not this method; a config gets them.

        None where it needs none.
        """
        return None

    @property
    def random(self) -> bool:
        """Whether anything in it depends on the run's seed, besides adapters and calibration."""
        return True

    @property
    def drift_detector(self) -> DetectorSettings | None:
        """Of what finds changes; None where nothing does."""
        return None

    @property
    def signal(self) -> SignalSettings:
        """How its drift signal is computed."""
        return SignalSettings()

    @property
    def needs_calibration(self) -> bool:
        """Whether it takes anything from a calibration."""
        detector = self.drift_detector
        return detector is not None and detector.calibrated
