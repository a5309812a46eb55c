"""The processes of torchrun that train one model together."""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist

from driftseg.errors import InputError
from driftseg.models.norm import BatchNorm, following
from driftseg.training.recipe import Interrupted

Result = TypeVar("Result")


@dataclass(frozen=True)
class Processes:
    """This process and the number of processes. A single process does not communicate."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        """Whether there are several processes."""
        return self.count > 1

    def rows(self, batch: int) -> slice:
        """This process's images of a batch."""
        own = batch // self.count
        return slice(self.rank * own, (self.rank + 1) * own)

    def sums(self, values: Sequence[float]) -> list[float]:
        """The sum of each value over all processes."""
        if not self.several:
            return [*values]
        held = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(held)
        return [float(value) for value in held]

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replaces each tensor by its mean over all processes."""
        if not self.several or not tensors:
            return
        flat = torch.cat([tensor.detach().flatten() for tensor in tensors])
        dist.all_reduce(flat)
        flat /= self.count
        start = 0
        for tensor in tensors:
            tensor.copy_(flat[start : start + tensor.numel()].view_as(tensor))
            start += tensor.numel()

    def wait(self) -> None:
        """Waits until all processes reach this point."""
        if self.several:
            self.sums([0.0])

    def agreed(self, work: Callable[[], Result]) -> Result:
        """Result of ``work`` in this process. An error in one process ends all processes.

        Raises:
            InputError: in the first process, the error of any process. SystemExit: in the other
                processes.
        """
        if not self.several:
            return work()
        result: list[Result] = []
        error: InputError | None = None
        try:
            result.append(work())
        except InputError as found:
            error = found
        told: list[str | None] = [None] * self.count
        dist.all_gather_object(told, None if error is None else str(error))
        if any(told):
            if not self.first:
                time.sleep(1)  # torchrun ends all when one ends; the first process reports before
                raise SystemExit(2)
            raise error or InputError(next(text for text in told if text))
        return result[0]


ALONE = Processes()


@contextlib.contextmanager
def joined(device: str) -> Iterator[Processes]:
    """The processes that torchrun has started, or only this one.

    Args:
        device: of the config; CUDA devices communicate by NCCL, the CPU by gloo.
    """
    if not dist.is_available():
        yield ALONE
    elif dist.is_initialized():
        yield Processes(dist.get_rank(), dist.get_world_size())
    elif not dist.is_torchelastic_launched() or os.environ.get("WORLD_SIZE") == "1":
        yield ALONE
    else:
        gpus = device.startswith("cuda") and torch.cuda.is_available() and dist.is_nccl_available()
        begin("cpu:gloo,cuda:nccl" if gpus else "gloo")
        try:
            yield Processes(dist.get_rank(), dist.get_world_size())
        except (Interrupted, InputError, SystemExit):  # of all processes
            leave()
            raise
        # After another error the other processes may have ended or wait; torchrun ends them.
        leave()


def begin(backend: str) -> None:
    """Joins the processes that torchrun has started; ``leave`` ends what this begins."""
    # DistributedDataParallel imports this module. Its functions have the group of all processes
    # as a default value, the one that exists at the import: then nothing could end the group, and
    # its threads sometimes abort the process at its end.
    import torch.distributed.nn.functional  # noqa: F401

    dist.init_process_group(backend)


def leave() -> None:
    """Ends the group and its threads. No object may still hold the group."""
    gc.collect()
    dist.destroy_process_group()


def device_of(device: str, processes: Processes) -> str:
    """The device of this process: the config's, or its own GPU of several.

    Raises:
        InputError: there are fewer GPUs than processes, or one GPU is named for all.
    """
    if not processes.several or not device.startswith("cuda"):
        return device
    here, local = (int(os.environ[name]) for name in ("LOCAL_WORLD_SIZE", "LOCAL_RANK"))
    if device != "cuda":
        raise InputError(
            f"device: expected cuda for {processes.count} processes, got {device}. To fix: set "
            "device=cuda, and choose GPUs by CUDA_VISIBLE_DEVICES"
        )
    if torch.cuda.device_count() < here:
        raise InputError(
            f"device: expected a GPU for each of {here} processes, got "
            f"{torch.cuda.device_count()}. To fix: start torchrun with --nproc-per-node "
            f"{max(1, torch.cuda.device_count())}, or set device=cpu"
        )
    torch.cuda.set_device(local)
    return f"cuda:{local}"


def check_batch(batch: int, processes: Processes, accumulate: int) -> None:
    """Checks that a batch can be split into equal parts.

    Raises:
        InputError: it cannot be split.
    """
    parts = processes.count * accumulate
    if batch % parts:
        count = "1 process" if processes.count == 1 else f"{processes.count} processes"
        raise InputError(
            f"sampling.batch_size: expected a multiple of {parts} ({count}, accumulate "
            f"{accumulate}), got {batch}. To fix: set sampling.batch_size="
            f"{-(-batch // parts) * parts}, or take other numbers of processes and parts"
        )


def synchronise(model: nn.Module, device: torch.device, processes: Processes) -> None:
    """Makes batch normalisation compute its statistics over the images of all processes.

    Raises:
        InputError: torch's `SyncBatchNorm` does not work there.
    """
    if not processes.several:
        return
    if device.type == "cpu":
        raise InputError(
            "sync_batch_norm: expected a CUDA device, because torch synchronises batch "
            "normalisation only there, got cpu. To fix: set sync_batch_norm=false"
        )
    for name, module in model.named_modules():
        if not isinstance(module, BatchNorm):
            continue
        if type(module) is not BatchNorm:
            raise InputError(
                f"sync_batch_norm: expected plain batch normalisation, got {type(module).__name__} "
                f"at {name}. To fix: set sync_batch_norm=false"
            )
        module.__class__ = following(nn.SyncBatchNorm)  # type: ignore[assignment]
        module.process_group = None  # type: ignore[assignment]  # all processes
