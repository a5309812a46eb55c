"""What holds for every method of test-time adaptation, on three kinds of network."""

from __future__ import annotations

import inspect
import io
import json
import os
from pathlib import Path

import pytest
import torch
from adapting import NETWORKS, SIZE, frames, make, moved, network, play, weights
from torch import nn

from driftseg.learners.settings import MethodSettings
from driftseg.methods.table import METHODS
from driftseg.models.adapters import adapter_spec, attach
from driftseg.models.encoders.sites import adapter_names
from driftseg.models.trainable import NORMS
from driftseg.runs.adapting import make_adaptive

FRAMES_ONLY = (
    "alpha_bn", "eata", "sar", "rdumb", "cotta", "rmt", "roid", "rotta", "asr", "vida",
)  # fmt: skip
NAMES = (*FRAMES_ONLY, "mic", "auto")
QUICK: dict[str, dict] = {
    "eata": {"fisher_frames": 2, "fisher_weight": 1.0},
    "rdumb": {"reset_every": 3},
    "cotta": {"scales": [1.0, 1.5]},
    "rotta": {"every": 2, "memory_frames": 3},
    "mic": {"learning_rate": 1e-4},
    "auto": {"homing": {"near": 0.1, "far": 0.2}},  # learns at once
    "vida": {"scales": [1.0, 1.5], "learning_rate": 1e-3},
}
"""Settings under which ten frames show what takes hundreds."""
GOLDEN = Path(__file__).parent / "golden.json"
HOW = """The numbers of a method moved. If that was meant, write them anew with
    DRIFTSEG_GOLDEN=write python -m pytest tests/learners -k golden
and say in the commit why they moved."""


def settings_of(name: str, kind: str) -> dict:
    asks = name != "auto" and "norm_statistics" in fields(name)
    plain = {"norm_statistics": "batch"} if asks else {}
    return {**({} if kind == "mit" else plain), **QUICK.get(name, {})}


def fields(name: str) -> dict:
    return METHODS.find(name).model_fields


def adapt_tiny(name: str, *, factor: float):
    """The method on a tiny MiT with adapters, which it trains with the head."""
    net = network("mit")
    method = METHODS.find(name).model_validate({"name": name, "train": ["adapters", "head"]})
    kind = method.adapter_kind or "adaptformer"
    attach(net, adapter_spec(kind), torch.Generator().manual_seed(1))
    return make_adaptive(
        method, net, source=None, classes=tuple("abcdefghijk"), size=SIZE, adapter_factor=factor
    )


def norms(model: nn.Module) -> set[str]:
    found = {
        f"{name}.{own}"
        for name, module in model.named_modules()
        if isinstance(module, NORMS)
        for own, _ in module.named_parameters(recurse=False)
    }
    return {name for name in found if not name.startswith("early_head")}


@pytest.mark.parametrize("name", NAMES)
def test_golden_run_of_ten_frames(name: str) -> None:
    kind = "efficientnet"
    got = play(make(name, kind, **settings_of(name, kind)), frames())
    known = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if os.environ.get("DRIFTSEG_GOLDEN") == "write":
        known[name] = [{k: round(v, 6) for k, v in row.items()} for row in got]
        GOLDEN.write_text(json.dumps(known, indent=1) + "\n")
    for row, golden in zip(got, known[name], strict=True):
        assert row == pytest.approx(golden, rel=2e-3, abs=2e-4), HOW


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("name", NAMES)
def test_it_goes_on_to_the_last_bit_and_moves_what_it_says(name: str, kind: str) -> None:
    """Saved after a frame as tensors and plain data, in the middle of what it remembers."""
    options = settings_of(name, kind)
    whole = make(name, kind, **options)
    before = weights(whole)
    play(whole, frames()[:1])
    file = io.BytesIO()
    torch.save({"state": whole.state_dict()}, file)
    rest = play(whole, frames()[1:3])
    file.seek(0)
    second = make(name, kind, **options)
    with torch.serialization.safe_globals(SAFE):
        second.load_state_dict(torch.load(file, weights_only=True)["state"])
    assert play(second, frames()[1:3]) == rest
    assert all(torch.equal(t, weights(second)[n]) for n, t in weights(whole).items())
    allowed = {*whole.roles.trainable, *whole.roles.moving_statistics()}
    assert moved(whole, before) <= allowed


def safe() -> list:
    import numpy as np

    reconstruct = np.zeros(1).__reduce__()[0]
    kinds = [type(np.dtype(kind)) for kind in ("uint8", "float32", "float64", "uint64", "uint32")]
    return [reconstruct, np.ndarray, np.dtype, *kinds]


SAFE = safe()
"""Arrays are data, too."""


@pytest.mark.parametrize("name", NAMES)
def test_the_trainable_set_is_exact(name: str) -> None:
    model = make(name, "mit") if name != "alpha_bn" else make(name)
    module = model.roles.network.module
    if name == "alpha_bn":
        assert model.roles.trainable == ()
    elif name == "vida":
        assert set(model.roles.trainable) == {*adapter_names(module)}
    elif "train" in fields(name):
        parts = model.roles.network.parts
        everything = {n for part in parts if part != "early_head" for n in parts[part]}
        assert set(model.roles.trainable) == everything
    else:
        assert set(model.roles.trainable) == norms(module)


@pytest.mark.parametrize("name", FRAMES_ONLY)
def test_no_source_reaches_it(name: str) -> None:
    """Neither its settings nor its learner has a parameter for source images or labels."""
    settings = METHODS.find(name)
    assert issubclass(settings, MethodSettings)
    assert not settings.model_validate({"name": name}).needs().source
    learner = type(make(name).learner)
    given = {*inspect.signature(learner.__init__).parameters, *settings.model_fields}
    for kind in learner.__mro__[1:-1]:
        given |= {*inspect.signature(kind.__init__).parameters}
    assert not {word for word in given if "replay" in word or "label" in word or "batch" in word}
    assert not hasattr(make(name).learner, "replay")


@pytest.mark.parametrize("name", ["cotta", "rmt", "vida"])
def test_adapters_learn_faster_where_a_factor_says_so(name: str) -> None:
    model = adapt_tiny(name, factor=7.0)
    rates = {group["factor"] for group in model.learner.optimiser.param_groups}
    assert rates == {1.0, 7.0}
    play(model, frames()[:1])
    found = {group["lr"] / group["factor"] for group in model.learner.optimiser.param_groups}
    assert found == {model.learner._rate}


@pytest.mark.parametrize("name", [n for n in FRAMES_ONLY if n != "alpha_bn"])
def test_the_orders_rate_counts(name: str) -> None:
    """A step with rate 0 moves no weight."""
    from driftseg.control.contract import Order

    model = make(name, "mit", **QUICK.get(name, {}))
    before = weights(model)
    from adapting import seen

    made = 0
    for image in frames()[:3]:
        with torch.no_grad():
            model.predict(image)
        step = model.learner.learn(seen(model, image), Order(True, learning_rate=0.0))
        made += step.made
        assert step.learning_rate in (0.0, None)
    assert made > 0
    still = {n for n in moved(model, before) if not n.startswith("head.norm.running")}
    assert still <= {"head.norm.num_batches_tracked"}
