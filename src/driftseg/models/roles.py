"""Student, teacher, static and offline model as overlays on one network.

A role is the dict of tensors in which it differs from the shared network. The student is the
network itself, with an empty overlay. The teacher's overlay holds exactly the trained tensors and
follows them by a moving average. The static model's overlay holds the first values of these
tensors, and for every adapter values with which it adds 0: static means without adapters, even if
they were trained before. The offline model's overlay (LAE) follows the student's tensors by its own
moving average. A frozen encoder is therefore in memory once for all roles. All stages before the
first tensor that any role changes are computed once per image.

The set of learning tensors can change from frame to frame (``learn_only``). A stage that has never
learnt is the same for all roles and belongs to the shared prefix.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

from driftseg.errors import commas
from driftseg.models.network import Head, Network, Walk, device_of, owners
from driftseg.models.statistics import BLENDS, NormPolicy, NormStatistics
from driftseg.models.trainable import freeze_except

Role = Literal["student", "teacher", "static", "offline"]
Overlay = dict[str, Tensor]
StaticDepth = Literal["none", "early", "whole"]
"""Whether there is a static role, and its depth: the first level and early head, or everything. A
network without an early head always has all of it."""


class Roles:
    """The roles of one network.

    Args:
        network: its weights are those of the student; parameters outside ``trainable`` are frozen.
        trainable: names of the parameters that will be trained.
        norm_statistics: policy for batch normalisation.
        teacher: whether there is a teacher.
        static: whether there is a static model, and its depth.
        offline: trained tensors in which an offline role differs from the student; empty means no
            such role.
        learning: the trainable tensors that learn at first; None means all of them.
    """

    def __init__(
        self,
        network: Network,
        trainable: Sequence[str],
        *,
        norm_statistics: NormStatistics = "source",
        teacher: bool = False,
        static: StaticDepth = "none",
        offline: Collection[str] = (),
        learning: Collection[str] | None = None,
    ):
        if static == "early" and "early" not in network.heads:
            static = "whole"
        self.network = network
        self.trainable = tuple(trainable)
        self.static = static
        self.norm_statistics = norm_statistics
        freeze_except(network, trainable)
        network.module.eval()
        self._norms = NormPolicy(network, norm_statistics, trainable)
        parameters = dict(network.module.named_parameters())
        buffers = self._norms.buffers()
        self._names = {part: [*names] for part, names in network.parts.items()}
        owner = owners(network)
        for name in buffers:
            self._names[owner[f"{name.rpartition('.')[0]}.weight"]].append(name)
        self.overlays: dict[Role, Overlay] = {"student": {}}
        if teacher:
            self.overlays["teacher"] = {n: parameters[n].detach().clone() for n in trainable}
        if offline:
            self.overlays["offline"] = {n: parameters[n].detach().clone() for n in offline}
        self._apart: set[str] = set()
        if static != "none":
            silent = network.silent()
            first = {n: parameters[n] for n in trainable} | buffers | silent
            if static == "early":
                kept_parts = {network.order[0], network.heads["early"]}
                kept = {n for part in self._names if part in kept_parts for n in self._names[part]}
                first = {name: tensor for name, tensor in first.items() if name in kept}
            self.overlays["static"] = {n: t.detach().clone() for n, t in first.items()}
            heard = {n for n in silent if n in first and parameters[n].any()}
            self._apart = {part for part, members in self._names.items() if heard & {*members}}
        self._learning: set[str] | None = None
        self._learning_parts: list[nn.Module] = []
        self._touched: set[str] = set()
        self.shared_stages = 0
        """Number of the network's walked parts that are equal for all roles."""
        if norm_statistics in ("batch", "published"):  # roles differ before learning
            self._touch(trainable)
        if norm_statistics in BLENDS:
            self._touch(self._norms.norm_weights())
        self.learn_only(self.trainable if learning is None else learning)

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return device_of(self.network)

    def learn_only(self, names: Collection[str]) -> None:
        """Sets the trainable tensors that get gradients from now on.

        Stages without any of them store nothing for a backward pass and run without dropout and
        drop path, like frozen stages.
        """
        if self._learning == set(names):
            return
        unknown = set(names).difference(self.trainable)
        if unknown:
            raise ValueError(
                f"expected trainable tensors, got {commas(sorted(unknown)[:3])}. To fix: name "
                "tensors of the trainable set"
            )
        self._learning = set(names)
        parameters = dict(self.network.module.named_parameters())
        for name in self.trainable:
            parameters[name].requires_grad_(name in self._learning)
        self._learning_parts = [
            module
            for part, members in self.network.parts.items()
            if self._learning.intersection(members)
            for module in self.network.training_modules(part)
        ]
        self._touch(names)

    def learning_parts(self) -> tuple[str, ...]:
        """The parts of the network in which a tensor learns."""
        learning = self._learning or set()
        parts = self.network.parts.items()
        return tuple(part for part, names in parts if learning.intersection(names))

    def prefix(self, images: Tensor) -> Walk:
        """Computes the shared stages of images (B, 3, H, W) once for all roles, no grad."""
        with torch.no_grad():
            return self.network.prefix(self.network.start(images), self.shared_stages)

    def levels(
        self,
        role: Role,
        walk: Walk,
        *,
        training: bool = False,
        update: bool = False,
        depth: int | None = None,
    ) -> tuple[Tensor, ...]:
        """The first ``depth`` levels, or all, continuing from ``walk``.

        Only the student gets gradients. ``training`` enables dropout and drop path in learning
        parts and, under ``running``, updates the stored statistics; ``update`` does only the
        latter.
        """
        if role == "static" and self.static == "early" and depth != 1:
            raise ValueError(
                "expected a static role with all stages, got one that was built for its first "
                "stage. To fix: build it with depth full"
            )
        with self._pass(role, training, update):
            return self.network.levels(walk, self.overlays[role], depth)

    def logits(
        self,
        role: Role,
        levels: Sequence[Tensor],
        *,
        head: Head = "main",
        training: bool = False,
        update: bool = False,
    ) -> Tensor:
        """Logits (B, C, h, w) of a head; the early head reads the first level only."""
        with self._pass(role, training, update):
            return self.network.logits(levels, self.overlays[role], head)

    def move_teacher(self, momentum: float) -> None:
        """Teacher <- momentum * teacher + (1 - momentum) * student; parameters only.

        Before any learning both are bit-identical and stay so.
        """
        self._move("teacher", momentum)

    def move_offline(self, momentum: float) -> None:
        """The same for the offline role's tensors; momentum 0 copies the student's."""
        self._move("offline", momentum)

    def _move(self, role: Role, momentum: float) -> None:
        parameters = dict(self.network.module.named_parameters())
        moved = {name for part in self._touched for name in self._names[part]}
        with torch.no_grad():
            for name, tensor in self.overlays[role].items():
                if name in moved:
                    tensor.lerp_(parameters[name], 1 - momentum)

    def blend_statistics(self, weight: float) -> None:
        """From now on passes use (1 - weight) * source + weight * target.

        At any frame. Under ``blend`` 0 gives the source's numbers to the last bit, and 1 gives the
        target's running statistics. Passes with ``update`` move these whatever the weight is.

        Raises:
            ValueError: the weight is not from 0 to 1, or the policy blends nothing.
        """
        self._norms.blend(weight)

    @property
    def blends(self) -> bool:
        """Whether there are statistics that can be blended."""
        return self.norm_statistics in BLENDS and bool(self._norms.norm_weights())

    def unblended(self) -> AbstractContextManager[None]:
        """Inside, passes use no statistics of their own batch where the policy blends them in."""
        return self._norms.unblended()

    @property
    def blend_weight(self) -> float:
        """Of the target's statistics; 0 until it is set."""
        return self._norms.weight

    def moving_statistics(self) -> dict[str, Tensor]:
        """Copies of the running statistics that passes may move; under ``blend`` the target's."""
        return self._norms.copies()

    def restore_statistics(self, statistics: dict[str, Tensor]) -> None:
        """Puts copies back."""
        self._norms.restore(statistics)

    def own_tensors(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Copies of the student's trained tensors, and of the statistics that passes move."""
        state = self.network.module.state_dict()
        return (
            {name: state[name].clone() for name in self.trainable},
            {name: tensor.clone() for name, tensor in self._norms.buffers().items()},
        )

    @contextmanager
    def answering_with(self, tensors: Overlay, *, stored: bool = True) -> Iterator[None]:
        """Inside, every role but static has these tensors in place of its own.

        Nothing is copied or changed, so all is the same afterwards to the last bit. Where a policy
        blends a frame's statistics in, ``stored`` uses the stored ones alone.
        """
        before = self.overlays
        self.overlays = {
            role: overlay if role == "static" else {**overlay, **tensors}
            for role, overlay in before.items()
        }
        try:
            with self._norms.unblended() if stored else nullcontext():
                yield
        finally:
            self.overlays = before

    def overlay_bytes(self, role: Role) -> int:
        """Bytes that a role needs beside the shared network."""
        return sum(t.numel() * t.element_size() for t in self.overlays[role].values())

    def state_dict(self, *, leave_out: Collection[Role] = ()) -> dict[str, Any]:
        """The trained tensors and the overlays; frozen tensors belong to the network."""
        state = self.network.module.state_dict()
        moving = [*self.trainable, *self._norms.buffers()]
        return self._norms.state_dict() | {
            "student": {name: state[name].clone() for name in moving},
            "overlays": {
                role: {name: tensor.clone() for name, tensor in overlay.items()}
                for role, overlay in self.overlays.items()
                if role not in leave_out
            },
            "touched": sorted(self._touched),
        }

    def frozen_digest(self) -> str:
        """Of every stored tensor that no step moves: a state fits a network with the same."""
        moving = {*self.trainable, *self._norms.buffers()}
        module = self.network.module
        stored = {*module.state_dict()}
        found = hashlib.sha256()
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if name in stored and name not in moving:
                found.update(name.encode())
                plain = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
                found.update(plain.numpy().data)
        return found.hexdigest()[:12]

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues roles made from the same network with the same arguments.

        Overlays that are not in the state stay unchanged.
        """
        targets = self.network.module.state_dict()
        with torch.no_grad():
            for name, tensor in state["student"].items():
                targets[name].copy_(tensor)
            for role, overlay in state["overlays"].items():
                for name, tensor in self.overlays[role].items():
                    tensor.copy_(overlay[name])
        self._norms.load_state_dict(state)
        before = self._touched
        self._touched = set(state["touched"])
        if set(state["overlays"]) != set(self.overlays):  # one may differ where the state does not
            self._touched |= before
        self._touch(self._learning or ())  # the learning tensors stay the same

    def _touch(self, names: Collection[str]) -> None:
        """Records that the parts of these tensors may differ between roles from now on."""
        chosen = set(names)
        for part, members in self._names.items():
            if chosen.intersection(members):
                self._touched.add(part)
        self.shared_stages = self._count_shared()

    def _count_shared(self) -> int:
        own = self._touched | self._apart
        for index, part in enumerate(self.network.order):
            if own & self.network.upstream(part):
                return index
        return len(self.network.order)

    def _learns(self, name: str) -> bool:
        return self._learning is not None and name in self._learning

    @contextmanager
    def _pass(self, role: Role, training: bool, update: bool) -> Iterator[None]:
        """One forward pass with its modes; afterwards modes are eval and stored again."""
        if (training or update) and role != "student":
            raise ValueError(
                f"expected the student, the only role that trains, got the {role}. To fix: "
                "train the student"
            )
        policy = self._norms.one_pass(role, training=training, update=update, learns=self._learns)
        grad = torch.is_grad_enabled() and role == "student"
        with policy, torch.set_grad_enabled(grad):
            try:
                if training:
                    _set_mode(self._learning_parts, True)
                yield
            finally:
                if training:
                    _set_mode(self._learning_parts, False)


def _set_mode(parts: Collection[nn.Module], training: bool) -> None:
    for part in parts:
        part.train(training)
