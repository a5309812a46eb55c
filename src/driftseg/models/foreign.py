"""Checks of a foreign module, and the changes to it before roles share it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from driftseg.errors import InputError, OwnCodeError, commas
from driftseg.models.draws import uniform
from driftseg.models.encoders.stages import Dropout
from driftseg.models.norm import BatchNorm, following
from driftseg.models.sending import sent

Output = str | int | Callable[[Any], Tensor] | None
"""Where the logits are in a module's output; None tries the usual places."""
LARGEST_CHANGE = 1e-4
"""Largest relative difference of logits from rounding after replacing norms."""


class ChannelDropout(Dropout):
    """Drops whole channels in training, as `torch.nn.Dropout2d`."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W)."""
        if not self.training or self.rate == 0:
            return x
        draw = sent(uniform((*x.shape[:2], 1, 1), self.generator), x).to(x.dtype)
        return x * (draw >= self.rate) / (1 - self.rate)


def adopt(
    module: nn.Module,
    images: Tensor,
    output: Output,
    *,
    mean: Sequence[float],
    deviation: Sequence[float],
) -> None:
    """Tries a module and replaces its norms and dropout layers by ours; keys stay the same.

    Args:
        module: changed in place, and put into eval mode.
        images: (1, 3, H, W) in [0, 1].
        output: where the logits are in its output.
        mean: of images.
        deviation: of images.

    Raises:
        InputError: it cannot be called, returns no map of logits, or its output is not
            deterministic.
    """
    device = next(module.parameters()).device
    shape = (1, 3, 1, 1)
    x = (images - torch.tensor(mean).view(shape)) / torch.tensor(deviation).view(shape)
    _check_kind(module)
    module.eval()
    before = _try(module, x.to(device), output)
    if not torch.isfinite(before).all():
        raise InputError(
            f"{type(module).__name__}: expected finite outputs for an image of noise, got others. "
            "To fix: check its weights, and mean= and deviation="
        )
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    again = _try(module, x.to(device), output)
    moved = [n for n, b in module.named_buffers() if n in buffers and not _same(b, buffers[n])]
    if moved:
        raise InputError(
            f"{type(module).__name__}: expected buffers that stay the same in eval mode, got "
            f"changes in {commas(moved[:3])} with every image. To fix: turn that off"
        )
    if not torch.equal(before, again):
        raise InputError(
            f"{type(module).__name__}: expected the same output for the same image in eval mode, "
            "got different ones. To fix: turn off what draws at random in it"
        )
    new: dict[nn.Module, nn.Module] = {}  # a layer that is used in two places stays one layer
    for owner in list(module.modules()):
        for name, child in list(owner._modules.items()):
            ours = None if child is None else new.get(child) or _ours(child)
            if child is not None and ours is not None:
                new[child] = ours
                setattr(owner, name, ours)
    module.eval()
    after = _try(module, x.to(device), output)
    scale = float(before.abs().max()) or 1.0
    if float((after - before).abs().max()) > LARGEST_CHANGE * scale:
        raise InputError(
            f"{type(module).__name__}: expected the same output with driftseg's batch "
            "normalisation, got another; it may keep its norms elsewhere, too. To fix: please "
            "report this"
        )


def dropouts_of(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Our dropout layers and their names."""
    for name, one in module.named_modules():
        if isinstance(one, Dropout):
            yield name, one


def logits_of(found: Any, output: Output, *, batch: int) -> Tensor:
    """The logits (B, C, h, w) in a module's output.

    Raises:
        InputError: there are none.
    """
    logits = _picked(found, output)
    if not isinstance(logits, Tensor):
        raise InputError(
            f"output: expected logits in what the model returns, got {_described(found)}. To fix: "
            "name them by output=, a key, an attribute, a position, or a function"
        )
    # shape[0], because len() would turn the symbolic batch of an export into a number
    if logits.ndim != 4 or not logits.is_floating_point() or logits.shape[0] != batch:
        raise InputError(
            "output: expected logits (images, classes, height, width) of floating point, got "
            f"{tuple(logits.shape)} of {logits.dtype}. To fix: name them by output="
        )
    return logits


def _picked(found: Any, output: Output) -> Any:
    if callable(output):
        return output(found)
    if isinstance(output, int) and isinstance(found, list | tuple):
        return found[output] if -len(found) <= output < len(found) else None
    names = ("out", "logits") if output is None else (output,)
    if isinstance(found, Tensor):
        return found
    for name in names:
        if isinstance(found, Mapping) and name in found:
            return found[name]
        if isinstance(name, str) and hasattr(found, name):
            return getattr(found, name)
    return None


@contextmanager
def calling(module: nn.Module, x: Tensor, mend: str) -> Iterator[None]:
    """Reports in one line the failed call and its input; the module's own error follows.

    Raises:
        OwnCodeError: the module raised something.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        lines = str(error).splitlines() or [""]
        raise OwnCodeError(
            f"{type(module).__name__}: expected a module that takes images of shape "
            f"{tuple(x.shape)}, got {type(error).__name__}: {lines[0]}. To fix: {mend}"
        ) from error


def _check_kind(module: nn.Module) -> None:
    """Checks that overlays of roles work and that steps change its weights.

    Raises:
        InputError: they do not.
    """
    name = type(module).__name__
    for one in module.modules():
        if isinstance(one, nn.DataParallel | nn.parallel.DistributedDataParallel):
            raise InputError(
                f"{name}: expected a model on one device, got {type(one).__name__}, which uses "
                "several. To fix: give the model inside it, its .module"
            )
        if isinstance(one, torch.jit.ScriptModule):
            raise InputError(
                f"{name}: expected a Python module, got TorchScript, whose weights cannot be "
                "replaced. To fix: give the module that it was made from"
            )
    if any(parameter.is_inference() for parameter in module.parameters()):
        raise InputError(
            f"{name}: expected weights that can learn, got some that were made under "
            "torch.inference_mode. To fix: make the module outside of it"
        )
    fixed = sorted({str(p.dtype) for p in module.parameters() if not p.is_floating_point()})
    if fixed:
        raise InputError(
            f"{name}: expected parameters of floating point, got {', '.join(fixed)}, which cannot "
            "learn. To fix: make them buffers, or give the module before it is quantised"
        )
    kinds = {p.dtype for p in module.parameters()}
    if odd := sorted(str(kind) for kind in kinds - {torch.float32}):
        raise InputError(
            f"{name}: expected weights of torch.float32, because small steps are lost in half "
            f"precision, got {', '.join(odd)}. To fix: give module.float()"
        )


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether tensors are bit-identical; NaN equals NaN."""
    return torch.equal(one.nan_to_num(), other.nan_to_num())


def _try(module: nn.Module, x: Tensor, output: Output) -> Tensor:
    mend = "give a module of RGB images (B, 3, H, W), or a size by size=(height, width)"
    with torch.no_grad(), calling(module, x, mend):
        found = module(x)
    return logits_of(found, output, batch=len(x))


def _ours(child: nn.Module) -> nn.Module | None:
    """The replacement of a layer; None if it stays.

    Subclasses of batch normalisation keep their function; their statistics follow our policy.
    """
    if type(child) in (nn.BatchNorm2d, nn.SyncBatchNorm):
        assert isinstance(child, nn.BatchNorm2d | nn.SyncBatchNorm)
        if child.running_mean is None:
            return None
        norm = BatchNorm(child.num_features, child.eps, child.momentum, child.affine)
        if child.affine:
            norm.weight, norm.bias = child.weight, child.bias
        for name, buffer in child.named_buffers(recurse=False):
            norm.register_buffer(name, buffer)
        return norm
    if isinstance(child, nn.BatchNorm2d) and not isinstance(child, BatchNorm):
        if child.running_mean is not None:
            child.__class__ = following(type(child))  # type: ignore[assignment, arg-type]
        return None
    if type(child) is nn.Dropout:
        return Dropout(child.p)
    if type(child) is nn.Dropout2d:
        return ChannelDropout(child.p)
    return None


def _described(found: Any) -> str:
    if isinstance(found, Mapping):
        return f"a dict with {sorted(map(str, found))}"
    if isinstance(found, list | tuple):
        return f"a {type(found).__name__} of {len(found)}"
    return f"a {type(found).__name__}"
