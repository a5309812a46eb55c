"""Which statistics batch normalisation uses in which pass, and which of them move."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor

from driftseg.models.network import Network, owners
from driftseg.models.norm import BatchNorm, Statistics

NormStatistics = Literal["source", "running", "batch", "published", "blend", "blend_with_frame"]
"""What batch normalisation uses where its own weights are trainable. source: the file's
statistics, always. running: training passes use the batch's and move the stored ones where a
layer learns, all other passes use the stored ones. batch: every pass of student and teacher uses
its own batch's. published: as HAMLET's code, where the student trains as in running but with
layers moving that do not learn, and the teacher uses its batch's. Frozen layers and the static
role always use the file's.

The last two are for every layer outside the early head, whatever is trainable. blend: passes of
student and teacher use (1 - weight) * source + weight * target, for means and variances alike
(Schneider et al., NeurIPS 2020, section 3). The target's are running statistics, which start as the
source's and which passes with ``update`` move. Those passes alone use the batch's. Training passes
move nothing. blend_with_frame: the same with the pass's own batch in place of the running ones."""
BLENDS = ("blend", "blend_with_frame")
MOVING = ("running", "published", "blend")


class NormPolicy:
    """One policy for the norms of one network.

    Args:
        network: whose norms follow the policy.
        policy: which.
        trainable: names of parameters.
    """

    def __init__(self, network: Network, policy: NormStatistics, trainable: Sequence[str]):
        early = network.heads.get("early")
        outside = {name for name, part in owners(network).items() if part != early}
        follow = outside if policy in BLENDS else set(trainable)
        self._norms = [
            (name, module)
            for name, module in network.module.named_modules()
            if isinstance(module, BatchNorm) and f"{name}.weight" in follow
        ]
        self._policy = policy
        self.weight = 0.0
        """Of the target's statistics, where policies blend."""
        blended = self.buffers() if policy == "blend" else {}
        floats = {name: tensor for name, tensor in blended.items() if tensor.is_floating_point()}
        self._source = {name: tensor.clone() for name, tensor in floats.items()}
        self._target = {name: tensor.clone() for name, tensor in floats.items()}

    def norm_weights(self) -> list[str]:
        """Names of the weights of the layers that follow."""
        return [f"{name}.weight" for name, _ in self._norms]

    def buffers(self) -> dict[str, Tensor]:
        """The network's buffers that may move, by their names; under ``blend`` the blend."""
        if self._policy not in MOVING:
            return {}
        return {
            f"{name}.{buffer}": tensor
            for name, module in self._norms
            for buffer, tensor in module.named_buffers(recurse=False)
        }

    def copies(self) -> dict[str, Tensor]:
        """Of all that passes may move; under ``blend`` of the target's statistics."""
        return {name: t.clone() for name, t in (self.buffers() | self._target).items()}

    def restore(self, copies: dict[str, Tensor]) -> None:
        """Puts copies back."""
        for name, tensor in self.buffers().items():
            if name in self._target:
                self._target[name] = copies[name].clone()
            else:
                tensor.copy_(copies[name])
        self._show_blend()

    def blend(self, weight: float) -> None:
        """Passes use the blend of this weight from now on.

        Raises:
            ValueError: the weight is not from 0 to 1, or the policy blends nothing.
        """
        if self._policy not in BLENDS or not 0 <= weight <= 1:
            raise ValueError(
                f"expected a weight from 0 to 1 and norm statistics that blend, got {weight} and "
                f"{self._policy}. To fix: make the roles with norm_statistics blend"
            )
        self.weight = float(weight)
        self._show_blend()

    def state_dict(self) -> dict[str, Any]:
        """Weight and target, where the policy blends; the source's come with the network."""
        if self._policy not in BLENDS:
            return {}
        target = {name: tensor.clone() for name, tensor in self._target.items()}
        return {"blend": {"weight": self.weight, "target": target}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues a policy of the same network."""
        if self._policy in BLENDS:
            for name, tensor in self._target.items():
                self._target[name] = state["blend"]["target"][name].to(tensor.device, copy=True)
            self.blend(state["blend"]["weight"])

    @contextmanager
    def one_pass(
        self, role: str, *, training: bool, update: bool, learns: Callable[[str], bool]
    ) -> Iterator[None]:
        """Layers use what the policy says inside, and what is stored after it.

        Args:
            role: whose pass it is.
            training: whether it is a training pass.
            update: whether it is to move statistics.
            learns: whether the parameter of a name learns now.
        """
        statistics = self._statistics(role, training, update)
        moves = self._policy == "blend" and statistics == "update"
        if moves:
            self._show(self._target)
        for name, norm in self._norms:
            if self._policy != "running" or learns(f"{name}.weight"):
                norm.statistics, norm.batch_weight = statistics, self.weight
        try:
            yield
        finally:
            for _, norm in self._norms:
                norm.statistics = "stored"
            if moves:
                self._show_blend()

    @contextmanager
    def unblended(self) -> Iterator[None]:
        """Passes inside use no batch where the policy blends one in; the weight returns after."""
        before = self.weight
        if self._policy == "blend_with_frame":
            self.weight = 0.0
        try:
            yield
        finally:
            self.weight = before

    def _statistics(self, role: str, training: bool, update: bool) -> Statistics:
        if role == "static" or self._policy == "source":
            return "stored"
        if self._policy == "blend_with_frame":
            return "blend" if self.weight else "stored"
        if self._policy == "blend":
            return "update" if update else "stored"
        if self._policy == "batch" or (self._policy == "published" and role == "teacher"):
            return "batch"
        return "update" if training or update else "stored"

    def _show_blend(self) -> None:
        """The buffers become the blend, so that an export or a checkpoint holds it, too.

        They are replaced, not overwritten: a pass that gradients are still to be taken through
        keeps the numbers that it was made with.
        """
        source, target = self._source, self._target
        self._show({name: torch.lerp(source[name], target[name], self.weight) for name in source})

    def _show(self, tensors: dict[str, Tensor]) -> None:
        for name, norm in self._norms:
            for buffer, _ in list(norm.named_buffers(recurse=False)):
                if f"{name}.{buffer}" in tensors:
                    setattr(norm, buffer, tensors[f"{name}.{buffer}"])
