"""The laws of encoders: the stage contract (`driftseg.models.encoders.stages.Encoder`)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from driftseg.conformance.laws import Finding, broken, check_laws
from driftseg.models.encoders import Encoder, make_encoder
from driftseg.models.norm import BatchNorm

SIZE = (64, 96)
"""(height, width) of the test images."""


class EncoderLaws:
    """Checks the laws of one encoder.

    Args:
        name: of the table, of an entry point, or ``package.module:make``.
    """

    def __init__(self, name: str):
        self._name = name
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self._encoder: Encoder = make_encoder(name).eval()
        self._images = torch.rand((2, 3, *SIZE), generator=torch.Generator().manual_seed(1))

    def check(self) -> list[Finding]:
        """Every law with its result."""
        return check_laws(
            {
                "levels lie at strides 4, 8, 16 and 32 and are as wide as channels says":
                    self._shapes,
                "stage by stage it computes what it computes at once, to the last bit": self._walk,
                "the four stages hold every parameter, each once": self._partition,
                "a stage depends on itself and the stages before it alone": self._upstream,
                "gradients reach every parameter": self._gradients,
                "in eval mode the same image gives the same levels": self._repeats,
                "images of a batch do not affect each other": self._batch,
                "batch normalisation is driftseg's, so that statistics belong to roles":
                    self._norms,
                "the same seed makes the same weights": self._seed,
                "mean and deviation are three numbers each, deviations above 0": self._scale,
            }
        )  # fmt: skip

    def _levels(self, encoder: Encoder | None = None, images: Tensor | None = None) -> list[Tensor]:
        encoder = self._encoder if encoder is None else encoder
        x = self._images if images is None else images
        levels = []
        with torch.no_grad():
            for index in range(4):
                x = encoder.stage(index, x)
                levels.append(encoder.level(index, x))
        return levels

    def _shapes(self) -> None:
        for index, level in enumerate(self._levels()):
            stride = 4 * 2**index
            wanted = (2, self._encoder.channels[index], SIZE[0] // stride, SIZE[1] // stride)
            broken(
                tuple(level.shape) != wanted,
                f"level {index + 1} of {SIZE[1]}x{SIZE[0]} images is {tuple(level.shape)}, "
                f"expected {wanted}",
            )

    def _walk(self) -> None:
        with torch.no_grad():
            whole = self._encoder(self._images)
        for index, (one, other) in enumerate(zip(whole, self._levels(), strict=True)):
            broken(not torch.equal(one, other), f"level {index + 1} differs")

    def _partition(self) -> None:
        listed = [name for index in range(4) for name in self._encoder.group(index)]
        known = [name for name, _ in self._encoder.named_parameters()]
        twice = sorted({name for name in listed if listed.count(name) > 1})
        broken(bool(twice), f"in two stages: {twice[:3]}")
        missing = sorted(set(known) - set(listed))
        broken(bool(missing), f"in no stage: {missing[:3]}")
        broken(set(listed) != set(known), "group() names parameters that do not exist")

    def _upstream(self) -> None:
        before = self._levels()
        for index in range(1, 4):
            other = copy.deepcopy(self._encoder)
            parameters = dict(other.named_parameters())
            with torch.no_grad():
                for name in other.group(index):
                    parameters[name].add_(1.0)
            for earlier in range(index):
                broken(
                    not torch.equal(self._levels(other)[earlier], before[earlier]),
                    f"level {earlier + 1} changes with parameters of stage {index + 1}",
                )

    def _gradients(self) -> None:
        encoder = copy.deepcopy(self._encoder)
        generator = torch.Generator().manual_seed(2)
        total = sum(
            (level * torch.randn(level.shape, generator=generator)).sum()
            for level in encoder(self._images)
        )
        assert isinstance(total, Tensor)
        total.backward()  # type: ignore[no-untyped-call]
        dead = [name for name, p in encoder.named_parameters() if p.grad is None]
        broken(bool(dead), f"none reaches {dead[:3]}")

    def _repeats(self) -> None:
        for one, other in zip(self._levels(), self._levels(), strict=True):
            broken(not torch.equal(one, other), "it draws at random, or keeps something")

    def _batch(self) -> None:
        alone = self._levels(images=self._images[1:])
        for one, other in zip(self._levels(), alone, strict=True):
            scale = float(other.abs().max()) or 1.0
            broken(
                float((one[1:] - other).abs().max()) > 1e-4 * scale,
                "the second image of a batch differs from the same image alone",
            )

    def _norms(self) -> None:
        foreign = [
            name for name, m in self._encoder.named_modules()
            if isinstance(m, nn.modules.batchnorm._BatchNorm) and not isinstance(m, BatchNorm)
        ]  # fmt: skip
        broken(bool(foreign), f"use driftseg.models.norm.BatchNorm in place of {foreign[:3]}")

    def _seed(self) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            again = make_encoder(self._name)
        for name, tensor in again.state_dict().items():
            broken(not torch.equal(tensor, self._encoder.state_dict()[name]), f"{name} differs")

    def _scale(self) -> None:
        encoder = self._encoder
        broken(
            len(encoder.mean) != 3 or len(encoder.deviation) != 3, "expected one for each of RGB"
        )
        broken(min(encoder.deviation) <= 0, f"deviation is {encoder.deviation}")
