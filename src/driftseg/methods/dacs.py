"""DACS: self-training on source classes pasted into the target (Tranheden et al. 2021).

The step is that of HAMLET's code (methods A.3) without its defects (A.13): only the trained
tensors are averaged into the teacher, logging passes do not exist, and the feature distance is
guarded and built only when its weight is above 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from driftseg.errors import InputError
from driftseg.frame import Adaptation, Image, Prediction, SourceBatch
from driftseg.methods.base import to_images, to_prediction
from driftseg.methods.classmix import Mixed, choose_classes, paste
from driftseg.methods.ema import momentum
from driftseg.methods.jitter import jitter_and_blur
from driftseg.methods.losses import feature_distance, finite, weighted_cross_entropy
from driftseg.models.roles import Roles
from driftseg.models.segmenter import Walk, upsample
from driftseg.models.trainable import parameter_groups, set_generator


class SourceBatches(Protocol):
    """Where labelled source images come from: `driftseg.data.replay.Replay`."""

    def sample(self) -> SourceBatch:
        """The next batch."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """For exact continuation."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues."""
        ...


class Dacs:
    """Learns from every frame: source labels, and pseudo-labels in a mixed image.

    Args:
        roles: with a teacher; with a static role if ``feature_distance_weight`` is above 0.
        replay: the labelled source, in crops of the frames' size.
        learning_rate: of the encoder.
        head_factor: heads learn this many times as fast.
        weight_decay: AdamW's; norms do not decay.
        teacher_momentum: largest momentum of the moving average.
        confidence_threshold: the share of pixels above it weighs all pseudo-labels.
        mix_ratio: share of the source label's classes that are pasted.
        ignored_rows: top and bottom rows whose pseudo-labels weigh nothing.
        jitter: strength of colour jitter.
        blur: whether mixed images may be blurred.
        feature_distance_weight: 0 turns it off.
        feature_distance_classes: ids it looks at.
        generator: draws classes, jitter and blur.
        dropout_generator: draws dropout and drop path.
    """

    def __init__(
        self,
        roles: Roles,
        replay: SourceBatches,
        *,
        learning_rate: float,
        head_factor: float,
        weight_decay: float,
        teacher_momentum: float,
        confidence_threshold: float,
        mix_ratio: float,
        ignored_rows: tuple[int, int],
        jitter: float,
        blur: bool,
        feature_distance_weight: float,
        feature_distance_classes: Sequence[int],
        generator: np.random.Generator,
        dropout_generator: torch.Generator,
    ):
        self.roles = roles
        self.replay = replay
        self.updates = 0
        self._rate = learning_rate
        self._teacher_momentum = teacher_momentum
        self._threshold = confidence_threshold
        self._mix_ratio = mix_ratio
        self._ignored_rows = ignored_rows
        self._jitter, self._blur = jitter, blur
        self._distance_weight = feature_distance_weight
        self._distance_classes = torch.tensor(list(feature_distance_classes), device=roles.device)
        self._generator = generator
        self._dropout_generator = dropout_generator
        set_generator(roles.model, dropout_generator)
        groups = parameter_groups(
            roles.model, roles.trainable, learning_rate=learning_rate, head_factor=head_factor,
            weight_decay=weight_decay,
        )  # fmt: skip
        self.optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.999))
        self._images: Tensor | None = None
        self._walk: Walk | None = None

    @torch.no_grad()
    def predict(self, image: Image) -> Prediction:
        """The student's answer; the shared prefix is kept for the teacher."""
        self._images = to_images(image, self.roles.device)
        self._walk = self.roles.prefix(self._images)
        logits = self.roles.logits("student", self.roles.levels("student", self._walk))
        return to_prediction(logits, (image.shape[0], image.shape[1]))

    def adapt(self) -> Adaptation:
        """One step on the frame last predicted, paired with a source batch."""
        if self._images is None or self._walk is None:
            raise RuntimeError("adapt() learns from a prediction: call predict() first")
        self.roles.move_teacher(momentum(self.updates, self._teacher_momentum))
        source = self._source()
        losses = self._source_losses(source)
        pseudo_labels, weights = self._pseudo_labels(self._walk)
        mixed = self._mix(source, pseudo_labels, weights)
        losses["mixed"] = weighted_cross_entropy(
            self._student(self.roles.prefix(mixed.images)), mixed.labels, mixed.weights
        )
        total = finite(torch.stack(list(losses.values())).sum(), self.updates)
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.updates += 1
        self._images = self._walk = None
        values = {name: float(loss.detach()) for name, loss in losses.items()}
        values["pseudo_label_weight"] = float(weights.max())
        return Adaptation(True, values, self._rate)

    def _source(self) -> SourceBatch:
        batch = self.replay.sample()
        assert self._images is not None
        if batch.images.shape[2:] != self._images.shape[2:]:
            raise InputError(
                f"frames are {tuple(self._images.shape[2:])} (height, width), replay crops "
                f"{tuple(batch.images.shape[2:])}: ClassMix needs one size; set the target's size"
            )
        return SourceBatch(batch.images.to(self.roles.device), batch.labels.to(self.roles.device))

    def _student(self, walk: Walk) -> Tensor:
        levels = self.roles.levels("student", walk, training=True)
        return self.roles.logits("student", levels, training=True)

    def _source_losses(self, source: SourceBatch) -> dict[str, Tensor]:
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
        return losses

    @torch.no_grad()
    def _pseudo_labels(self, walk: Walk) -> tuple[Tensor, Tensor]:
        """The teacher's labels (1, H, W) and their weights (1, H, W)."""
        assert self._images is not None
        size = (self._images.shape[2], self._images.shape[3])
        logits = self.roles.logits("teacher", self.roles.levels("teacher", walk))
        confidence, labels = upsample(logits, size).softmax(dim=1).max(dim=1)
        share = (confidence >= self._threshold).float().mean()
        weights = share.expand_as(confidence).clone()
        top, bottom = self._ignored_rows
        weights[:, :top] = 0
        weights[:, max(0, size[0] - bottom) :] = 0
        return labels, weights

    def _mix(self, source: SourceBatch, pseudo_labels: Tensor, weights: Tensor) -> Mixed:
        assert self._images is not None
        classes = choose_classes(source.labels, ratio=self._mix_ratio, generator=self._generator)
        mixed = paste(
            source.images, source.labels, self._images, pseudo_labels,
            weights.expand(source.labels.shape), classes=classes,
        )  # fmt: skip
        images = jitter_and_blur(
            mixed.images, strength=self._jitter, blur=self._blur, generator=self._generator
        )
        return Mixed(images, mixed.labels, mixed.weights)

    def state_dict(self) -> dict[str, Any]:
        """Weights, teacher, optimiser, replay and generators."""
        return {
            "roles": self.roles.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "updates": self.updates,
            "replay": self.replay.state_dict(),
            "generator": self._generator.bit_generator.state,
            "dropout_generator": self._dropout_generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where another stood."""
        self.roles.load_state_dict(state["roles"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.updates = state["updates"]
        self.replay.load_state_dict(state["replay"])
        self._generator.bit_generator.state = state["generator"]
        self._dropout_generator.set_state(state["dropout_generator"])
