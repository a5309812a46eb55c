"""Files that are no checkpoint of one network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from test_open_refusals import refuse, refuse_and_tell
from torch import Tensor
from weight_files import CLASSES, NAMES, State, fresh, save_ours, split

from driftseg.models.checkpoints import inspect, open_checkpoint


def test_unknown_sizes_and_other_files(nvlabs: State, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    deeper = {n.replace("block4.1", "block4.2"): t for n, t in nvlabs.items() if "block4.1" in n}
    torch.save({**nvlabs, **deeper}, path)
    refuse_and_tell(
        path,
        r"expected an encoder of driftseg, got another \(widths 32, 64, 160, 256, depths "
        r"2, 2, 2, 3\).*give",
    )
    torch.save({n: t for n, t in nvlabs.items() if n.startswith("decode_head.")}, path)
    refuse_and_tell(path, r"expected a whole network, got none of an encoder.*give another file")
    torch.save({"state_dict": nvlabs, "meta": {"CLASSES": NAMES[:3]}}, path)
    refuse_and_tell(path, r"expected one class name for each of 5 outputs, got 3.*give a file")
    lacking = {n: t for n, t in nvlabs.items() if n != "decode_head.linear_c2.proj.weight"}
    torch.save(lacking, path)
    refuse_and_tell(path, r"lacks 1 of \d+ tensors of head: head\.embed\.1\.weight")
    torch.save({"conv1.weight": torch.zeros(3)}, path)
    refuse(
        path,
        "expected one of the layouts NVlabs SegFormer, HAMLET, DAFormer, NVlabs MiT "
        "encoder, mmsegmentation SegFormer,",
    )
    refuse(folder, r"expected the encoder mit_b1, got mit_b0.*not", encoder="mit_b1")
    refuse("imagenet", "expected an installed package with ImageNet weights of None, got none")


def test_our_own_file_has_one_set(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    save_ours(path, fresh())
    assert inspect(path).lines()[-1] == "checkpoint:  yes"
    open_checkpoint(path, weights="student")
    refuse(
        path,
        "expected no weights setting, because a checkpoint of driftseg has one set, "
        r"got one.*leave out",
        weights="teacher",
    )


def test_pieces_that_are_missing_or_elsewhere(folder: Path, tmp_path: Path) -> None:
    index = split(folder, tmp_path, "safetensors")
    held = json.loads(index.read_text())
    places = held["weight_map"]
    first = "model-00001-of-00002.safetensors"
    index.write_text(json.dumps({"weight_map": {**places, "extra.weight": first}}))
    refuse(
        tmp_path,
        r"expected the tensor extra\.weight in model-00001-of-00002\.safetensors, "
        "got a file without it",
    )
    index.write_text(json.dumps({"weight_map": {**places, "a": "../b.safetensors"}}))
    refuse(tmp_path, r"expected pieces in its own folder, got \.\./b\.safetensors.*index")
    index.write_text("{}")
    refuse(tmp_path, "expected a weight_map, got none")
    index.write_text(json.dumps(held))
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    refuse(
        tmp_path,
        r"expected the piece model-00002-of-00002\.safetensors, got a path where "
        r"there is none.*fetch that",
    )


@pytest.mark.filterwarnings("ignore")  # torch warns that such programs will go
def test_a_torchscript_program(tmp_path: Path) -> None:
    class Twice(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    traced = torch.jit.trace(Twice(), torch.ones(1))
    torch.jit.save(traced, str(tmp_path / "a.pt"))
    refuse(tmp_path / "a.pt", "expected a file of weights, got a TorchScript program")


class TestNames:
    def test_names_that_do_not_fit(self, folder: Path) -> None:
        refuse(folder, r"classes: expected 5 names, .*, got 2\..*name each",
               classes=("a", "b"))  # fmt: skip
        told = r"\(only the checkpoint has sky; the checkpoint lacks void\)\. To fix: leave out"
        refuse(folder, f"classes: expected no names, because .* has its own, got others {told}",
               classes=(*NAMES[:4], "void"))  # fmt: skip

    def test_outputs_that_are_none(self, folder: Path) -> None:
        refuse(folder, r"ignore_outputs: expected an output of the head, got 'void'.*road",
               ignore_outputs=("void",))  # fmt: skip
        refuse(
            folder,
            r"ignore_outputs: expected an output of the head, got 7.*numbers from 0 "
            "to 4",
            ignore_outputs=(7,),
        )
        refuse(
            folder,
            "ignore_outputs: expected at least one output that stays, got all",
            ignore_outputs=tuple(range(CLASSES)),
        )
