"""From the adapters section to adapters in the source model."""

from __future__ import annotations

import numpy as np
import torch

from driftseg.errors import InputError
from driftseg.models.adapters import AdapterSpec, adapter_spec, attach, load_adapters
from driftseg.models.encoders.sites import adapters_of
from driftseg.models.segmenter import Segmenter
from driftseg.runs.config import RunConfig
from driftseg.runs.learner_config import learner_of

NOT_OPTIONS = {"factor", "file"}
"""What of the section does not say which adapters there are."""


def check_adapters(config: RunConfig) -> AdapterSpec | None:
    """The adapters that the config asks for.

    Raises:
        InputError: the section contradicts itself or ``method.train``.
    """
    train = getattr(learner_of(config.method), "train", [])
    section = config.adapters
    if section is None:
        if "adapters" in train:
            raise InputError(
                "method.train names adapters and there are none: set adapters.kind, "
                "or leave adapters out of method.train"
            )
        return None
    spec = adapter_spec(**section.model_dump(exclude=NOT_OPTIONS))
    deaf = (
        []
        if {"adapters", "encoder"} & {*train}
        else [number for number in spec.stages if f"encoder.stage{number}" not in train]
    )
    if section.file is None and len(deaf) == len(spec.stages):
        raise InputError(
            f"adapters: method {config.method.name} does not train them, and untrained ones do "
            "nothing: add adapters to method.train where it has one, set adapters.file, or leave "
            "the section out"
        )
    if section.file is None and deaf:
        raise InputError(
            f"adapters: those of stages {deaf} would never learn, for method.train names other "
            "stages: add adapters to method.train, or name the same stages in adapters.stages"
        )
    return spec


def build_adapters(config: RunConfig, model: Segmenter, spec: AdapterSpec) -> str:
    """Puts adapters into the model, with the file's values if one is named; tells what they are.

    Raises:
        InputError: the encoder has no place for them, or the file does not fit.
    """
    seed = int(np.random.default_rng([config.seed, 4]).integers(2**63))
    attach(model, spec, torch.Generator().manual_seed(seed))
    started = "doing nothing at first"
    if config.adapters is not None and config.adapters.file is not None:
        info = load_adapters(config.adapters.file, model)
        started = f"from {config.adapters.file} (digest {info.digest})"
    adapters = [adapter for _, adapter in adapters_of(model)]
    numbers = sum(p.numel() for adapter in adapters for p in adapter.parameters())
    return (
        f"{len(adapters)} {spec.kind} adapters with {numbers} parameters in stages "
        f"{', '.join(map(str, spec.stages))}, {started}"
    )
