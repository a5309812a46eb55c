"""Restyled replay: exact labels, in images that look like the target.

A frame gives its appearance and no label: nothing is learnt from what the model guesses of the
target. Per frame two replay images, one with mild colour jitter and one restyled to a random one
of the last frames, and the cross-entropy of both. Without a restyling the second image is left as
it is, which is the method `replay_only`: what learning on from the source does by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from driftseg.errors import InputError
from driftseg.frame import Adaptation, Image, Prediction, SourceBatch
from driftseg.learners.parts.ema import momentum
from driftseg.learners.parts.jitter import jitter_and_blur
from driftseg.learners.parts.losses import finite, weighted_cross_entropy
from driftseg.learners.parts.references import References
from driftseg.learners.parts.restyle import Restyling, restyled
from driftseg.methods.base import Answer, answer, bring_back, learnt, to_prediction
from driftseg.methods.self_training import SourceBatches
from driftseg.models.roles import Roles
from driftseg.models.trainable import (
    adamw,
    load_optimiser_state,
    optimiser_state,
    parameter_groups,
    set_generator,
    set_learning_rate,
)


class RestyledReplay:
    """Learns from every frame's appearance, by source labels alone.

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
        generator: draws references, jitter and what a restyling draws.
        dropout_generator: draws dropout and drop path.
    """

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
        generator: np.random.Generator,
        dropout_generator: torch.Generator,
    ):
        self.roles = roles
        self.replay = replay
        self.updates = 0
        """Times the weights have changed."""
        self._restyle = restyle
        self._references = References(references)
        self._rate = learning_rate
        self._teacher_momentum = teacher_momentum
        self._jitter = jitter
        self.one_pass = roles.norm_statistics == "source"
        """Whether both images go through the network as one batch, which is quicker; not where
        norms would look at that batch or count it."""
        self._generator = generator
        self._dropout_generator = dropout_generator
        self._image: Image | None = None
        set_generator(roles.model, dropout_generator)
        groups = parameter_groups(
            roles.model, roles.trainable, learning_rate=0.0, head_factor=head_factor,
            weight_decay=weight_decay, adapter_factor=adapter_factor,
        )  # fmt: skip
        self.optimiser = adamw(groups)

    def answer(self, image: Image) -> Answer:
        """The student's answer; the image is kept for its appearance."""
        self._image = image
        return answer(self.roles, image)

    def predict(self, image: Image) -> Prediction:
        """The student's answer."""
        answered = self.answer(image)
        return to_prediction(answered.logits, answered.size)

    def adapt(self) -> Adaptation:
        """One step on two replay batches, one of them in the last frames' appearance."""
        if self._image is None:
            raise RuntimeError("adapt() learns from a prediction: call predict() first")
        if "teacher" in self.roles.overlays:
            self.roles.move_teacher(momentum(self.updates, self._teacher_momentum))
        if self._restyle is not None:
            self._references.add(self._image)
        losses = self._losses(
            self._jittered(self.replay.sample()), self._worn(self.replay.sample())
        )
        total = finite(torch.stack(list(losses.values())).sum(), self.updates)
        set_learning_rate(self.optimiser, self._rate)
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.updates += 1
        self._image = None
        values = {name: float(loss.detach()) for name, loss in losses.items()}
        return Adaptation(True, values, self._rate)

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
        levels = self.roles.levels("student", self.roles.prefix(images), training=True)
        return self.roles.logits("student", levels, training=True)

    def _jittered(self, batch: SourceBatch) -> SourceBatch:
        images = jitter_and_blur(
            batch.images, strength=self._jitter, blur=False, generator=self._generator
        )
        return SourceBatch(images.to(self.roles.device), batch.labels.to(self.roles.device))

    def _worn(self, batch: SourceBatch) -> SourceBatch:
        images = batch.images
        if self._restyle is not None:
            references = [self._references.draw(self._generator) for _ in images]
            self._check_size(images, references[-1])
            images = restyled(images, references, self._restyle, self._generator)
        return SourceBatch(images.to(self.roles.device), batch.labels.to(self.roles.device))

    def _check_size(self, images: Tensor, reference: Image) -> None:
        if tuple(images.shape[2:]) != reference.shape[:2]:
            raise InputError(
                f"frames are {reference.shape[:2]} (height, width), replay crops "
                f"{tuple(images.shape[2:])}: restyling needs one size; set the target's size"
            )

    def learnt(self) -> dict[str, Any]:
        """Student, teacher and the optimiser's moments."""
        return learnt(self.roles, self.optimiser)

    def bring_back(self, state: dict[str, Any]) -> None:
        """Goes on with them; references, replay and generators stay as they are."""
        bring_back(self.roles, self.optimiser, state)

    def state_dict(self) -> dict[str, Any]:
        """Weights, teacher, optimiser, references, replay and generators."""
        return {
            "roles": self.roles.state_dict(),
            "optimiser": optimiser_state(self.optimiser),
            "updates": self.updates,
            "references": self._references.state_dict(),
            "replay": self.replay.state_dict(),
            "generator": self._generator.bit_generator.state,
            "dropout_generator": self._dropout_generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where another stood."""
        self.roles.load_state_dict(state["roles"])
        load_optimiser_state(self.optimiser, state["optimiser"])
        self.updates = state["updates"]
        self._references.load_state_dict(state["references"])
        self.replay.load_state_dict(state["replay"])
        self._generator.bit_generator.state = state["generator"]
        self._dropout_generator.set_state(state["dropout_generator"])
