"""Supervised training of a source model: encoder and head together, then the early head alone."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from driftseg.errors import InputError
from driftseg.evaluation.confusion import Score
from driftseg.frame import SourceBatch
from driftseg.labels import IGNORE
from driftseg.models.checkpoints import load_checkpoint, save_checkpoint
from driftseg.models.segmenter import Segmenter, upsample
from driftseg.models.trainable import (
    adamw,
    freeze_except,
    parameter_groups,
    set_generator,
    set_learning_rate,
    set_statistics,
    trainable_names,
)
from driftseg.replay.replay import Replay
from driftseg.replay.sampling import Counts
from driftseg.replay.transforms import to_tensor
from driftseg.scenes.dataset import Dataset


@dataclass(frozen=True)
class Recipe:
    """How a source model is trained."""

    steps: int
    """Optimiser steps of encoder and head; 0 trains the early head alone."""
    early_head_steps: int = 0
    """Optimiser steps of the early head afterwards, everything else frozen."""
    early_head_rare_classes: bool = False
    """Whether the early head is trained on rare classes first, too. Its cross-entropy is the
    drift signal: taught the classes' true shares it is lower on the source and rises further."""
    train: tuple[str, ...] = ("encoder", "head")
    learning_rate: float = 6e-5
    """Of the encoder; SegFormer's."""
    head_factor: float = 10.0
    weight_decay: float = 0.01
    warm_up: int = 100
    """Steps over which the rate rises linearly from nothing."""
    power: float = 1.0
    """Of the polynomial decay to nothing."""
    class_weight: float = 0.0
    """Cross-entropy weights are (median frequency / frequency) to this power; 0 turns them
    off, 1 is Eigen and Fergus' median-frequency balancing."""
    validate_every: int = 500
    """Steps between two validations; the last step is always validated."""
    choose: Literal["best", "last"] = "best"
    """Whether best.safetensors is chosen by validation or simply the last."""
    half: bool = False
    """Whether checkpoints store matrices in 16 bits."""


@dataclass(frozen=True)
class Progress:
    """What training reports at each step."""

    phase: str
    """``main`` or ``early_head``."""
    step: int
    steps: int
    loss: float
    learning_rate: float
    images_per_second: float
    mean_iou: float | None = None
    """Percent, at the steps that are validated."""
    best: float | None = None
    unlabelled: int = 0
    """Batches so far without a labelled pixel; their loss is 0."""


class SourceTraining:
    """Trains, validates now and then, keeps the best and the last checkpoint, and resumes.

    Writes into ``out``: ``best.safetensors``, ``last.safetensors`` (with .json), ``log.jsonl``
    and, while unfinished, ``state.pt`` from which an interrupted training goes on exactly.

    Args:
        model: with starting weights; changed in place.
        recipe: how.
        batches: draws training batches (a replay over the whole source).
        validation: labelled scenes.
        frequencies: labelled pixels per class in the source, for class weights, (C,).
        facts: ``encoder``, ``head_width``, ``label_space``, ``classes``, ``colours``, as
            `save_checkpoint` wants them.
        out: folder; made if missing.
        generator: what dropout and drop path draw from.
    """

    def __init__(
        self,
        model: Segmenter,
        recipe: Recipe,
        *,
        batches: Replay,
        validation: Dataset,
        frequencies: Counts,
        facts: dict[str, Any],
        out: Path,
        generator: torch.Generator,
    ):
        self.model = model
        self.recipe = recipe
        self._batches = batches
        self._validation = validation
        self._facts = facts
        self._out = out
        self._generator = generator
        self._device = next(model.parameters()).device
        self._weights = class_weights(frequencies, recipe.class_weight).to(self._device)
        self._phases = [("main", recipe.steps, recipe.train)] if recipe.steps > 0 else []
        if recipe.early_head_steps > 0:
            if model.early_head is None:
                raise InputError(
                    "early_head_steps: expected a model with an early head, got one without. To "
                    "fix: set early_head_steps to 0"
                )
            self._phases.append(("early_head", recipe.early_head_steps, ("early_head",)))
        if not self._phases:
            raise InputError(
                "expected steps or early_head_steps above 0, got 0 for both. To fix: set one of "
                "them"
            )
        self._phase = 0
        self._step = 0
        self._best: float | None = None
        self._optimiser = self._prepare()

    def run(self, report: Callable[[Progress], None]) -> float:
        """Trains to the end; returns the best validation mIoU of the main head in percent.

        Without steps of the main head only the early head is trained, and the main head's score
        is what it came with.
        """
        self._out.mkdir(parents=True, exist_ok=True)
        set_generator(self.model, self._generator)
        if self._best is None and self.recipe.steps == 0:  # the main head stays as it came
            self._best = self._validate("main")
        while self._phase < len(self._phases):
            name, steps, _ = self._phases[self._phase]
            for progress in self._steps(name, steps):
                report(progress)
            self._phase, self._step = self._phase + 1, 0
            if self._phase < len(self._phases):
                self._load_best()
                self._optimiser = self._prepare()
        (self._out / "state.pt").unlink(missing_ok=True)
        self.model.eval()
        assert self._best is not None
        return self._best

    def _prepare(self) -> torch.optim.Optimizer:
        names = trainable_names(self.model, self._phases[self._phase][2])
        freeze_except(self.model, names)
        set_statistics(self.model, "stored")
        set_statistics(self.model, "update", only_trainable=True)
        groups = parameter_groups(
            self.model, names, learning_rate=self.recipe.learning_rate,
            head_factor=self.recipe.head_factor, weight_decay=self.recipe.weight_decay,
        )  # fmt: skip
        return adamw(groups)

    def _steps(self, name: str, steps: int) -> Iterator[Progress]:
        started, images = time.perf_counter(), 0
        while self._step < steps:
            common = name == "early_head" and not self.recipe.early_head_rare_classes
            batch = self._batches.sample(uniform=common)
            rate = learning_rate_at(self._step, steps, self.recipe)
            set_learning_rate(self._optimiser, rate)
            loss = self._learn(name, batch)
            self._step += 1
            images += len(batch.images)
            speed = images / (time.perf_counter() - started)
            score = None
            if self._step % self.recipe.validate_every == 0 or self._step == steps:
                score = self._validate(name)
                self._keep(name, score, loss)
            yield Progress(
                name, self._step, steps, loss, rate, speed, score, self._best,
                self._batches.unlabelled,
            )  # fmt: skip

    def _learn(self, name: str, batch: SourceBatch) -> float:
        labelled = bool((batch.labels != IGNORE).any())  # before it is on a device that waits
        images, labels = batch.images.to(self._device), batch.labels.to(self._device)
        logits = upsample(self._logits(name, images), (labels.shape[1], labels.shape[2]))
        if not labelled:  # a mean over no pixel is no number; methods count it as 0, too
            loss = logits.sum() * 0.0
        else:
            loss = F.cross_entropy(logits, labels, self._weights, ignore_index=IGNORE)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        value = float(loss.detach())
        if not math.isfinite(value):
            raise InputError(
                f"expected a finite loss, got {value} at step {self._step}. To fix: lower "
                "learning_rate, or raise warm_up"
            )
        self._optimiser.step()
        return value

    def _logits(self, name: str, images: Tensor) -> Tensor:
        if name == "main":
            result: Tensor = self.model(images)
            return result
        assert self.model.early_head is not None
        with torch.no_grad():
            x = self.model.encoder.stage(0, self.model.start(images).x)
            level = self.model.encoder.level(0, x)
        early: Tensor = self.model.early_head((level,))
        return early

    @torch.no_grad()
    def _validate(self, name: str) -> float:
        """Validation mIoU in percent of the head in training, with stored statistics."""
        training = [module for module in self.model.modules() if module.training]
        self.model.eval()
        set_statistics(self.model, "stored")
        score = Score(len(self._facts["classes"]))
        for index in range(len(self._validation)):
            scene = self._validation.scene(index)
            if scene.label is None:
                raise InputError(
                    f"validation: expected labelled scenes, got {scene.name} without a label. "
                    "To fix: leave it out with exclude, or add its label"
                )
            image = to_tensor(scene.image)[None].to(self._device)
            logits = upsample(
                self._logits(name, image), (scene.label.shape[0], scene.label.shape[1])
            )
            score.add(logits[0].argmax(0).to(torch.uint8).cpu().numpy(), scene.label)
        for module in training:
            module.training = True
        set_statistics(self.model, "update", only_trainable=True)
        return 100 * score.mean_iou()

    def _keep(self, name: str, score: float, loss: float) -> None:
        """Writes checkpoints, log and state after a validation."""
        extra = {
            "head": name,
            "step": self._step,
            "validation_mean_iou": round(score, 2),
            "recipe": {k: list(v) if isinstance(v, tuple) else v
                       for k, v in asdict(self.recipe).items()},
        }  # fmt: skip
        chosen = self.recipe.choose == "last" or self._best is None or score > self._best
        better = name == "main" and chosen
        if better:
            self._best = score
        if name == "early_head":
            extra |= {"validation_mean_iou": round(self._best or 0.0, 2)}
            extra |= {"validation_mean_iou_early_head": round(score, 2), "head": "both"}
        for path in ["last"] + ["best"] * (better or name == "early_head"):
            save_checkpoint(
                self._out / f"{path}.safetensors", self.model, half=self.recipe.half,
                extra=extra, **self._facts,
            )  # fmt: skip
        row = {"phase": name, "step": self._step, "loss": round(loss, 4),
               "mean_iou": round(score, 3), "best": round(self._best or 0.0, 3),
               "unlabelled_batches": self._batches.unlabelled}  # fmt: skip
        with (self._out / "log.jsonl").open("a") as log:
            log.write(json.dumps(row) + "\n")
        partial = self._out / "state.pt.partial"
        torch.save(self.state_dict(), partial)
        os.replace(partial, self._out / "state.pt")

    def _load_best(self) -> None:
        """The early head is trained on the best encoder, not on the last."""
        best, _ = load_checkpoint(self._out / "best.safetensors")
        self.model.load_state_dict(best.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """Everything an exact continuation needs."""
        return {
            "recipe": json.dumps(asdict(self.recipe)),
            "phase": self._phase,
            "step": self._step,
            "best": self._best,
            "model": self.model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "batches": json.dumps(self._batches.state_dict()),
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues a training of the same recipe; InputError when it is another."""
        if state["recipe"] != json.dumps(asdict(self.recipe)):
            raise InputError(
                f"{self._out}: expected an unfinished training with the same settings, got "
                f"{state['recipe']}. To fix: set another out, or delete that folder"
            )
        self._phase, self._step, self._best = state["phase"], state["step"], state["best"]
        self._optimiser = self._prepare()
        self.model.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._batches.load_state_dict(json.loads(state["batches"]))
        self._generator.set_state(state["generator"])


def learning_rate_at(step: int, steps: int, recipe: Recipe) -> float:
    """Linear warm-up, then polynomial decay; ``step`` counts from 0."""
    warm = min(1.0, (step + 1) / recipe.warm_up) if recipe.warm_up > 0 else 1.0
    return float(recipe.learning_rate * warm * (1 - step / steps) ** recipe.power)


def class_weights(frequencies: Counts, power: float) -> Tensor:
    """(median f / f) ** power per class, (C,); 1 for a class that has no pixel."""
    share = frequencies / frequencies.sum()
    present = share > 0
    weights = np.ones(len(share))
    weights[present] = (np.median(share[present]) / share[present]) ** power
    return torch.tensor(weights, dtype=torch.float32)
