"""Self-training of adapters and head: the base stays as it was to the last bit."""

from __future__ import annotations

import copy

import pytest
import torch
from small_methods import make_dacs, make_hamlet, play

from driftseg.control.selection import RoundRobinSelector
from driftseg.models.adapters import adapter_spec, attach, detach_adapters
from driftseg.models.encoders.sites import adapter_names, silent_values

CASES = [
    ("tiny_mit", "adaptformer"), ("tiny_mit", "bottleneck"), ("tiny_mit", "lora"),
    ("tiny_mit", "convpass"),
    ("tiny_lite", "convolution"), ("tiny_swin", "adaptformer"), ("tiny_swin", "lora"),
]  # fmt: skip
TRAIN = ("adapters", "head")


def adapted(make_model, encoder: str, kind: str):
    model = make_model(encoder).eval()
    attach(model, adapter_spec(kind, dropout=0.1), torch.Generator().manual_seed(1))
    return model


def check_frozen(method, base) -> set[str]:
    """Returns what moved."""
    before = base.state_dict()
    model = method.roles.network
    after = model.state_dict()
    moved = {n for n, t in after.items() if not torch.equal(t, before[n])}
    assert moved <= set(method.roles.trainable)
    for name, tensor in detach_adapters(model).encoder.state_dict().items():
        assert torch.equal(tensor, before[f"encoder.{name}"]), name
    return moved


@pytest.mark.parametrize("case", CASES)
def test_dacs_moves_adapters_and_head_alone(case, make_model, make_replay, frames) -> None:
    model = adapted(make_model, *case)
    base = copy.deepcopy(model)
    method = make_dacs(model, make_replay(), train=TRAIN, adapter_factor=10.0,
                       feature_distance_weight=0.005)  # fmt: skip
    rows = play(method, frames[:3])
    assert all(row["mixed"] > 0 for row in rows)
    moved = check_frozen(method, base)
    assert set(silent_values(model)) <= moved
    assert {name for name in moved if name.startswith("head.")}
    assert rows[-1]["feature_distance"] > 0


@pytest.mark.parametrize(
    "case",
    [("tiny_mit", "adaptformer"), ("tiny_swin", "convpass"), ("tiny_lite", "convolution")],
)
def test_adapters_learn_in_the_stages_that_hamlet_chooses(
    case, make_model, make_replay, frames
) -> None:
    model = adapted(make_model, *case)
    base = copy.deepcopy(model)
    method = make_hamlet(model, make_replay(), RoundRobinSelector, train=TRAIN)
    groups = model.parts
    own = set(adapter_names(model))
    chosen = set()
    for image in [*frames, *frames]:
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        method.predict(image)
        adaptation = method.learn()
        moved = {n for n, t in model.state_dict().items() if not torch.equal(t, before[n])}
        first = adaptation.plan["module"]
        if first is None:
            assert not moved
            continue
        chosen.add(first)
        may = {n for i in range(first, 5) for n in groups[f"encoder.stage{i}"]} & own
        assert moved <= may | {*groups["head"]}
        assert moved & may
    assert chosen == {1, 2, 3}  # three frames are granted
    check_frozen(method, base)


@pytest.mark.parametrize(
    ("encoder", "kind"),
    [("tiny_mit", "lora"), ("tiny_swin", "adaptformer"), ("tiny_lite", "convolution")],
)
@pytest.mark.parametrize("first", [1, 3])
def test_the_shared_prefix_runs_once_per_image_without_grad(
    encoder, kind, first, make_model, make_replay, frames, monkeypatch
) -> None:
    """A frame, a source image and their mixture; behind the prefix every role walks by itself."""
    model = make_model(encoder).eval()
    spec = adapter_spec(kind, stages=[first, 4])
    attach(model, spec, torch.Generator().manual_seed(1))
    method = make_dacs(model, make_replay(), train=TRAIN, feature_distance_weight=0.005)
    play(method, frames[:1])
    stage, runs = model.encoder.stage, []

    def watch(index: int, x: torch.Tensor) -> torch.Tensor:
        result = stage(index, x)
        runs.append((index + 1, result.requires_grad))
        return result

    monkeypatch.setattr(model.encoder, "stage", watch)
    play(method, frames[1:2])
    for number in (1, 2, 3, 4):
        grads = sorted(grad for at, grad in runs if at == number)
        # frame: the answer and the teacher; source: student and static; mixture: student
        assert grads == ([False] * 3 if number < first else [False, False, False, True, True])


def test_exact_continuation(make_model, make_replay, frames) -> None:
    """Dropout of adapters draws from the method's generator."""

    def make():
        return make_dacs(adapted(make_model, "tiny_mit", "convpass"), make_replay(), train=TRAIN)

    whole, first, second = make(), make(), make()
    rows = play(whole, frames)
    play(first, frames[:2])
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert play(second, frames[2:]) == rows[2:]
    for key, tensor in whole.roles.network.state_dict().items():
        assert torch.equal(tensor, second.roles.network.state_dict()[key])
