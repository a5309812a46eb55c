"""One optimiser step on a batch, possibly in several parts and processes."""

from __future__ import annotations

import contextlib
import inspect
import math
import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from driftseg.errors import InputError
from driftseg.frame import SourceBatch
from driftseg.labels import IGNORE
from driftseg.models.draws import SharedDraws
from driftseg.models.norm import BatchNorm
from driftseg.models.segmenter import Segmenter, upsample
from driftseg.models.trainable import set_generator
from driftseg.training.precision import casting
from driftseg.training.processes import Processes
from driftseg.training.recipe import Execution


class Forward(nn.Module):
    """Logits of the head in training."""

    def __init__(self, model: Segmenter, phase: str):
        super().__init__()
        self.model = model
        self.phase = phase

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C, H / 4, W / 4) of images (B, 3, H, W)."""
        if self.phase == "main":
            main: Tensor = self.model(images)
            return main
        assert self.model.early_head is not None
        with torch.no_grad():
            x = self.model.encoder.stage(0, self.model.start(images).x)
            level = self.model.encoder.level(0, x)
        early: Tensor = self.model.early_head((level,))
        return early


class Stepper:
    """Makes the steps of one phase.

    The loss is the mean over the labelled pixels of the whole batch: sums and weights are added
    over all parts and processes, then divided.

    Args:
        model: whose trainable parameters are chosen.
        phase: ``main`` or ``early_head``.
        optimiser: over those parameters.
        weights: of the classes, (C,).
        batch: number of images of a whole batch.
        generator: of dropout and drop path.
        execution: parts and precision.
        processes: that share the batch.
    """

    def __init__(
        self,
        model: Segmenter,
        phase: str,
        optimiser: torch.optim.Optimizer,
        *,
        weights: Tensor,
        batch: int,
        generator: torch.Generator,
        execution: Execution,
        processes: Processes,
    ):
        self.phase = phase
        self.optimiser = optimiser
        self._model = model
        self._weights = weights
        self._device = weights.device
        self._batch = batch
        self._generator = generator
        self._parts = execution.accumulate
        self._precision = execution.precision
        self._processes = processes
        self._whole = not processes.several and self._parts == 1
        self._logits: nn.Module = Forward(model, phase)
        scaled = self._precision == "float16"
        self.scaler = torch.amp.GradScaler(self._device.type, enabled=scaled)
        set_generator(model, generator)

    def learn(self, batch: SourceBatch, number: int) -> float:
        """One step; returns the loss of the whole batch.

        Args:
            batch: this process's images.
            number: of the step, for errors.

        Raises:
            InputError: the loss is not finite; no weight has changed.
        """
        if self._processes.several and isinstance(self._logits, Forward):
            self._logits = _distributed(self._logits)
        self.optimiser.zero_grad(set_to_none=True)
        (weight,) = self._processes.sums([self._labelled(batch.labels)])
        images, labels = batch.images.to(self._device), batch.labels.to(self._device)
        rows = len(images) // self._parts
        drawn = self._generator.get_state()
        value = 0.0
        for part in range(self._parts):
            here = slice(part * rows, (part + 1) * rows)
            self._generator.set_state(drawn)  # each part draws for the whole batch
            self._draw_for(here)
            with self._last_sends(part):
                loss = self._loss(images[here], labels[here], weight)
                # torch takes the mean over processes, but the loss is a part of a sum.
                self.scaler.scale(loss * self._processes.count).backward()  # type: ignore[no-untyped-call]
            value += float(loss.detach())
        (value,) = self._processes.sums([value])
        if not math.isfinite(value):
            raise InputError(
                f"expected a finite loss, got {value} at step {number}. To fix: lower "
                "learning_rate, or increase warm_up"
            )
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self._processes.average(self._statistics())
        return value

    def close(self) -> None:
        """Releases the process group before processes end; otherwise torch aborts."""
        if isinstance(self._logits, DistributedDataParallel):
            self._logits = self._logits.module

    def _loss(self, images: Tensor, labels: Tensor, weight: float) -> Tensor:
        """This part's share of the loss of the whole batch."""
        with casting(self._precision, self._device):
            logits = self._logits(images)
        logits = upsample(logits.float(), (labels.shape[1], labels.shape[2]))
        if weight == 0:  # a mean over no pixels is NaN; methods also count it as 0
            return logits.sum() * 0.0
        if self._whole:
            return F.cross_entropy(logits, labels, self._weights, ignore_index=IGNORE)
        summed = F.cross_entropy(
            logits, labels, self._weights, ignore_index=IGNORE, reduction="sum"
        )
        return summed / weight

    def _labelled(self, labels: Tensor) -> float:
        """The sum of the class weights over labelled pixels; 0 if there are none."""
        if self._whole:
            return float((labels != IGNORE).any())
        counts = torch.bincount(labels.flatten(), minlength=IGNORE + 1)[: len(self._weights)]
        return float(counts.double() @ self._weights.cpu().double())

    def _draw_for(self, rows: slice) -> None:
        """Makes dropout draw the values of these rows of the whole batch."""
        if self._whole:
            return
        start = self._processes.rows(self._batch).start + rows.start
        draws = SharedDraws(self._generator, start, rows.stop - rows.start, self._batch)
        set_generator(self._model, draws)

    def _last_sends(self, part: int) -> contextlib.AbstractContextManager[object]:
        """Sends gradients once per step, with the last part."""
        if isinstance(self._logits, DistributedDataParallel) and part < self._parts - 1:
            return self._logits.no_sync()
        return contextlib.nullcontext()

    def _statistics(self) -> list[Tensor]:
        """Running statistics that this step changed, in each process by its own images."""
        layers = [
            module for module in self._model.modules()
            if isinstance(module, BatchNorm) and module.statistics == "update"
            and not isinstance(module, nn.SyncBatchNorm)
        ]  # fmt: skip
        held = [tensor for layer in layers for tensor in (layer.running_mean, layer.running_var)]
        return [tensor for tensor in held if tensor is not None]


def _distributed(module: nn.Module) -> DistributedDataParallel:
    """Averages gradients over processes; running statistics are averaged after each step."""
    # for layers with one channel per group, whose memory layout is ambiguous; it costs little
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    known = inspect.signature(DistributedDataParallel.__init__).parameters
    sync = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    off: dict[str, Any] = {sync: False}
    return DistributedDataParallel(module, **off)
