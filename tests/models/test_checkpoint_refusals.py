"""What cannot be loaded is refused in one line, and the model stays as it was."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close
from weight_files import (
    RANDOM_HEADS,
    State,
    fresh,
)

from driftseg.errors import InputError
from driftseg.models.checkpoints import (
    digest,
    load_weights,
)
from driftseg.models.segmenter import Segmenter


def refuse(model: Segmenter, source: Path, match: str, **options: Any) -> None:
    before = digest(model)
    with pytest.raises(InputError, match=match) as caught:
        load_weights(model, source, **options)
    assert "\n" not in str(caught.value)
    assert digest(model) == before


def test_another_encoder_is_named(nvlabs: State, tmp_path: Path) -> None:
    torch.save(nvlabs, tmp_path / "a.pth")
    refuse(
        fresh("mit_b1"), tmp_path / "a.pth",
        "expected the model's architecture, got another: "
r"encoder\.stages\.0\.embedding\.projection\.weight.*file",
        may_stay_random=RANDOM_HEADS,
    )  # fmt: skip


def test_a_deeper_encoder_is_not_cut_to_fit(tmp_path: Path) -> None:
    path = tmp_path / "b2.pth"
    torch.save(fresh("mit_b2").state_dict(), path)
    refuse(fresh("mit_b1"), path, "the file looks like mit_b2", may_stay_random=RANDOM_HEADS)


def test_another_number_of_classes(nvlabs: State, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save(nvlabs, path)
    model = fresh(classes=7, early_head=False)
    refuse(
        model,
        path,
        "expected the model's architecture, got another: "
        r"head\.classifier\.weight has the shape \(7, 32,",
    )
    before = {name: tensor.clone() for name, tensor in model.head.state_dict().items()}
    report = load_weights(model, path, may_stay_random=("head",))
    assert_close(model.head.state_dict(), before, rtol=0, atol=0)  # not half loaded
    assert {name.partition(".")[0] for name in report.random} == {"head"}
    assert any(text.startswith("decode_head.linear_c1.proj.weight: ") for text in report.ignored)


def test_lacking_tensors_are_named(nvlabs: State, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    state = dict(nvlabs)
    del state["backbone.block3.1.mlp.fc1.bias"]
    torch.save(state, path)
    model = fresh(early_head=False)
    refuse(model, path, r"lacks 1 of \d+ tensors of encoder\.stage3: .*feed_forward\.expand\.bias")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    report = load_weights(model, path, may_stay_random=("encoder.stage3",))
    assert {name.rpartition("stages.")[2][0] for name in report.random} == {"2"}
    for name in report.random:
        assert torch.equal(model.state_dict()[name], before[name])
    report = load_weights(fresh(early_head=False), path, may_stay_random=("encoder",))
    assert {name.partition(".")[0] for name in report.matched} == {"head"}


def test_the_norms_counter_may_be_absent(nvlabs: State, tmp_path: Path) -> None:
    counter = "decode_head.linear_fuse.bn.num_batches_tracked"
    torch.save({n: t for n, t in nvlabs.items() if n != counter}, tmp_path / "a.pth")
    assert load_weights(fresh(early_head=False), tmp_path / "a.pth").random == []


def test_a_file_that_fits_nothing(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(3)}, tmp_path / "a.pth")
    refuse(
        fresh(),
        tmp_path / "a.pth",
        "expected one of the layouts NVlabs SegFormer, "
        "HAMLET, DAFormer, NVlabs MiT encoder, mmsegmentation "
        "SegFormer,",
    )
    torch.save(fresh("efficientnet_lite0", classes=3).state_dict(), tmp_path / "b.pth")
    everything = ("encoder", *RANDOM_HEADS)
    refuse(
        fresh(),
        tmp_path / "b.pth",
        "expected tensors of the model, got none that fit "
        r"\(driftseg\)",
        may_stay_random=everything,
    )


def test_unknown_part_and_numbers_that_are_none(nvlabs: State, tmp_path: Path) -> None:
    broken = {**nvlabs, "backbone.norm1.bias": torch.full((32,), torch.nan)}
    torch.save(broken, tmp_path / "a.pth")
    model = fresh(early_head=False)
    refuse(
        model,
        tmp_path / "a.pth",
        "expected finite numbers, got NaN or infinite ones in "
        r"backbone\.norm1\.bias",
    )
    refuse(
        model,
        tmp_path / "a.pth",
        "expected parts of a network, got decoder",
        may_stay_random=("decoder",),
    )


class Malicious:
    """Would make a folder when unpickled."""

    def __init__(self, path: Path):
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("kind", ["torch", "pickle"])
def test_a_file_that_runs_code_is_refused(kind: str, tmp_path: Path) -> None:
    path, proof = tmp_path / "a.pth", tmp_path / "ran"
    held = {"state_dict": {"a": torch.zeros(1)}, "meta": Malicious(proof)}
    if kind == "torch":
        torch.save(held, path)
        refuse(
            fresh(),
            path,
            r"expected a file of weights, got one that calls posix\.mkdir "
            "and could run code",
        )
    else:
        path.write_bytes(pickle.dumps(Malicious(proof)))
        refuse(
            fresh(),
            path,
            "expected a readable checkpoint, got a truncated or corrupt file, or another",
        )
    assert not proof.exists()


def test_broken_files(folder: Path, nvlabs: State, tmp_path: Path) -> None:
    whole = tmp_path / "whole.pth"
    torch.save(nvlabs, whole)
    model = fresh()
    cases = {
        "empty.pth": (b"", "expected a checkpoint file, got an empty file"),
        "text.pth": (
            b"<html>not found</html>",
            "expected a readable checkpoint, got a truncated or corrupt file, or another",
        ),
        "cut.pth": (
            whole.read_bytes()[:100_000],
            "expected a readable checkpoint, got a truncated or corrupt file, or another",
        ),
        "cut.safetensors": (
            (folder / "model.safetensors").read_bytes()[:100_000],
            "expected a readable checkpoint, got a truncated or corrupt file, or another",
        ),
        "short.safetensors": (
            b"abc",
            "expected a readable checkpoint, got a truncated or corrupt file, or another",
        ),
    }
    for name, (content, match) in cases.items():
        (tmp_path / name).write_bytes(content)
        refuse(model, tmp_path / name, match)
    torch.save([1, 2], tmp_path / "list.pth")
    refuse(model, tmp_path / "list.pth", "expected named tensors, got a list")
    torch.save({"epoch": 3}, tmp_path / "none.pth")
    refuse(model, tmp_path / "none.pth", r"expected named tensors, got 'epoch' \(int\)")
    (tmp_path / "folder").mkdir()
    refuse(
        model,
        tmp_path / "folder",
        r"expected model\.safetensors or pytorch_model\.bin, or "
        r"index\.json of one of them, got none",
    )
    refuse(model, tmp_path / "absent.pth", "expected a checkpoint, got a path where there is none")
