"""Networks as small as they get, with every kind of layer that leaves."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from driftseg.models.encoders.mit import Mit, MitSize
from driftseg.models.heads import MlpHead
from driftseg.models.segmenter import Segmenter
from tiny_networks import TinyNet

CLASSES = ("road", "building", "tree", "car", "sky")


def tiny_mit(seed: int = 0, *, adapted: bool = False) -> Segmenter:
    """MiT of one narrow block a stage; every number drawn."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        body = Mit(MitSize((8, 16, 40, 64), (1, 1, 1, 1), 16))
        model = Segmenter(body, MlpHead(body.channels, width=16, classes=len(CLASSES)))
        drawn(model)
    return model.eval()


def tiny_net(seed: int = 0) -> Segmenter:
    """A convolution a stage, which may have an adapter; every number drawn."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        body = TinyNet()
        model = Segmenter(body, MlpHead(body.channels, width=16, classes=len(CLASSES)))
        drawn(model)
    return model.eval()


@torch.no_grad()
def drawn(model: nn.Module) -> None:
    """Norms are not the identity, and classes differ."""
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            parameter.add_(0.1 * torch.randn_like(parameter))
        elif "classifier" in name:
            parameter.mul_(30)


class Decides(nn.Module):
    """What it computes depends on pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 5, 1)
        self.choice = _Choice()

    def forward(self, images: Tensor) -> Tensor:
        return self.choice(self.first(images))


class _Choice(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.mean() > 0 else 2 * x


class Bessel(nn.Module):
    """Has an operator that ONNX lacks."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 5, 1)
        self.odd = _Odd()

    def forward(self, images: Tensor) -> Tensor:
        return self.odd(self.first(images))


class _Odd(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.special.bessel_j0(x)


class Sided(nn.Module):
    """Answers high images otherwise than wide ones: one graph cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 5, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(images)
        return x if x.shape[2] < x.shape[3] else 2 * x


class FourFold(nn.Module):
    """Takes multiples of four alone."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 5, 4, stride=4)

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[2] % 4 or images.shape[3] % 4:
            raise RuntimeError("wanted multiples of four")
        return self.first(images)
