"""The self-training step that DACS and HAMLET share (methods A.3), without its defects (A.13).

Only the trained tensors are averaged into the teacher, no logging pass exists, the feature
distance is guarded and built only when its weight is above 0, and an update whose loss is not
finite is never made.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from driftseg.errors import InputError
from driftseg.frame import SourceBatch
from driftseg.labels import IGNORE
from driftseg.learners.parts.classmix import Mixed, choose_classes, paste
from driftseg.learners.parts.confidence import Confidence
from driftseg.learners.parts.ema import momentum
from driftseg.learners.parts.jitter import jitter_and_blur
from driftseg.learners.parts.losses import feature_distance, weighted_cross_entropy
from driftseg.learners.parts.restyle import Restyling, restyled, to_image
from driftseg.methods.base import bring_back, learnt, most_probable
from driftseg.models.roles import Roles
from driftseg.models.segmenter import Walk, upsample
from driftseg.models.trainable import (
    adamw,
    load_optimiser_state,
    optimiser_state,
    parameter_groups,
    set_generator,
    set_learning_rate,
)


class SourceBatches(Protocol):
    """Where labelled source images come from: `driftseg.replay.replay.Replay`."""

    def sample(self) -> SourceBatch:
        """The next batch."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """For exact continuation."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues."""
        ...


@dataclass(frozen=True)
class Step:
    """What one step did."""

    made: bool
    """Whether the weights moved; False when the loss was not finite."""
    losses: Mapping[str, float]
    """Its losses, and ``pseudo_label_weight``, the mean weight of the teacher's labels."""


class SelfTraining:
    """One optimiser and one step on a frame, its pseudo-labels and a source batch.

    Args:
        roles: with a teacher; with a whole static role if ``feature_distance_weight`` is above 0.
        replay: the labelled source, in crops of the frames' size.
        head_factor: heads learn this many times as fast.
        adapter_factor: adapters of the encoder learn this many times as fast.
        weight_decay: AdamW's; norms do not decay.
        teacher_momentum: largest momentum of the moving average.
        confidence: weighs pseudo-labels.
        ignored_rows: top and bottom rows whose pseudo-labels weigh nothing.
        jitter: strength of colour jitter.
        blur: whether mixed images may be blurred.
        feature_distance_weight: 0 turns it off.
        feature_distance_classes: ids it looks at.
        paste_unlabelled: as the released code, see `choose_classes`.
        frozen_tensors_drift: as the released code on torch 1.7 (A.13, B5): tensors that have
            learnt and do not learn now still move by AdamW's momentum and decay.
        restyle: gives source images the frame's appearance before they are pasted into it; None
            leaves them as they are.
        restyled_source_loss: the source's own losses look at the restyled images, too.
        generator: draws classes, jitter, blur and what a restyling draws.
        dropout_generator: draws dropout and drop path.
    """

    def __init__(
        self,
        roles: Roles,
        replay: SourceBatches,
        *,
        head_factor: float,
        weight_decay: float,
        teacher_momentum: float,
        confidence: Confidence,
        ignored_rows: tuple[int, int],
        jitter: float,
        blur: bool,
        feature_distance_weight: float,
        feature_distance_classes: Sequence[int],
        paste_unlabelled: bool = False,
        frozen_tensors_drift: bool = False,
        adapter_factor: float = 1.0,
        restyle: Restyling | None = None,
        restyled_source_loss: bool = False,
        generator: np.random.Generator,
        dropout_generator: torch.Generator,
    ):
        self.roles = roles
        self.replay = replay
        self.updates = 0
        """Steps that moved the weights."""
        self._teacher_momentum = teacher_momentum
        self._confidence = confidence
        self._ignored_rows = ignored_rows
        self._jitter, self._blur = jitter, blur
        self._distance_weight = feature_distance_weight
        self._distance_classes = torch.tensor(list(feature_distance_classes), device=roles.device)
        self._paste_unlabelled = paste_unlabelled
        self._frozen_tensors_drift = frozen_tensors_drift
        self._restyle, self._restyled_source_loss = restyle, restyled_source_loss
        self._generator = generator
        self._dropout_generator = dropout_generator
        set_generator(roles.model, dropout_generator)
        groups = parameter_groups(
            roles.model, roles.trainable, learning_rate=0.0, head_factor=head_factor,
            weight_decay=weight_decay, adapter_factor=adapter_factor,
        )  # fmt: skip
        self.optimiser = adamw(groups)

    def step(
        self,
        images: Tensor,
        walk: Walk,
        *,
        learning_rate: float,
        mix_ratio: float,
        one_rate: bool = False,
    ) -> Step:
        """Learns from one frame.

        Args:
            images: the frame, (1, 3, H, W) in [0, 1].
            walk: its shared prefix.
            learning_rate: of the encoder.
            mix_ratio: share of the source label's classes that ClassMix pastes.
            one_rate: heads learn no faster than the encoder.
        """
        self.roles.move_teacher(momentum(self.updates, self._teacher_momentum))
        statistics = self.roles.moving_statistics()
        confidence = copy.deepcopy(self._confidence.state_dict())
        self.optimiser.zero_grad(set_to_none=not self._frozen_tensors_drift)
        source = self._source(images)
        worn = self._worn(source, images)
        losses, source_confidence = self._source_losses(
            worn if self._restyled_source_loss else source
        )
        values = {name: float(loss.detach()) for name, loss in losses.items()}
        made = _backward(losses.values())  # now, so that only one pass at a time is held
        if made:
            pseudo_labels, weights = self.pseudo_labels(images, walk, source_confidence)
            mixed = self._mix(images, worn, pseudo_labels, weights, mix_ratio)
            loss = self._mixed_loss(mixed)
            values["mixed"] = float(loss.detach())
            values["pseudo_label_weight"] = float(weights.mean())
            made = _backward([loss])
        if not made:  # the passes have moved statistics, perhaps to NaN
            self.roles.restore_statistics(statistics)
            self._confidence.load_state_dict(confidence)
            self._restore_gradients()
            return Step(False, values)
        set_learning_rate(self.optimiser, learning_rate, same_for_all=one_rate)
        self.optimiser.step()
        self._restore_gradients()
        self.updates += 1
        return Step(True, values)

    def _source(self, images: Tensor) -> SourceBatch:
        batch = self.replay.sample()
        if batch.images.shape[2:] != images.shape[2:]:
            raise InputError(
                f"frames are {tuple(images.shape[2:])} (height, width), replay crops "
                f"{tuple(batch.images.shape[2:])}: ClassMix needs one size; set the target's size"
            )
        return SourceBatch(batch.images.to(self.roles.device), batch.labels.to(self.roles.device))

    def _worn(self, source: SourceBatch, images: Tensor) -> SourceBatch:
        """The source in the frame's appearance, if it is to wear it."""
        if self._restyle is None:
            return source
        references = [to_image(images[0])] * len(source.images)
        worn = restyled(source.images, references, self._restyle, self._generator)
        return SourceBatch(worn, source.labels)

    def _mixed_loss(self, mixed: Mixed) -> Tensor:
        levels = self.roles.levels("student", self.roles.prefix(mixed.images), training=True)
        logits = self.roles.logits("student", levels, training=True)
        return weighted_cross_entropy(logits, mixed.labels, mixed.weights)

    def _source_losses(self, source: SourceBatch) -> tuple[dict[str, Tensor], float]:
        """The losses, and how sure the student is where the source is labelled."""
        walk = self.roles.prefix(source.images)
        levels = self.roles.levels("student", walk, training=True)
        logits = self.roles.logits("student", levels, training=True)
        losses = {"source": weighted_cross_entropy(logits, source.labels)}
        if self._distance_weight > 0:
            losses["feature_distance"] = self._distance_weight * feature_distance(
                levels[3],
                self.roles.levels("static", walk)[3],
                source.labels,
                classes=self._distance_classes,
                ignored_class=self.roles.model.head.classes,
            )
        return losses, _confidence_where_labelled(logits.detach(), source.labels)

    @torch.no_grad()
    def pseudo_labels(
        self, images: Tensor, walk: Walk, source_confidence: float
    ) -> tuple[Tensor, Tensor]:
        """The teacher's labels (1, H, W) and their weights (1, H, W)."""
        size = (images.shape[2], images.shape[3])
        logits = self.roles.logits("teacher", self.roles.levels("teacher", walk))
        probabilities = upsample(logits, size).softmax(dim=1)
        weights = self._confidence.weights(probabilities, source_confidence)
        top, bottom = self._ignored_rows
        weights[:, :top] = 0
        weights[:, max(0, size[0] - bottom) :] = 0
        return most_probable(probabilities), weights

    def _mix(
        self,
        images: Tensor,
        source: SourceBatch,
        pseudo_labels: Tensor,
        weights: Tensor,
        mix_ratio: float,
    ) -> Mixed:
        classes = choose_classes(
            source.labels, ratio=mix_ratio, generator=self._generator,
            paste_unlabelled=self._paste_unlabelled,
        )  # fmt: skip
        mixed = paste(
            source.images, source.labels, images, pseudo_labels,
            weights.expand(source.labels.shape), classes=classes,
        )  # fmt: skip
        distorted = jitter_and_blur(
            mixed.images, strength=self._jitter, blur=self._blur, generator=self._generator
        )
        return Mixed(distorted, mixed.labels, mixed.weights)

    def _restore_gradients(self) -> None:
        """As between steps: zeros where tensors that have learnt are to drift, else nothing."""
        for group in self.optimiser.param_groups:
            for parameter in group["params"]:
                drifts = self._frozen_tensors_drift and parameter in self.optimiser.state
                parameter.grad = torch.zeros_like(parameter) if drifts else None

    def learnt(self) -> dict[str, Any]:
        """Student, teacher and the optimiser's moments."""
        return learnt(self.roles, self.optimiser)

    def bring_back(self, state: dict[str, Any]) -> None:
        """Goes on with them; confidence, replay and generators stay as they are."""
        bring_back(self.roles, self.optimiser, state)
        self._restore_gradients()

    def state_dict(self) -> dict[str, Any]:
        """Weights, teacher, optimiser, confidence, replay and generators."""
        return {
            "roles": self.roles.state_dict(),
            "optimiser": optimiser_state(self.optimiser),
            "updates": self.updates,
            "confidence": self._confidence.state_dict(),
            "replay": self.replay.state_dict(),
            "generator": self._generator.bit_generator.state,
            "dropout_generator": self._dropout_generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where another stood."""
        self.roles.load_state_dict(state["roles"])
        load_optimiser_state(self.optimiser, state["optimiser"])
        self._restore_gradients()
        self.updates = state["updates"]
        self._confidence.load_state_dict(state["confidence"])
        self.replay.load_state_dict(state["replay"])
        self._generator.bit_generator.state = state["generator"]
        self._dropout_generator.set_state(state["dropout_generator"])


def _backward(losses: Iterable[Tensor]) -> bool:
    """Adds the gradients of the losses' sum, unless it is not finite."""
    total = torch.stack(list(losses)).sum()
    if not torch.isfinite(total):
        return False
    total.backward()  # type: ignore[no-untyped-call]
    return True


def _confidence_where_labelled(logits: Tensor, labels: Tensor) -> float:
    """Mean largest probability on the head's grid, over cells whose first pixel is labelled."""
    confidence = logits.softmax(dim=1).amax(dim=1)
    step_y, step_x = (labels.shape[i + 1] // confidence.shape[i + 1] for i in (0, 1))
    known = labels[:, ::step_y, ::step_x][:, : confidence.shape[1], : confidence.shape[2]]
    mask = (known != IGNORE).to(confidence)
    return float((confidence * mask).sum() / mask.sum().clamp(min=1))
