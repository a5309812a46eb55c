"""From a method's settings to the source that it learns from: replay, and its restyling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from driftseg.errors import InputError
from driftseg.learners.parts.restyle import Restyling, combined
from driftseg.methods import RestyledReplay
from driftseg.models.encoders.sites import adapter_names
from driftseg.models.roles import Roles, StaticDepth
from driftseg.models.segmenter import Segmenter
from driftseg.models.trainable import trainable_names
from driftseg.replay.replay import Replay, build_replay
from driftseg.runs.config import RunConfig
from driftseg.runs.learner_config import ReplayOnly
from driftseg.runs.learner_config import RestyledReplay as RestyledSettings
from driftseg.runs.method_config import Restyled
from driftseg.scenes.dataset import Dataset


@dataclass(frozen=True)
class Beside:
    """What roles a method needs that learns by another, beside the other's."""

    static: StaticDepth = "none"
    averages: bool = False
    """Whether adapters have an offline average."""

    def offline(self, model: Segmenter, train: Sequence[str]) -> list[str]:
        """The tensors that have one.

        Raises:
            InputError: they are wanted and no adapter learns.
        """
        if not self.averages:
            return []
        learning = set(trainable_names(model, train))
        names = [name for name in adapter_names(model) if name in learning]
        if not names:
            raise InputError(
                "lae averages adapters and none learn: set adapters.kind, and name adapters in "
                "method.learner.train"
            )
        return names


def build_restyled_replay(
    config: RunConfig,
    method: ReplayOnly | RestyledSettings,
    model: Segmenter,
    source: Dataset,
    size: tuple[int, int],
    beside: Beside,
) -> RestyledReplay:
    """The method that learns from replay alone, restyled or as it is."""
    check_source(config, model, source, size)
    roles = Roles(
        model,
        trainable_names(model, method.train),
        norm_statistics=method.norm_statistics,
        teacher=method.teacher,
        static=beside.static,
        offline=beside.offline(model, method.train),
    )
    worn = method if isinstance(method, RestyledSettings) else None
    return RestyledReplay(
        roles,
        replay_beside(config, source, size),
        restyle=None if worn is None else restyling_of(worn),
        references=1 if worn is None else worn.references,
        learning_rate=method.learning_rate,
        head_factor=method.head_factor,
        adapter_factor=adapter_factor(config),
        weight_decay=method.weight_decay,
        teacher_momentum=method.teacher_momentum,
        jitter=method.jitter,
        generator=np.random.default_rng([config.seed, 2]),
        dropout_generator=torch.Generator().manual_seed(config.seed),
    )


def replay_beside(
    config: RunConfig, source: Dataset, size: tuple[int, int], *, capacity: int | None = None
) -> Replay:
    """Source batches as large as the frames that are adapted on."""
    return build_replay(
        source,
        config.replay,
        config.replay.augmentation,
        size=config.crop or size,
        view=size,
        capacity=config.replay.capacity if capacity is None else capacity,
        generator=np.random.default_rng([config.seed, 1]),
    )


def restyling_of(method: Restyled) -> Restyling:
    """The restylings of the list, one after another."""
    return combined(method.restylings, fourier_beta=method.fourier_beta)


def adapter_factor(config: RunConfig) -> float:
    """How many times as fast as the encoder its adapters learn."""
    return 1.0 if config.adapters is None else config.adapters.factor


def check_source(
    config: RunConfig, model: Segmenter, source: Dataset, size: tuple[int, int]
) -> None:
    """Whether the model can learn from these scenes beside these frames.

    Raises:
        InputError: they are labelled otherwise, or smaller.
    """
    classes = source.label_space.classes
    if len(classes) != model.head.classes:
        raise InputError(
            f"the source is labelled in {source.label_space.title} ({len(classes)} classes), the "
            f"model knows {model.head.classes}; both must share one label space: set "
            "source.label_space where the labels can be told in the model's"
        )
    assert config.source is not None
    width, height = config.source.frame_size(source)
    if width < size[0] or height < size[1]:
        raise InputError(
            f"source scenes are {width}x{height}, frames {size[0]}x{size[1]}; nothing is enlarged "
            "silently: set a smaller target.size, or larger source scenes"
        )
