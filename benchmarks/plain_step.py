"""The step of DACS and HAMLET on three whole networks, written down plainly: what to compare with.

Student, teacher and static model are deep copies of transformers' SegFormer, the static one with an
early head over its first stage. Head, attention and losses are computed as published: every level
embedded, upsampled and concatenated at full width, logits upsampled to the image, one backward pass
over the sum of the losses (methods A.3, A.4). Random weights, 19 classes. Needs the `dev` extra.

ClassMix and jitter are driftseg's own functions, so they cost the same on both sides.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import SegformerConfig, SegformerForSemanticSegmentation

from driftseg.labels import IGNORE
from driftseg.learners.parts.classmix import Mixed, choose_classes, paste
from driftseg.learners.parts.ema import momentum
from driftseg.learners.parts.jitter import jitter_and_blur
from driftseg.models.encoders.mit import MIT_SIZES

CLASSES = 19
THRESHOLD = 0.968
DISTANCE_WEIGHT = 0.005
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class EarlyHead(nn.Module):
    """HAMLET's lightweight decoder: one level embedded, fused and classified."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.embed = nn.Linear(channels, width)
        self.fuse = nn.Sequential(
            nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.classifier = nn.Conv2d(width, CLASSES, 1)

    def forward(self, level: Tensor) -> Tensor:
        """(B, D, h, w) to (B, C, h, w)."""
        embedded = self.embed(level.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self.classifier(self.fuse(embedded))


def plain_model(encoder: str) -> SegformerForSemanticSegmentation:
    """The model of a MiT size, in eval mode."""
    size = MIT_SIZES[encoder]
    config = SegformerConfig(
        depths=list(size.depths), hidden_sizes=list(size.channels),
        decoder_hidden_size=size.head_width, num_labels=CLASSES, output_hidden_states=True,
    )  # fmt: skip
    return SegformerForSemanticSegmentation(config).eval()


def normalised(images: Tensor) -> Tensor:
    shape = (1, 3, 1, 1)
    return (images - torch.tensor(MEAN).view(shape)) / torch.tensor(DEVIATION).view(shape)


def upsampled(logits: Tensor, images: Tensor) -> Tensor:
    return F.interpolate(logits, size=images.shape[2:], mode="bilinear", align_corners=False)


@torch.no_grad()
def plain_forward(model: SegformerForSemanticSegmentation, images: Tensor) -> Tensor:
    """What one F is: a forward pass in eval mode without gradients, upsampled to the image."""
    return upsampled(model(pixel_values=normalised(images)).logits, images)


class PlainStep:
    """Three networks, one optimiser over the student.

    Args:
        encoder: a MiT size.
        first_stage: n: stages n to 4 and the head learn, the stages before are frozen.
        feature_distance: whether the static model also runs on the source, as in HAMLET.
    """

    def __init__(self, encoder: str, *, first_stage: int = 1, feature_distance: bool = True):
        size = MIT_SIZES[encoder]
        self.student = plain_model(encoder)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        self.static = copy.deepcopy(self.student).requires_grad_(False)
        self.static_early_head = EarlyHead(size.channels[0], size.head_width).eval()
        self.static_early_head.requires_grad_(False)
        for stage in self.student.segformer.stages[: first_stage - 1]:
            stage.requires_grad_(False)
        self.feature_distance = feature_distance
        self.optimiser = torch.optim.AdamW(
            self.student.parameters(), lr=1e-6, betas=(0.9, 0.999), weight_decay=0.01
        )
        self.generator = np.random.default_rng(0)
        self.updates = 0

    def modules(self) -> tuple[nn.Module, ...]:
        """All that is held, the student first."""
        return self.student, self.teacher, self.static, self.static_early_head

    def without_training(self, images: Tensor) -> float:
        """The student's answer, and the static early head's cross-entropy against it."""
        labels = plain_forward(self.student, images).argmax(dim=1)
        with torch.no_grad():
            level = self.static.segformer.stages[0](normalised(images))
            early = upsampled(self.static_early_head(level), images)
            return float(F.cross_entropy(early, labels))

    def step(self, images: Tensor, source: Tensor, source_labels: Tensor) -> float:
        """One frame with training; images and source (1, 3, H, W) in [0, 1]; the drift signal."""
        self._move_teacher()
        self.student.train()
        output = self.student(pixel_values=normalised(source))
        loss = cross_entropy(upsampled(output.logits, source), source_labels)
        if self.feature_distance:
            loss = loss + self._distance(output.hidden_states[-1], source, source_labels)
        mixed = self._mixed(images, source, source_labels)
        logits = self.student(pixel_values=normalised(mixed.images)).logits
        loss = loss + cross_entropy(upsampled(logits, mixed.images), mixed.labels, mixed.weights)
        self.student.eval()
        signal = self.without_training(images)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.updates += 1
        return signal

    @torch.no_grad()
    def _move_teacher(self) -> None:
        alpha = momentum(self.updates, 0.999)
        for slow, fast in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
            slow.mul_(alpha).add_(fast, alpha=1 - alpha)

    def _distance(self, features: Tensor, source: Tensor, labels: Tensor) -> Tensor:
        """Over all cells whose pixels mostly agree on a class."""
        with torch.no_grad():
            reference = self.static(pixel_values=normalised(source)).hidden_states[-1]
        known = torch.where(labels == IGNORE, CLASSES, labels)
        votes = F.one_hot(known, CLASSES + 1).permute(0, 3, 1, 2).float()
        share, winner = F.avg_pool2d(votes, labels.shape[2] // features.shape[3]).max(dim=1)
        mask = (share >= 0.75) & (winner < CLASSES)
        distance = torch.linalg.vector_norm(features - reference, dim=1)
        return DISTANCE_WEIGHT * (distance * mask).sum() / mask.sum().clamp(min=1)

    @torch.no_grad()
    def _mixed(self, images: Tensor, source: Tensor, source_labels: Tensor) -> Mixed:
        probabilities = plain_forward(self.teacher, images).softmax(dim=1)
        confidence, pseudo_labels = probabilities.max(dim=1)
        weights = (confidence >= THRESHOLD).float().mean().expand(confidence.shape)
        classes = choose_classes(source_labels, ratio=0.5, generator=self.generator)
        mixed = paste(source, source_labels, images, pseudo_labels, weights, classes=classes)
        distorted = jitter_and_blur(mixed.images, strength=0.2, blur=True, generator=self.generator)
        return Mixed(distorted, mixed.labels, mixed.weights)


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    loss = F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="none")
    return (loss if weights is None else loss * weights).mean()
