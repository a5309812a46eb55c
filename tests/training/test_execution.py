"""Parts of a batch, and precision."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from driftseg.config.reading import check
from driftseg.config.train import TrainConfig
from driftseg.errors import InputError
from driftseg.models.checkpoints import load_checkpoint
from driftseg.models.draws import SharedDraws, uniform
from driftseg.runs.train import build_training
from driftseg.training import precision
from driftseg.training.precision import check_precision
from tiny_networks import TINY_ENCODER


@pytest.fixture
def values(tmp_path: Path) -> dict:
    """MiT with a frozen head: nothing takes statistics over the batch."""
    town = {"kind": "town", "seed": 1, "frames": 3, "every": 30, "size": [64, 48]}
    return {
        "out": str(tmp_path / "out"), "data": town, "validation": town, "threads": 1,
        "model": {"encoder": TINY_ENCODER, "head_width": 16}, "train": ["encoder"], "warm_up": 2,
        "augmentation": {"scale": [0.6, 1.5]}, "class_weight": 0.5,
        "sampling": {"batch_size": 4, "minimum_share": 0.004, "temperature": 0.1},
        "steps": 4, "early_head_steps": 0, "validate_every": 2, "learning_rate": 1e-3,
    }  # fmt: skip


def played(values: dict) -> tuple[list[float], dict[str, torch.Tensor]]:
    steps: list = []
    training, _ = build_training(check(values, TrainConfig, where="test"))
    training.run(steps.append)
    found, _ = load_checkpoint(Path(values["out"]) / "last.safetensors")
    return [step.loss for step in steps], found.state_dict()


def test_parts_learn_what_the_batch_does(values: dict, tmp_path: Path) -> None:
    """With dropout and drop path, class weights, and parts that have few labelled pixels."""
    losses, weights = played(values)
    again, theirs = played(values | {"out": str(tmp_path / "parts"), "accumulate": 4})
    assert again == pytest.approx(losses, rel=1e-5)
    for key, tensor in weights.items():
        assert torch.allclose(tensor, theirs[key], rtol=0, atol=2e-5), key
    with pytest.raises(InputError, match=r"expected a multiple of 3 \(1 process, accumulate 3\)"):
        played(values | {"out": str(tmp_path / "3"), "accumulate": 3})


def test_a_share_draws_what_the_batch_does() -> None:
    whole = uniform((6, 2), torch.Generator().manual_seed(1))
    folded = uniform((12, 3), torch.Generator().manual_seed(1))
    for start, rows in ((0, 2), (2, 1), (3, 3)):
        draws = [SharedDraws(torch.Generator().manual_seed(1), start, rows, 6) for _ in range(2)]
        assert torch.equal(uniform((rows, 2), draws[0]), whole[start : start + rows])
        windows = uniform((2 * rows, 3), draws[1])  # two windows an image
        assert torch.equal(windows, folded[2 * start : 2 * (start + rows)])


def test_precision_that_the_device_lacks(values: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(precision, "cpu_flags", lambda: {"avx2", "avx512f"})
    with pytest.raises(InputError, match=r"neither AVX512_BF16 nor AMX, got bfloat16. To fix: set"):
        played(values | {"precision": "bfloat16"})
    assert not Path(values["out"]).exists()
    with pytest.raises(InputError, match=r"float32 or bfloat16 on cpu, got float16. To fix: set"):
        check_precision("float16", cpu)
    for flag in ("avx512_bf16", "amx_bf16", "bf16"):
        monkeypatch.setattr(precision, "cpu_flags", lambda flag=flag: {"avx2", flag})
        check_precision("bfloat16", cpu)
    gpu = torch.device("cuda")
    for capability, refused in (((7, 5), True), ((8, 0), False)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, c=capability: c)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla T4")
        check_precision("float16", gpu)
        if refused:
            with pytest.raises(InputError, match="on Tesla T4, got bfloat16"):
                check_precision("bfloat16", gpu)
        else:
            check_precision("bfloat16", gpu)


@pytest.mark.skipif(
    not precision.cpu_flags() & precision.BFLOAT16_FLAGS, reason="this CPU has no bfloat16"
)
def test_bfloat16(values: dict, tmp_path: Path) -> None:
    """Losses are near those of float32; weights stay in float32; a continuation must keep it."""
    losses, _ = played(values)
    half = values | {"out": str(tmp_path / "half"), "precision": "bfloat16"}
    again, weights = played(half)
    assert again == pytest.approx(losses, rel=0.02)
    assert again != losses
    assert {tensor.dtype for tensor in weights.values()} <= {torch.float32, torch.int64}
    extra = json.loads((tmp_path / "half" / "last.json").read_text())
    assert "bfloat16" in json.dumps(extra)
    for begun, precise in ((half, "float32"), (values, "bfloat16")):
        changed = begun | {"steps": 5, "precision": precise}
        with pytest.raises(InputError, match="got other values of precision in"):
            played(changed)


def test_old_configs_keep_their_records(values: dict) -> None:
    """What came later is left out while it is not set."""
    record = check(values, TrainConfig, where="test").model_dump(mode="json")
    assert not {"accumulate", "precision", "sync_batch_norm"} & {*record}
