"""The self-training step of DACS (WACV 2021), which HAMLET (ICCV 2023) uses, too."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, NonNegativeFloat, ValidationInfo, field_validator, model_validator
from torch import Tensor

from driftseg.errors import InputError, commas
from driftseg.frame import SourceBatch
from driftseg.learners.answering import most_probable, to_images
from driftseg.learners.contract import NOT_FINITE, Answer, Order, Step, bring_back, learnt
from driftseg.learners.parts.classmix import Mixed
from driftseg.learners.parts.confidence import Confidence, ConfidenceSettings, where_labelled
from driftseg.learners.parts.ema import momentum
from driftseg.learners.parts.losses import as_numbers, feature_distance, weighted_cross_entropy
from driftseg.learners.parts.mixing import Mixing
from driftseg.learners.parts.restyle import RestyleSettings
from driftseg.learners.parts.window import window
from driftseg.learners.settings import (
    MethodSettings,
    Needs,
    SourceBatches,
    Supplies,
    on_device,
)
from driftseg.models.network import Walk
from driftseg.models.roles import Roles
from driftseg.models.segmenter import upsample
from driftseg.models.trainable import (
    adamw,
    load_optimiser_state,
    optimiser_state,
    parameter_groups,
    set_generator,
    set_learning_rate,
)
from driftseg.settings import Positive, TrainableSet, is_changed

Rows = Annotated[int, Field(ge=0)]
UNUSED = "expected replay_style: restyled, got plain. To fix: set it to restyled, or leave out"


class SelfTrainingSettings(MethodSettings, RestyleSettings):
    """Settings that DACS and HAMLET share."""

    train: TrainableSet = ["encoder", "head"]
    """Parts of the network that train."""
    head_factor: Positive = 10.0
    """Learning rate of the heads divided by that of the encoder."""
    weight_decay: NonNegativeFloat = 0.01
    norm_statistics: Literal["source", "running", "batch", "published"] = "source"
    teacher_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Largest momentum of the teacher's moving average."""
    confidence: ConfidenceSettings = ConfidenceSettings()
    ignored_rows: tuple[Rows, Rows] = (0, 0)
    """Numbers of top and bottom rows without pseudo-labels; HAMLET: 15, 120 of 512."""
    jitter: NonNegativeFloat = 0.2
    """Strength of brightness, contrast, saturation and hue jitter of the mixed image."""
    blur: bool = True
    feature_distance: NonNegativeFloat = 0.0
    """Weight of the distance to the static role's deep features; HAMLET: 0.005; 0 turns it off."""
    feature_distance_classes: list[str] = []
    """Classes whose pixels the feature distance uses; an empty list takes all."""
    replay_style: Literal["plain", "restyled"] = "plain"
    """restyled: pasted source classes are restyled to the frame that they are pasted into."""
    source_loss: Literal["plain", "restyled"] = "plain"
    """Images of the loss on the source: plain, which limits forgetting, or restyled."""

    @field_validator("source_loss")
    @classmethod
    def _restyled_at_all(cls, value: str, info: ValidationInfo) -> str:
        if value == "restyled" and info.data.get("replay_style") == "plain":
            raise ValueError(f"restyled: {UNUSED} restyled")
        return value

    @model_validator(mode="after")
    def _restylings_are_used(self) -> SelfTrainingSettings:
        if self.replay_style == "plain" and is_changed(self, "restylings"):
            raise ValueError(f"restylings: {UNUSED} restylings")
        return self

    def needs(self) -> Needs:
        """A teacher and labelled source scenes; the whole static role for feature distance."""
        return Needs(
            tuple(self.train),
            self.norm_statistics,
            teacher=True,
            static="whole" if self.feature_distance > 0 else "none",
            source=True,
            as_large_as_source=True,
        )

    @property
    def needs_calibration(self) -> bool:
        """For a detector, or for confidence."""
        return self.confidence.calibrated or super().needs_calibration

    def make_learner(
        self, supplies: Supplies, *, hold_everything: bool = False, **released: bool
    ) -> SelfTraining:
        """The update rule; ``released`` are switches to the released code's behaviour."""
        return SelfTraining(**self._arguments(supplies, hold_everything, **released))

    def _arguments(self, supplies: Supplies, everything: bool, **released: bool) -> dict[str, Any]:
        rows = supplies.size[1]
        if sum(self.ignored_rows) >= rows:
            told = (
                f"expected below {rows} rows, got {commas(self.ignored_rows)}. To fix: lower them"
            )
            raise InputError(f"method.ignored_rows: {told}")
        paste_unlabelled = released.pop("paste_unlabelled", False)
        return dict(
            roles=supplies.roles,
            replay=supplies.replay(everything),
            head_factor=self.head_factor,
            weight_decay=self.weight_decay,
            teacher_momentum=self.teacher_momentum,
            confidence=self.confidence.make(supplies.calibration),
            ignored_rows=self.ignored_rows,
            mixing=Mixing(
                self.jitter, self.blur, supplies.numpy("learner"),
                self.make_restyling() if self.replay_style == "restyled" else None,
                paste_unlabelled,
            ),
            feature_distance_weight=self.feature_distance,
            feature_distance_classes=_ids(self.feature_distance_classes, supplies.classes),
            adapter_factor=supplies.adapter_factor,
            restyled_source_loss=self.source_loss == "restyled",
            dropout_generator=supplies.torch(),
            **released,
        )  # fmt: skip


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
        mixing: pastes source classes into the frame; its generator is this learner's.
        feature_distance_weight: 0 turns it off.
        feature_distance_classes: ids it looks at.
        frozen_tensors_drift: tensors that have learnt and do not learn now still move by AdamW's
            momentum and decay, as in HAMLET's released code on torch 1.7.
        diagnostics_move_statistics: a pass for logging moves norms and draws, as released.
        restyled_source_loss: the source's own losses use the restyled images, too.
        dropout_generator: draws dropout and drop path.
    """

    keeps_graph = False

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
        mixing: Mixing,
        feature_distance_weight: float,
        feature_distance_classes: Sequence[int],
        frozen_tensors_drift: bool = False,
        diagnostics_move_statistics: bool = False,
        adapter_factor: float = 1.0,
        restyled_source_loss: bool = False,
        dropout_generator: torch.Generator,
    ):
        self.roles = roles
        self.replay = replay
        self.updates = 0
        """Steps that moved the weights."""
        self._teacher_momentum = teacher_momentum
        self._confidence = confidence
        self._ignored_rows = ignored_rows
        self._mixing = mixing
        self._distance_weight = feature_distance_weight
        self._distance_classes = torch.tensor(list(feature_distance_classes), device=roles.device)
        self._frozen_tensors_drift = frozen_tensors_drift
        self._diagnostics_move_statistics = diagnostics_move_statistics
        self._restyled_source_loss = restyled_source_loss
        self._teacher_waits = False
        self._dropout_generator = dropout_generator
        set_generator(roles.network.module, dropout_generator)
        groups = parameter_groups(
            roles.network, roles.trainable, learning_rate=0.0, head_factor=head_factor,
            weight_decay=weight_decay, adapter_factor=adapter_factor,
        )  # fmt: skip
        self.optimiser = adamw(groups)

    def look(self, answer: Answer) -> None:
        """Does nothing."""

    def learn(self, answer: Answer, order: Order) -> Step:
        """Learns from one frame, its pseudo-labels and a source batch."""
        rate, mix_ratio = order.learning_rate, order.mix_ratio
        if rate is None or mix_ratio is None:
            raise ValueError(
                "expected learning_rate and mix_ratio with every order of self-training, got an "
                "order without. To fix: set both"
            )
        if not self._teacher_waits:
            self.roles.move_teacher(momentum(self.updates, self._teacher_momentum))
        statistics = self.roles.moving_statistics()
        confidence = copy.deepcopy(self._confidence.state_dict())
        self.optimiser.zero_grad(set_to_none=not self._frozen_tensors_drift)
        source = self.replay.sample()
        images, walk, frame = self._window(answer, source)
        worn = self._mixing.worn(source, frame)
        losses, source_confidence = self._source_losses(
            on_device(worn if self._restyled_source_loss else source, self.roles.device)
        )
        told = {name: loss.detach() for name, loss in losses.items()}
        total = torch.stack(list(losses.values())).sum()
        total.backward()  # type: ignore[no-untyped-call] # now: one pass at a time is held
        pseudo_labels, weights = self.pseudo_labels(images, walk, source_confidence)
        mixed = self._mixing.mix(frame, worn, pseudo_labels, weights, mix_ratio)
        loss = self._mixed_loss(mixed)
        loss.backward()  # type: ignore[no-untyped-call]
        told |= {"mixed": loss.detach(), "pseudo_label_weight": weights.mean()}
        values = as_numbers(told)  # the step's one wait for the device
        if not all(map(math.isfinite, values.values())):  # statistics may be NaN, too
            self.roles.restore_statistics(statistics)
            self._confidence.load_state_dict(confidence)
            self._restore_gradients()
            self._teacher_waits = True
            return Step(False, values, reason=NOT_FINITE)
        set_learning_rate(self.optimiser, rate, same_for_all=order.one_rate)
        self.optimiser.step()
        self._restore_gradients()
        self.updates += 1
        self._teacher_waits = False
        if self._diagnostics_move_statistics:
            with torch.no_grad():
                self._pass(answer.images)
        return Step(True, values, values["mixed"], rate)

    def _window(self, answer: Answer, source: SourceBatch) -> tuple[Tensor, Walk, Tensor]:
        """The frame, or a window of it as large as the source's crops; last, on the CPU."""
        size = (source.images.shape[2], source.images.shape[3])
        where = window(answer.size, size, self._mixing.generator, why="ClassMix")
        images, walk, image = answer.images, answer.walk, answer.image
        if where is not None:
            images, image = images[:, :, where[0], where[1]], image[where]
            walk = self.roles.prefix(images)
        on_cpu = images.device.type == "cpu"
        return images, walk, images if on_cpu else to_images(image, torch.device("cpu"))

    def _pass(self, images: Tensor) -> Tensor:
        levels = self.roles.levels("student", self.roles.prefix(images), training=True)
        return self.roles.logits("student", levels, training=True)

    def _mixed_loss(self, mixed: Mixed) -> Tensor:
        return weighted_cross_entropy(self._pass(mixed.images), mixed.labels, mixed.weights)

    def _source_losses(self, source: SourceBatch) -> tuple[dict[str, Tensor], Tensor]:
        """The losses, and how sure the student is where the source is labelled."""
        walk = self.roles.prefix(source.images)
        levels = self.roles.levels("student", walk, training=True)
        logits = self.roles.logits("student", levels, training=True)
        losses = {"source": weighted_cross_entropy(logits, source.labels)}
        if self._distance_weight > 0:
            losses["feature_distance"] = self._distance_weight * feature_distance(
                levels[-1],
                self.roles.levels("static", walk)[-1],
                source.labels,
                classes=self._distance_classes,
                ignored_class=self.roles.network.classes,
            )
        return losses, where_labelled(logits.detach(), source.labels)

    @torch.no_grad()
    def pseudo_labels(
        self, images: Tensor, walk: Walk, source_confidence: Tensor | float
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
        """Restores them. Confidence, replay and generators stay unchanged."""
        bring_back(self.roles, self.optimiser, state)
        self._restore_gradients()

    def state_dict(self) -> dict[str, Any]:
        """Weights, teacher, optimiser, confidence, replay and generators."""
        return {
            "roles": self.roles.state_dict(),
            "optimiser": optimiser_state(self.optimiser),
            "updates": self.updates,
            "teacher_waits": self._teacher_waits,
            "confidence": self._confidence.state_dict(),
            "replay": self.replay.state_dict(),
            "generator": self._mixing.generator.bit_generator.state,
            "dropout_generator": self._dropout_generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores them."""
        self.roles.load_state_dict(state["roles"])
        load_optimiser_state(self.optimiser, state["optimiser"])
        self._restore_gradients()
        self.updates = state["updates"]
        self._teacher_waits = state["teacher_waits"]
        self._confidence.load_state_dict(state["confidence"])
        self.replay.load_state_dict(state["replay"])
        self._mixing.generator.bit_generator.state = state["generator"]
        self._dropout_generator.set_state(state["dropout_generator"])


def _ids(names: Sequence[str], classes: Sequence[str]) -> list[int]:
    unknown = sorted(set(names) - set(classes))
    if unknown:
        told = (
            f"expected some of {commas(classes)}, got {commas(unknown)}. To fix: correct the names"
        )
        raise InputError(f"method.feature_distance_classes: {told}")
    return [classes.index(name) for name in names or classes]
