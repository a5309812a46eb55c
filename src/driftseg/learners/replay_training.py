"""Replay training: labelled source images restyled to the target.

A frame gives only its appearance; there are no pseudo-labels. Two source images are drawn for each
frame. One gets mild colour jitter, the other is restyled to a random one of the last frames. The
loss is the cross-entropy of both. Without restyling this is the method `replay_only`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor

from driftseg.frame import Image, SourceBatch
from driftseg.learners.answering import with_offline
from driftseg.learners.contract import (
    NOT_FINITE,
    Answer,
    Order,
    Step,
    bring_back,
    learnt,
)
from driftseg.learners.parts.ema import momentum
from driftseg.learners.parts.harm import Harm
from driftseg.learners.parts.homing import Homing
from driftseg.learners.parts.jitter import jitter_and_blur
from driftseg.learners.parts.losses import as_numbers, weighted_cross_entropy
from driftseg.learners.parts.references import References
from driftseg.learners.parts.restyle import (
    RestyleSettings,
    Restyling,
    RestylingName,
    restyled,
)
from driftseg.learners.parts.window import window
from driftseg.learners.settings import (
    MethodSettings,
    Needs,
    SourceBatches,
    Supplies,
    on_device,
)
from driftseg.models.roles import Roles
from driftseg.models.trainable import (
    adamw,
    load_optimiser_state,
    optimiser_state,
    parameter_groups,
    set_generator,
    set_learning_rate,
)
from driftseg.settings import Positive, TrainableSet

LIKE_SOURCE = "like the source"
"""Why a step was not made: the frames are like the source, where nothing is to be learnt."""


class ReplayTrainingSettings(MethodSettings):
    """Settings that replay_only and restyled_replay share."""

    train: TrainableSet = ["encoder", "head"]
    """Parts of the network that train."""
    learning_rate: Positive = 6e-5
    """Learning rate of the encoder; the default is that of the source training."""
    head_factor: Positive = 10.0
    """Learning rate of the heads divided by that of the encoder."""
    weight_decay: NonNegativeFloat = 0.01
    """Weight decay of AdamW. Norms have none."""
    norm_statistics: Literal["source", "running", "batch"] = "source"
    """Batch-normalisation statistics. With running, training passes on source images update
    them."""
    jitter: NonNegativeFloat = 0.05
    """Strength of colour jitter of the first image, beside the replay's own augmentation; hue
    moves by up to 360 degrees times it."""
    teacher: bool = False
    """Whether a moving average of the student is kept, for diagnostics alone."""
    teacher_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Largest momentum of that average."""

    def needs(self) -> Needs:
        """Labelled source scenes."""
        return Needs(tuple(self.train), self.norm_statistics, teacher=self.teacher, source=True)

    @property
    def plain_order(self) -> Order:
        """Its own rate."""
        return Order(True, learning_rate=self.learning_rate)

    def make_training(
        self,
        supplies: Supplies,
        *,
        restyle: Restyling | None,
        references: int,
        homing: Homing | None = None,
        harm: Harm | None = None,
    ) -> ReplayTraining:
        """The update rule, with or without a restyling."""
        return ReplayTraining(
            supplies.roles,
            supplies.replay(False),
            restyle=restyle,
            references=references,
            learning_rate=self.learning_rate,
            head_factor=self.head_factor,
            adapter_factor=supplies.adapter_factor,
            weight_decay=self.weight_decay,
            teacher_momentum=self.teacher_momentum,
            jitter=self.jitter,
            homing=homing,
            harm=harm,
            generator=supplies.numpy("learner"),
            dropout_generator=supplies.torch(),
        )


class ReplayOnlySettings(ReplayTrainingSettings):
    """Learning on from the source beside the stream, whatever the frames look like."""

    name: Literal["replay_only"]

    def make_learner(self, supplies: Supplies) -> ReplayTraining:
        """Without a restyling."""
        return self.make_training(supplies, restyle=None, references=1)


class RestyledReplaySettings(ReplayTrainingSettings, RestyleSettings):
    """Replay images in the appearance of the last frames, with their exact labels."""

    name: Literal["restyled_replay"]
    restylings: Annotated[list[RestylingName], Field(min_length=1)] = ["bands", "texture"]
    """As of `RestyleSettings`. By default the two that carry rain, night and fog further than a
    histogram alone does (docs/results.md)."""
    references: PositiveInt = 8
    """Last frames of which one is drawn at random for each image."""

    def needs(self) -> Needs:
        """Labelled source scenes, and frames that are as large as these."""
        return replace(super().needs(), as_large_as_source=True)

    def make_learner(self, supplies: Supplies) -> ReplayTraining:
        """With its restylings."""
        return self.make_training(
            supplies, restyle=self.make_restyling(), references=self.references
        )


class ReplayTraining:
    """Learns from frames' appearance, by source labels alone.

    Args:
        roles: a teacher, if there is one, follows the student and is only looked at.
        replay: the labelled source; in crops of the frames' size, if they are restyled.
        restyle: gives a replay image a frame's appearance; None leaves it as it is.
        references: frames kept to be drawn from.
        learning_rate: of the encoder.
        head_factor: heads learn this many times as fast.
        adapter_factor: adapters of the encoder learn this many times as fast.
        weight_decay: AdamW's; norms do not decay.
        teacher_momentum: largest momentum of the teacher's moving average.
        jitter: strength of colour jitter of the image that is not restyled.
        homing: says where frames are like the source, so that nothing is learnt.
        harm: says which part of the learning rate is used.
        generator: draws references, jitter and what a restyling draws.
        dropout_generator: draws dropout and drop path.
    """

    keeps_graph = False

    def __init__(
        self,
        roles: Roles,
        replay: SourceBatches,
        *,
        restyle: Restyling | None,
        references: int = 8,
        learning_rate: float,
        head_factor: float,
        adapter_factor: float = 1.0,
        weight_decay: float,
        teacher_momentum: float = 0.999,
        jitter: float,
        homing: Homing | None = None,
        harm: Harm | None = None,
        generator: np.random.Generator,
        dropout_generator: torch.Generator,
    ):
        self.roles = roles
        self.replay = replay
        self.updates = 0
        """Times the weights, or what an answer is made of, have changed."""
        self._restyle = restyle
        self._references = References(references)
        self._rate = learning_rate
        self._teacher_momentum = teacher_momentum
        self._jitter = jitter
        self._homing, self._harm = homing, harm
        self.one_pass = roles.norm_statistics in ("source", "blend_with_frame")
        """Whether both images are one batch, which is quicker; not where norms look at it."""
        self._generator = generator
        self._dropout_generator = dropout_generator
        self._teacher_waits = False
        set_generator(roles.network.module, dropout_generator)
        groups = parameter_groups(
            roles.network, roles.trainable, learning_rate=0.0, head_factor=head_factor,
            weight_decay=weight_decay, adapter_factor=adapter_factor,
        )  # fmt: skip
        self.optimiser = adamw(groups)

    def look(self, answer: Answer) -> None:
        """Keeps the frame for its appearance."""
        if self._restyle is not None:
            self._references.add(answer.image)
        if self._homing is not None:
            self._homing.see(answer)
        if self._harm is not None:
            self._harm.see()

    def output(self, answer: Answer) -> Tensor:
        """The student's logits, with the source model's where the frame is like the source.

        Beside an offline role (LAE) that role and the student answer together.
        """
        if self._homing is None or "offline" in self.roles.overlays:
            return with_offline(self.roles, answer)
        return self._homing.output(answer)

    def learn(self, answer: Answer, order: Order) -> Step:
        """One step on two replay batches, one of them in the last frames' appearance."""
        if "teacher" in self.roles.overlays and not self._teacher_waits:
            self.roles.move_teacher(momentum(self.updates, self._teacher_momentum))
        strength = 1.0
        if self._homing is not None:
            if self._homing.source_due:
                self._homing.see_source(on_device(self.replay.sample(), self.roles.device).images)
                self.updates += 1  # answers depend on what was measured
            strength = self._homing.strength
            if strength == 0:
                self.updates += (pulled := self._homing.pull())
                if pulled and self._harm is not None:
                    self._harm.forget()
                return Step(False, reason=LIKE_SOURCE)
        if self._harm is not None:
            if self._harm.due:
                batch = on_device(self.replay.sample(), self.roles.device)
                self.updates += self._harm.compare(answer, batch)
            strength *= self._harm.rate
        statistics = self.roles.moving_statistics()
        jittered, worn = self._jittered(self.replay.sample()), self._worn(self.replay.sample())
        losses = self._losses(jittered, worn)
        total = torch.stack([*losses.values()]).sum()
        values = as_numbers({**losses, "total": total})
        if not math.isfinite(summed := values.pop("total")):
            self.roles.restore_statistics(statistics)
            self._teacher_waits = True
            return Step(False, values, reason=NOT_FINITE)
        rate = self._rate if order.learning_rate is None else order.learning_rate
        rate *= strength
        set_learning_rate(self.optimiser, rate, same_for_all=order.one_rate)
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.updates += 1
        self._teacher_waits = False
        return Step(True, values, summed, rate)

    def _losses(self, jittered: SourceBatch, worn: SourceBatch) -> Mapping[str, Tensor]:
        names = ("source", "plain" if self._restyle is None else "restyled")
        batches = (jittered, worn)
        if self.one_pass:
            together = self._student(torch.cat([batch.images for batch in batches]))
            logits = [together[: len(jittered.images)], together[len(jittered.images) :]]
        else:
            logits = [self._student(batch.images) for batch in batches]
        return {
            name: weighted_cross_entropy(of, batch.labels)
            for name, of, batch in zip(names, logits, batches, strict=True)
        }

    def _student(self, images: Tensor) -> Tensor:
        with self.roles.unblended():  # two images in a batch have no statistics of one frame
            levels = self.roles.levels("student", self.roles.prefix(images), training=True)
            return self.roles.logits("student", levels, training=True)

    def _jittered(self, batch: SourceBatch) -> SourceBatch:
        images = jitter_and_blur(
            batch.images, strength=self._jitter, blur=False, generator=self._generator
        )
        return on_device(SourceBatch(images, batch.labels), self.roles.device)

    def _worn(self, batch: SourceBatch) -> SourceBatch:
        images = batch.images
        if self._restyle is not None:
            references = [self._reference(images) for _ in images]
            images = restyled(images, references, self._restyle, self._generator)
        return on_device(SourceBatch(images, batch.labels), self.roles.device)

    def _reference(self, images: Tensor) -> Image:
        """One of the last frames, or a window of it as large as the replay's images."""
        frame = self._references.draw(self._generator)
        size = (images.shape[2], images.shape[3])
        where = window((frame.shape[0], frame.shape[1]), size, self._generator, why="restyling")
        return frame if where is None else np.ascontiguousarray(frame[where])

    def learnt(self) -> dict[str, Any]:
        """Student, teacher and the optimiser's moments."""
        return learnt(self.roles, self.optimiser)

    def bring_back(self, state: dict[str, Any]) -> None:
        """Goes on with them; references, replay and generators stay as they are."""
        bring_back(self.roles, self.optimiser, state)
        if self._harm is not None:
            self._harm.forget()

    def state_dict(self) -> dict[str, Any]:
        """Weights, teacher, optimiser, references, replay and generators."""
        return {
            "roles": self.roles.state_dict(),
            "optimiser": optimiser_state(self.optimiser),
            "updates": self.updates,
            "teacher_waits": self._teacher_waits,
            "references": self._references.state_dict(),
            **({} if self._homing is None else {"homing": self._homing.state_dict()}),
            **({} if self._harm is None else {"harm": self._harm.state_dict()}),
            "replay": self.replay.state_dict(),
            "generator": self._generator.bit_generator.state,
            "dropout_generator": self._dropout_generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where another stood."""
        self.roles.load_state_dict(state["roles"])
        load_optimiser_state(self.optimiser, state["optimiser"])
        self.updates = state["updates"]
        self._teacher_waits = state["teacher_waits"]
        self._references.load_state_dict(state["references"])
        if self._homing is not None:
            self._homing.load_state_dict(state["homing"])
        if self._harm is not None and "harm" in state:  # older states have none
            self._harm.load_state_dict(state["harm"])
        self.replay.load_state_dict(state["replay"])
        self._generator.bit_generator.state = state["generator"]
        self._dropout_generator.set_state(state["dropout_generator"])
