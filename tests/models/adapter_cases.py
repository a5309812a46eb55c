"""Every kind of adapter on every encoder: another encoder is one more name here."""

from __future__ import annotations

import torch
from networks import network

from driftseg.models.adapters import AdapterSpec, adapter_spec, attach, fitting_kinds
from driftseg.models.encoders.sites import adapter_names
from driftseg.models.segmenter import Segmenter
from tiny_networks import TINY_ENCODER

ENCODERS = (TINY_ENCODER, "efficientnet_lite0", "tiny_swin")

OPTIONS = {
    "adaptformer": {"width": 8, "dropout": 0.1, "learnable_scale": True},
    "bottleneck": {"ratio": 0.1, "activation": "gelu", "dropout": 0.1, "learnable_scale": True},
    "lora": {"rank": 4, "alpha": 6, "dropout": 0.1,
             "targets": ("query", "key", "value", "projection", "expand", "contract")},
    "convpass": {"width": 4, "scale": 0.7},
    "convolution": {"width": 6, "dropout": 0.1},
    "vida": {"rank": 1, "high_rank": 12},
}  # fmt: skip

CASES = [
    (encoder, *fitting.split(" per "))
    for encoder in ENCODERS
    for fitting in fitting_kinds(network(encoder).encoder)
]
"""(encoder, kind, where)."""


def spec_of(kind: str, where: str, **changes: object) -> AdapterSpec:
    return adapter_spec(kind, where=where, **(OPTIONS[kind] | changes))  # type: ignore[arg-type]


def adapted(encoder: str, kind: str, where: str, *, seed: int = 0, **changes: object) -> Segmenter:
    model = network(encoder, seed=seed)
    attach(model, spec_of(kind, where, **changes), torch.Generator().manual_seed(seed))
    return model


def wake(model: Segmenter, seed: int = 0, *, size: float = 0.1) -> None:
    """Moves every adapter's values, as training would."""
    generator = torch.Generator().manual_seed(seed)
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name in adapter_names(model):
            parameters[name].add_(torch.randn(parameters[name].shape, generator=generator) * size)
