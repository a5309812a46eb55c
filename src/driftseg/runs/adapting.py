"""Makes an adaptive model from a method's settings, a network and source scenes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from traceback import walk_tb

import numpy as np
import torch

from driftseg.control.calibration import Calibration
from driftseg.control.guard import GuardSettings
from driftseg.errors import InputError, OwnCodeError
from driftseg.learners.settings import (
    STREAMS,
    Composition,
    MethodSettings,
    SourceBatches,
    Supplies,
)
from driftseg.methods.adaptive import AdaptiveModel
from driftseg.models.network import Network
from driftseg.replay.replay import ReplaySettings, build_replay
from driftseg.runs.probes import probes_from
from driftseg.scenes.dataset import Dataset
from driftseg.scenes.sizes import check_least


@dataclass(frozen=True)
class Source:
    """Labelled source scenes."""

    scenes: Dataset
    size: tuple[int, int]
    """(width, height) of its images."""


def make_adaptive(
    method: MethodSettings,
    network: Network,
    *,
    source: Source | None,
    classes: tuple[str, ...],
    size: tuple[int, int],
    crop: tuple[int, int] | None = None,
    replay: ReplaySettings | None = None,
    calibration: Calibration | None = None,
    adapter_factor: float = 1.0,
    seed: int = 0,
    guard: GuardSettings | None = None,
) -> AdaptiveModel:
    """Makes the adaptive model.

    Args:
        method: its settings.
        network: the source model, on its device.
        source: for methods that learn from source scenes.
        classes: the network's, in id order.
        size: (width, height) of whole frames.
        crop: (width, height) of the window of each frame that is adapted on; None is the frame.
        replay: sampling of source scenes.
        calibration: results on held-out source frames, if there are any.
        adapter_factor: factor on the encoder's learning rate for its adapters.
        seed: of all random streams.
        guard: what keeps the model from being wrecked; None guards nothing.

    Raises:
        InputError: the network or the source lacks something that the method needs.
    """
    given = ReplaySettings() if replay is None else replay
    if method.needs().source:
        source = _check_source(source, network, size, method.learner_settings.name)

    drawn_from: list[SourceBatches] = []

    def batches(hold_everything: bool) -> SourceBatches:
        assert source is not None, "a method that replays says so in its needs"
        made = build_replay(
            source.scenes,
            given,
            given.augmentation,
            size=crop or size,
            view=size,
            capacity=len(source.scenes) if hold_everything else given.capacity,
            generator=np.random.default_rng([seed, STREAMS["replay"]]),
        )
        drawn_from.append(made)
        return made

    roles = method.needs().roles(network)
    supplies = Supplies(
        roles,
        crop or size,
        classes,
        batches,
        calibration=calibration,
        adapter_factor=adapter_factor,
        seed=seed,
    )
    composed = _composed(method, supplies)
    labelled = []
    if guard is not None and source is not None:
        labelled = probes_from(source.scenes, size, guard.probes)
    return AdaptiveModel(
        roles, composed, signal=method.signal, replays=drawn_from, guard=guard, labelled=labelled
    )


def _composed(method: MethodSettings, supplies: Supplies) -> Composition:
    with own_code_told(method, "its make"):
        made: object = method.make(supplies)
    if not isinstance(made, Composition):
        raise InputError(
            f"method {method.name}: expected a Composition from its make, got a "
            f"{type(made).__name__}. To fix: return driftseg.learners.settings.Composition"
        )
    return made


@contextmanager
def own_code_told(method: MethodSettings, what: str) -> Iterator[None]:
    """Reports an error in a user's own method in one line; errors in our code stay unchanged.

    Raises:
        OwnCodeError: the error came from the code of a method that is not driftseg's.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        package = type(method).__module__.partition(".")[0]
        if package == "driftseg" or package not in _packages(error):
            raise
        lines = str(error).splitlines() or [""]
        raise OwnCodeError(
            f"method {method.name}: expected {what} to work, got {type(error).__name__}: "
            f"{lines[0]}. To fix: correct the method, see the traceback below"
        ) from error


def _packages(error: Exception) -> set[str]:
    """Packages in the traceback of the error."""
    names = (frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__))
    return {str(name).partition(".")[0] for name in names}


def seeded(seed: int, stream: str) -> torch.Generator:
    """A torch generator for one of the random streams of a seed."""
    drawn = np.random.default_rng([seed, STREAMS[stream]]).integers(2**63)
    return torch.Generator().manual_seed(int(drawn))


def _check_source(
    source: Source | None, network: Network, size: tuple[int, int], method: str
) -> Source:
    """Checks that the network can learn from these scenes together with these frames."""
    if source is None:
        raise InputError(
            f"method {method}: expected labelled source scenes, got none. To fix: set source"
        )
    space = source.scenes.label_space
    if len(space) != network.classes:
        raise InputError(
            f"source: expected labels in the label space of the model ({network.classes} classes), "
            f"got {space.title} ({len(space)} classes). To fix: set source.label_space to the "
            "model's, if the labels can be mapped to it"
        )
    width, height = source.size
    if width < size[0] or height < size[1]:
        raise InputError(
            f"source: expected scenes of at least the frames' size {size[0]}x{size[1]}, got "
            f"{width}x{height}. To fix: set a smaller target.size, or take larger source scenes"
        )
    check_least(
        source.scenes, range(len(source.scenes)), size, why="the target's frames have",
        section="source",
    )  # fmt: skip
    return source
