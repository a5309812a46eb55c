"""The segmentation network: an encoder in stages, a head, and an early head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from driftseg.models.encoders import Encoder, head_width_of, make_encoder
from driftseg.models.encoders.sites import silent_values
from driftseg.models.heads import MlpHead
from driftseg.models.network import Head, Overlay, Walk

if TYPE_CHECKING:
    from driftseg.models.adapters.spec import AdapterSpec


class Segmenter(nn.Module):
    """Encoder, head over all four levels, early head over the first.

    Images are RGB in [0, 1]; the encoder's mean and deviation are applied only here. The five parts
    (four stages and the head) and the early head partition the parameters.

    Args:
        encoder: fulfils the stage contract.
        head: over the encoder's four levels.
        early_head: over the first level only, or None.
    """

    adapters: AdapterSpec | None = None
    """The adapters that `driftseg.models.adapters.attach` has added to the encoder."""

    def __init__(self, encoder: Encoder, head: MlpHead, early_head: MlpHead | None = None):
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.early_head = early_head
        shape = (1, 3, 1, 1)
        self.register_buffer("mean", torch.tensor(encoder.mean).view(shape), persistent=False)
        self.register_buffer(
            "deviation", torch.tensor(encoder.deviation).view(shape), persistent=False
        )

    def start(self, images: Tensor) -> Walk:
        """Normalises images (B, 3, H, W) and starts before the first stage."""
        mean, deviation = self.get_buffer("mean"), self.get_buffer("deviation")
        return Walk((images - mean) / deviation)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C, H / 4, W / 4) of images (B, 3, H, W) in [0, 1]."""
        logits: Tensor = self.head(self.encoder(self.start(images).x))
        return logits

    @property
    def module(self) -> nn.Module:
        """Itself."""
        return self

    @property
    def parts(self) -> dict[str, list[str]]:
        """The parts that a user can name with their parameter names; disjoint and complete."""
        parts = {
            f"encoder.stage{i + 1}": [f"encoder.{name}" for name in self.encoder.group(i)]
            for i in range(len(self.encoder.stages))
        }
        parts["head"] = [f"head.{name}" for name, _ in self.head.named_parameters()]
        if self.early_head is not None:
            names = [name for name, _ in self.early_head.named_parameters()]
            parts["early_head"] = [f"early_head.{name}" for name in names]
        return parts

    @property
    def order(self) -> tuple[str, ...]:
        """The encoder's stages."""
        return tuple(f"encoder.stage{i + 1}" for i in range(len(self.encoder.stages)))

    @property
    def heads(self) -> Mapping[Head, str | None]:
        """The head, and the early head if there is one."""
        main: dict[Head, str | None] = {"main": "head"}
        return main if self.early_head is None else main | {"early": "early_head"}

    @property
    def undecayed(self) -> frozenset[str]:
        """As stated by the encoder."""
        words = self.encoder.undecayed
        names = (name for name, _ in self.encoder.named_parameters())
        return frozenset(f"encoder.{n}" for n in names if n.rpartition(".")[2] in words)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.head.classes

    def upstream(self, part: str) -> frozenset[str]:
        """A stage and the stages before it."""
        return frozenset(self.order[: self.order.index(part) + 1])

    def prefix(self, walk: Walk, count: int) -> Walk:
        """Computes the first ``count`` stages."""
        return self._advance(walk, {}, count)

    def levels(self, walk: Walk, overlay: Overlay, depth: int | None = None) -> tuple[Tensor, ...]:
        """The levels of the first ``depth`` stages, or of all."""
        depth = len(self.encoder.stages) if depth is None else depth
        return self._advance(walk, overlay, depth).levels[:depth]

    def _advance(self, walk: Walk, overlay: Overlay, depth: int) -> Walk:
        for index in range(len(walk.levels), depth):
            mine = _of(overlay, f"encoder.stages.{index}.")
            if mine:
                x, level = functional_call(
                    _Stage(self.encoder, index), mine, (walk.x,), tie_weights=self._tied
                )
            else:
                x = self.encoder.stage(index, walk.x)
                level = self.encoder.level(index, x)
            walk = Walk(x, (*walk.levels, level))
        return walk

    @cached_property
    def _tied(self) -> bool:
        """Whether two names share a tensor, as in some encoders of users.

        Torch would look for such names in every overlaid pass, which takes milliseconds.
        """
        every = [
            tensor
            for found in (self.named_parameters, self.named_buffers)
            for _, tensor in found(remove_duplicate=False)
        ]
        return len({id(tensor) for tensor in every}) < len(every)

    def logits(self, levels: Sequence[Tensor], overlay: Overlay, head: Head = "main") -> Tensor:
        """Logits (B, C, H / 4, W / 4) of a head."""
        part = self.heads[head]
        module = self.head if head == "main" else self.early_head
        assert part is not None
        assert module is not None
        given = tuple(levels) if head == "main" else tuple(levels[:1])
        mine = _of(overlay, f"{part}.")
        if not mine:
            result: Tensor = module(given)
            return result
        plain = {name.removeprefix(f"{part}."): tensor for name, tensor in mine.items()}
        overlaid: Tensor = functional_call(module, plain, (given,), tie_weights=self._tied)
        return overlaid

    def training_modules(self, part: str) -> Sequence[nn.Module]:
        """The stage, or the head."""
        if part in self.heads.values():
            module = self.head if part == "head" else self.early_head
            assert module is not None
            return (module,)
        return (self.encoder.stages[self.order.index(part)],)

    def silent(self) -> dict[str, Tensor]:
        """Zeros for the last layer of every adapter."""
        return silent_values(self)


class _Stage(nn.Module):
    """One stage as a separate module, so tensors can be overlaid on it by full name."""

    def __init__(self, encoder: nn.Module, index: int):
        super().__init__()
        self.encoder = encoder
        self.index = index

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The stage's output and its level."""
        x = self.encoder.stage(self.index, x)  # type: ignore[operator]
        return x, self.encoder.level(self.index, x)  # type: ignore[operator]


def _of(overlay: Overlay, prefix: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in overlay.items() if name.startswith(prefix)}


def upsample(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, corners not aligned: (B, C, h, w) to (B, C, H, W), in torch's usual layout.

    Softmax over classes needs that layout, and reordering the small map is cheaper.
    """
    return F.interpolate(logits.contiguous(), size=size, mode="bilinear", align_corners=False)


def probabilities(logits: Tensor) -> npt.NDArray[np.float16]:
    """(C, h, w) of the first image of (B, C, h, w): as they are kept and handed out."""
    with torch.no_grad():
        return np.asarray(logits.softmax(dim=1)[0].half().cpu().numpy(), dtype=np.float16)


def build_segmenter(
    encoder: str, *, classes: int, head_width: int | None = None, early_head: bool = True
) -> Segmenter:
    """A segmenter with random weights, drawn from torch's default generator.

    Args:
        encoder: a name of ``ENCODERS`` or of a user's encoder (`make_encoder`).
        classes: number of classes.
        head_width: embedding width of both heads; None takes the encoder's published one.
        early_head: whether to build the head after stage 1.
    """
    body = make_encoder(encoder, where="model.encoder")
    width = head_width_of(encoder, body) if head_width is None else head_width
    head = MlpHead(body.channels, width=width, classes=classes)
    early = MlpHead(body.channels[:1], width=width, classes=classes) if early_head else None
    return Segmenter(body, head, early)
