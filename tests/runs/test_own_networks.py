"""Runs of a torch module that is not driftseg's, named in a config."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from whole_runs import play

from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.labels import CAMVID11
from driftseg.runs.build import build

CODE = """
import torch
from foreign_models import foreign

def make():
    return foreign("plain", classes=12)

def number():
    return 3
"""
NETWORK = {"network": "street_net:make", "parts": ["first", "norm", "second"], "head": "second",
           "ignored": [11], "size": [64, 96]}  # fmt: skip


@pytest.fixture
def own_run(tiny_run: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    (tmp_path / "street_net.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return {**tiny_run, "checkpoint": None, "model": NETWORK, "classes": list(CAMVID11.classes)}


@pytest.mark.parametrize("method", [
    {"name": "tent", "norm_statistics": "running"},
    {"name": "dacs", "feature_distance": 0.005},
    {"name": "restyled_replay"},
    {"name": "hamlet", "start_training": True, "base_iterations": 9, "selection": "round_robin",
     "detector": {"window": 1, "rise": 0.01, "fall": -0.01, "source_level": 1.0, "far_level": 2.0}},
])  # fmt: skip
def test_methods_run_and_record_as_on_ours(method: dict, own_run: dict) -> None:
    done = play(own_run, method=method)
    assert all(row["trained"] for row in done.frames)
    assert "_Plain_s0_" in done.path.name
    assert done.environment["checkpoint"] == "street_net:make"
    assert any("of parts first, norm, second" in note for note in done.environment["notes"])
    assert {row["head"] for row in done.evaluations} == {"main"}
    if method["name"] == "hamlet":
        assert {row["plan"]["module"] for row in done.frames} <= {1, 2, 3}
        assert all(row["signal"] > 0 for row in done.frames)


def test_the_adapted_module_is_kept_under_its_own_names(own_run: dict) -> None:
    done = play(own_run, method={"name": "restyled_replay", "train": ["second"]},
                keep_checkpoint=True)  # fmt: skip
    kept = load_file(done.path / "checkpoints" / "last.safetensors")
    from street_net import make

    module = make()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    module.load_state_dict(kept)
    moved = {name for name, tensor in kept.items() if not torch.equal(tensor, before[name])}
    assert moved == {"second.weight", "second.bias"}


def test_adapters_on_its_layers(own_run: dict) -> None:
    done = play(
        own_run, method={"name": "restyled_replay", "train": ["adapters"]},
        adapters={"kind": "lora", "at": ["first", "second"], "rank": 2},
    )  # fmt: skip
    assert any("2 lora adapters on layers first, second" in n for n in done.environment["notes"])
    assert all(row["trained"] for row in done.frames)


@pytest.mark.parametrize(
    ("model", "more", "message"),
    [
        (
            {**NETWORK, "encoder": "mit_b0"},
            {},
            "test: model: expected either encoder or network, got both",
        ),
        (
            {"encoder": "mit_b0", "head": "x"},
            {},
            "test: model: expected head together with network, got no network",
        ),
        (
            {**NETWORK, "network": "street_net:number"},
            {},
            r"model\.network: expected a "
            "function that returns a "
            r"torch\.nn\.Module, got "
            "street_net:number, which returns a int",
        ),
        (
            {**NETWORK, "network": "gone_net:make"},
            {},
            r"model\.network: expected an installed "
            "module, got gone_net, which is not found",
        ),
        (
            {**NETWORK, "parts": ["frist"], "head": None},
            {},
            "parts: expected modules of the model, got 'frist'",
        ),
        (
            {**NETWORK, "ignored": []},
            {},
            "classes: expected 12 names, one for each output of checkpoint street_net:make, got 11",
        ),
        (
            NETWORK,
            {"classes": None},
            "checkpoint street_net:make: expected names of its 11 classes, got none in the file",
        ),
        (
            NETWORK,
            {"ignore_outputs": [11]},
            "weights, ignore_outputs: expected a checkpoint, "
            r"got a network of your own.*set model\.ignored",
        ),
        (
            NETWORK,
            {"weights": "teacher"},
            "weights, ignore_outputs: expected a checkpoint, got a network of your own",
        ),
        (NETWORK, {"adapters": {"kind": "lora"}, "method": {"name": "dacs"}}, "set adapters.at"),
    ],
)
def test_mistakes_are_named(model: dict, more: dict, message: str, own_run: dict) -> None:
    with pytest.raises(InputError, match=message):
        build(check({**own_run, "model": model, **more}, RunConfig, where="test"))
