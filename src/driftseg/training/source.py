"""Supervised training of a source model: encoder and head together, then the early head alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from driftseg.errors import InputError
from driftseg.models.checkpoints import load_checkpoint
from driftseg.models.segmenter import Segmenter
from driftseg.models.trainable import (
    adamw,
    freeze_except,
    parameter_groups,
    set_learning_rate,
    set_statistics,
    trainable_names,
)
from driftseg.replay.replay import Replay
from driftseg.replay.sampling import Counts
from driftseg.scenes.dataset import Dataset
from driftseg.training.folder import TrainingFolder
from driftseg.training.precision import check_precision
from driftseg.training.processes import ALONE, Processes, check_batch, synchronise
from driftseg.training.recipe import (
    AT_ONCE,
    Execution,
    Interrupted,
    Progress,
    Recipe,
    class_weights,
    learning_rate_at,
)
from driftseg.training.resuming import LENGTHS, find_state, inexact
from driftseg.training.step import Forward, Stepper
from driftseg.training.validation import validated


class SourceTraining:
    """Trains, validates, keeps the best and the last checkpoint, and can continue.

    Writes into a `TrainingFolder`. All processes hold the same weights, optimiser and generators.

    Args:
        model: with starting weights; changed in place.
        recipe: steps, learning rate and other settings.
        batches: draws training batches (a replay over the whole source).
        validation: labelled scenes.
        frequencies: labelled pixels per class in the source, for class weights, (C,).
        facts: ``encoder``, ``head_width``, ``label_space``, ``classes``, ``colours``, for
            `save_checkpoint`.
        out: folder; made if missing.
        generator: of dropout and drop path.
        execution: how a step is computed.
        processes: that train together.
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
        execution: Execution = AT_ONCE,
        processes: Processes = ALONE,
    ):
        self.model = model
        self.recipe = recipe
        self.execution = execution
        self.processes = processes
        self.folder = TrainingFolder(out, facts, half=recipe.half)
        self.batches = batches
        self.validation = validation
        self._classes = len(facts["classes"])
        self._generator = generator
        self._device = next(model.parameters()).device
        self._weights = class_weights(frequencies, recipe.class_weight).to(self._device)
        check_batch(batches.batch_size, processes, execution.accumulate)
        check_precision(execution.precision, self._device)
        if execution.sync_batch_norm:
            synchronise(model, self._device, processes)
        lengths = {"main": recipe.steps, "early_head": recipe.early_head_steps}
        self.phases = [(name, steps) for name, steps in lengths.items() if steps > 0]
        """Names and steps of the phases."""
        if recipe.early_head_steps > 0 and model.early_head is None:
            raise InputError(
                "early_head_steps: expected a model with an early head, got one without. To fix: "
                "set early_head_steps to 0"
            )
        if not self.phases:
            raise InputError(
                "expected steps or early_head_steps above 0, got 0 for both. To fix: set one of "
                "them"
            )
        self._phase = 0
        self._step = 0
        self._loss = 0.0
        self._due = False
        """Whether the validation of the last step is still missing."""
        self._best: float | None = None
        self._lengthened: list[str] = []
        self._outdated: tuple[str, ...] = ()
        self.continues: str | None = None
        """Where it continues, as text for people; None for a new training."""
        self._stepper = self._prepare()

    def take_up(self) -> None:
        """Continues the training in the folder, if there is one.

        Raises:
            InputError: it is finished, or has other settings.
        """
        found = find_state(self.folder, self.recipe, [name for name, _ in self.phases])
        if found is not None:
            self.load_state_dict(found.state)
            self._outdated = found.outdated
            before = found.state.get("rows", self._rows)
            self.continues = found.told + inexact(self.model, before, self._rows)

    def run(self, report: Callable[[Progress], None], stop: Callable[[], int] = lambda: 0) -> float:
        """Trains to the end; returns the best validation mIoU of the main head in percent.

        Without steps of the main head only the early head is trained, and the main head keeps its
        score.

        Args:
            report: called after every step.
            stop: called after every step; returns the received signal, 0 for none.

        Raises:
            Interrupted: one of the processes received a signal; the state is on disk.
        """
        try:
            return self._run(report, stop)
        finally:
            self._stepper.close()

    def _run(self, report: Callable[[Progress], None], stop: Callable[[], int]) -> float:
        if self.processes.first:
            self.folder.path.mkdir(parents=True, exist_ok=True)
            if self._outdated:
                self.folder.unfinish(self._outdated)
        if self._best is None and self.recipe.steps == 0:  # the main head does not change
            self._best = self._score("main", stop)
            if self._best is None:
                raise Interrupted("main", 0, 0, self._signal(stop))
        while True:
            name, steps = self.phases[self._phase]
            for progress in self._steps(name, steps, stop):
                report(progress)
            if self.processes.first:
                self.folder.finish(name)
            if self._phase + 1 == len(self.phases):
                break
            self._phase, self._step, self._due = self._phase + 1, 0, False
            self._load_best()
            self._stepper.close()
            self._stepper = self._prepare()
        self.model.eval()
        assert self._best is not None
        return self._best

    def rehearse(self, steps: int) -> tuple[list[float], float]:
        """Tries steps of the next phase and validates on one scene; writes nothing.

        Returns:
            Seconds of each step, and of one validation scene.
        """
        name, whole = self.phases[self._phase]
        taken = []
        for number in range(steps):
            started = time.perf_counter()
            self._learn(name, min(self._step + number, whole - 1), whole)
            taken.append(time.perf_counter() - started)
        started = time.perf_counter()
        self._score(name, lambda: 0, scenes=self.processes.count)
        self._stepper.close()
        return taken, time.perf_counter() - started

    @property
    def _rows(self) -> int:
        """Number of images that batch normalisation sees at once."""
        processes = 1 if self.execution.sync_batch_norm else self.processes.count
        return self.batches.batch_size // (processes * self.execution.accumulate)

    def _prepare(self) -> Stepper:
        name = self.phases[self._phase][0]
        train = self.recipe.train if name == "main" else ("early_head",)
        names = trainable_names(self.model, train)
        freeze_except(self.model, names)
        set_statistics(self.model, "stored")
        set_statistics(self.model, "update", only_trainable=True)
        groups = parameter_groups(
            self.model, names, learning_rate=self.recipe.learning_rate,
            head_factor=self.recipe.head_factor, weight_decay=self.recipe.weight_decay,
        )  # fmt: skip
        return Stepper(
            self.model, name, adamw(groups), weights=self._weights,
            batch=self.batches.batch_size, generator=self._generator,
            execution=self.execution, processes=self.processes,
        )  # fmt: skip

    def _learn(self, name: str, step: int, steps: int) -> tuple[float, float]:
        """One step; returns loss and learning rate."""
        common = name == "early_head" and not self.recipe.early_head_rare_classes
        rows = self.processes.rows(self.batches.batch_size)
        batch = self.batches.sample(uniform=common, rows=rows)
        rate = learning_rate_at(step, steps, self.recipe)
        set_learning_rate(self._stepper.optimiser, rate)
        return self._stepper.learn(batch, step), rate

    def _steps(self, name: str, steps: int, stop: Callable[[], int]) -> Iterator[Progress]:
        started, images = time.perf_counter(), 0
        rate = learning_rate_at(max(self._step - 1, 0), steps, self.recipe)
        while self._step < steps or self._due:
            signal = 0
            if not self._due:  # otherwise a signal came before this step's validation
                self._loss, rate = self._learn(name, self._step, steps)
                self._step += 1
                images += self.batches.batch_size
                self._due = self._step % self.recipe.validate_every == 0 or self._step == steps
                signal = self._signal(stop)
            speed = images / (time.perf_counter() - started)
            score = None
            if self._due and not signal:
                score = self._score(name, stop)
                if score is None:
                    signal = self._signal(stop)
                else:
                    self._due = False
                    self._keep(name, score)
            if signal:
                self._save()
                raise Interrupted(name, self._step, steps, signal)
            yield Progress(
                name, self._step, steps, self._loss, rate, speed, score, self._best,
                self.batches.unlabelled,
            )  # fmt: skip

    def _signal(self, stop: Callable[[], int]) -> int:
        """This process's signal; SIGTERM if only others received one; 0 for none."""
        own = stop()
        (any_process,) = self.processes.sums([float(own > 0)])
        return own or (15 if any_process else 0)

    def _score(self, name: str, stop: Callable[[], int], scenes: int | None = None) -> float | None:
        logits = Forward(self.model, name)
        return validated(
            self.model, logits, self.validation, self._classes,
            processes=self.processes, stop=stop, scenes=scenes,
        )  # fmt: skip

    def _keep(self, name: str, score: float) -> None:
        """Writes checkpoints, log and state after a validation."""
        chosen = self.recipe.choose == "last" or self._best is None or score > self._best
        better = name == "main" and chosen
        if better:
            self._best = score
        if not self.processes.first:
            return
        row = {"phase": name, "step": self._step, "loss": round(self._loss, 4),
               "mean_iou": round(score, 3), "best": round(self._best or 0.0, 3),
               "unlabelled_batches": self.batches.unlabelled}  # fmt: skip
        names = ["last"] + ["best"] * (better or name == "early_head")
        self.folder.checkpoint(names, self.model, self._extra(name, score))
        self.folder.log(row)
        self._save()

    def _extra(self, name: str, score: float) -> dict[str, Any]:
        """Facts on the training in a checkpoint."""
        extra = {
            "head": name,
            "step": self._step,
            "validation_mean_iou": round(score, 2),
            "recipe": {k: list(v) if isinstance(v, tuple) else v
                       for k, v in asdict(self.recipe).items()},
        }  # fmt: skip
        if name == "early_head":
            extra |= {"validation_mean_iou": round(self._best or 0.0, 2)}
            extra |= {"validation_mean_iou_early_head": round(score, 2), "head": "both"}
        if self.execution.precision != "float32":
            extra["precision"] = self.execution.precision
        if self._lengthened:
            extra["lengthened"] = self._lengthened
        return extra

    def _save(self) -> None:
        if self.processes.first:
            self.folder.save(self.state_dict())

    def _load_best(self) -> None:
        """Starts the early head's training on the best encoder, not on the last.

        The early head stays that of the last checkpoint, because the best checkpoint of a
        lengthened training can hold a trained early head.
        """
        self.processes.wait()  # until the files are written
        best, _ = load_checkpoint(self.folder.path / "best.safetensors")
        last, _ = load_checkpoint(self.folder.path / "last.safetensors")
        self.processes.wait()  # until all have read them
        early = {n: t for n, t in last.state_dict().items() if n.startswith("early_head.")}
        self.model.load_state_dict(best.state_dict() | early)

    def state_dict(self) -> dict[str, Any]:
        """All state for an exact continuation, for any number of processes."""
        return {
            "recipe": json.dumps(asdict(self.recipe)),
            "phase": self._phase,
            "step": self._step,
            "loss": self._loss,
            "due": self._due,
            "best": self._best,
            "lengthened": self._lengthened,
            "rows": self._rows,
            "model": self.model.state_dict(),
            "optimiser": self._stepper.optimiser.state_dict(),
            "scaler": self._stepper.scaler.state_dict(),
            "batches": json.dumps(self.batches.state_dict()),
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a state whose recipe may differ only in its lengths."""
        self._phase, self._step, self._best = state["phase"], state["step"], state["best"]
        self._loss, self._due = state.get("loss", 0.0), state.get("due", False)
        self._lengthened = list(state.get("lengthened", []))
        before, now = json.loads(state["recipe"]), asdict(self.recipe)
        for phase, key in LENGTHS.items():
            if now[key] > before[key]:
                at = f" at step {self._step}" if phase == self.phases[self._phase][0] else ""
                self._lengthened.append(f"{key} from {before[key]} to {now[key]}{at}")
        self._stepper = self._prepare()
        self.model.load_state_dict(state["model"])
        self._stepper.optimiser.load_state_dict(state["optimiser"])
        if state.get("scaler"):
            self._stepper.scaler.load_state_dict(state["scaler"])
        self.batches.load_state_dict(json.loads(state["batches"]))
        self._generator.set_state(state["generator"])
