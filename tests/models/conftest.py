"""One origin of weights, and its files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from weight_files import NAMES, WIDTH, State, draw, publish_epsilons, to_hamlet, to_nvlabs


@pytest.fixture(scope="session")
def theirs() -> nn.Module:
    """transformers' SegFormer-B0 with random weights: the origin of every MiT file here."""
    transformers = pytest.importorskip("transformers")
    config = transformers.SegformerConfig(
        decoder_hidden_size=WIDTH, id2label=dict(enumerate(NAMES))
    )
    model = transformers.SegformerForSemanticSegmentation(config).eval()
    with torch.no_grad():
        draw(model.state_dict(), seed=1)
    publish_epsilons(model)
    return model


@pytest.fixture(scope="session")
def folder(theirs: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What save_pretrained writes: the names of transformers 4, in every version."""
    path = tmp_path_factory.mktemp("segformer")
    theirs.save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def nvlabs(folder: Path) -> State:
    return to_nvlabs(load_file(folder / "model.safetensors"))


@pytest.fixture(scope="session")
def hamlet(nvlabs: State) -> State:
    return to_hamlet(nvlabs)


@pytest.fixture(scope="session")
def images() -> Tensor:
    return torch.rand((1, 3, 64, 96), generator=torch.Generator().manual_seed(3))
