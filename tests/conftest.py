"""A tiny source model, trained once for all tests that need a whole run."""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from driftseg.conformance import method as method_laws
from driftseg.frame import Scene
from driftseg.labels import CAMVID11
from driftseg.models.checkpoints import save_checkpoint
from driftseg.models.segmenter import build_segmenter
from driftseg.town.town import Town
from foreign_models import name_torchvision_operators
from tiny_networks import TINY_ENCODER
from tiny_runs import tiny_values

name_torchvision_operators()


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Tests share the cores; golden numbers must not depend on how many there are."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the cache of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRIFTSEG_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _encoders_of_tests() -> Iterator[None]:
    """Processes that tests start find the encoder of the tiny checkpoint, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        yield


@pytest.fixture(scope="session", autouse=True)
def _streets_are_rendered_once() -> Iterator[None]:
    """Most tests look at a few scenes of Town again and again; `tests/town` renders each anew."""
    render, known = Town.render, {}

    @functools.wraps(render)
    def once(town: Town, index: int) -> Scene:
        place = (town._seed, town._size, index)
        if place not in known:
            known[place] = render(town, index)
        return copy.deepcopy(known[place])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Town, "render", once)
        yield


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny MiT with random weights: enough to run, not to be right."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_segmenter(TINY_ENCODER, classes=11, head_width=16)
    save_checkpoint(path, model, encoder=TINY_ENCODER, head_width=16, label_space="camvid11",
                    classes=CAMVID11.classes)  # fmt: skip
    return path


@pytest.fixture
def tiny_run(tiny_checkpoint: Path, tmp_path: Path) -> dict:
    """A run config of a few seconds, as plain values."""
    return tiny_values(tiny_checkpoint, tmp_path / "runs")


@pytest.fixture
def tiny_laws(monkeypatch: pytest.MonkeyPatch) -> None:
    """The laws of methods on small frames and a tiny MiT; `test_own_parts.py` has MiT-B0."""
    monkeypatch.setattr(method_laws, "SIZE", (64, 48))
    made = method_laws.build_segmenter
    monkeypatch.setattr(
        method_laws, "build_segmenter", lambda _, **sizes: made(TINY_ENCODER, **sizes)
    )


@pytest.fixture
def write_config(tmp_path: Path):
    """Writes values to a YAML file."""

    def write(values: dict, name: str = "config.yaml") -> Path:
        path = tmp_path / name
        path.write_text(yaml.safe_dump(values))
        return path

    return write


@pytest.fixture(scope="session")
def camvid_root() -> Path:
    """CamVid, for tests marked data."""
    default = Path(__file__).parents[2] / "shared" / "data" / "camvid"
    root = Path(os.environ.get("DRIFTSEG_CAMVID", default))
    if not (root / "train").is_dir():
        pytest.skip(f"CamVid is not at {root}; set DRIFTSEG_CAMVID to its folder")
    return root
