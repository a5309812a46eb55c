"""Two processes train as one does: real torchrun, gloo, small images."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from driftseg.config.reading import check
from driftseg.config.train import TrainConfig
from driftseg.errors import InputError
from driftseg.models.checkpoints import load_checkpoint
from driftseg.runs.train import build_training
from driftseg.training.processes import Processes, check_batch, device_of, synchronise
from driftseg.training.recipe import Interrupted
from driftseg.training.stopping import Stopping
from tiny_networks import TINY_ENCODER

HERE = Path(__file__).parent
ROUNDING = 2e-5
"""Adam's steps are of the size of the rate, 1e-3, whatever the gradients'."""


def values(out: Path, **changes: object) -> dict:
    """MiT with a frozen head: nothing takes statistics over the batch."""
    town = {"kind": "town", "seed": 1, "frames": 4, "every": 30, "size": [64, 48]}
    return {
        "out": str(out), "data": town, "validation": town | {"frames": 3}, "threads": 1,
        "model": {"encoder": TINY_ENCODER, "head_width": 16}, "class_weight": 0.5,
        "augmentation": {"scale": [0.6, 1.5]}, "train": ["encoder"],
        "sampling": {"batch_size": 4, "minimum_share": 0.004, "temperature": 0.1},
        "steps": 5, "early_head_steps": 0, "validate_every": 2, "learning_rate": 1e-3,
        "warm_up": 2, "choose": "last",
    } | changes  # fmt: skip


def training(values: dict):
    return build_training(check(values, TrainConfig, where="test"))[0]


def stopped_at(values: dict, number: int) -> None:
    """One process, interrupted by Ctrl-C while it does a step."""
    with Stopping() as stop, pytest.raises(Interrupted) as found:
        training(values).run(
            lambda step: os.kill(os.getpid(), signal.SIGINT) if step.step == number - 1 else None,
            lambda: stop.number,
        )
    assert (found.value.step, found.value.signal) == (number, signal.SIGINT)


def torchrun(*arguments: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": f"{HERE.parents[1] / 'src'}{os.pathsep}{HERE.parent}", "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
    }  # fmt: skip
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone",
               "--nproc-per-node", "2", *map(str, arguments)]  # fmt: skip
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )


def tensors(out: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return load_checkpoint(out / f"{name}.safetensors")[0].state_dict()


def assert_same(one: Path, two: Path, *, rounding: float = ROUNDING, name: str = "last") -> None:
    theirs = tensors(two, name)
    for key, tensor in tensors(one, name).items():
        assert torch.allclose(tensor, theirs[key], rtol=0, atol=rounding), key


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process did and, from there, two; ends.json tells how their commands ended."""
    folder = tmp_path_factory.mktemp("torchrun")

    def config(name: str, **changes: object) -> str:
        path = folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(values(folder / name, **changes)))
        return str(path)

    training(values(folder / "one")).run(lambda step: None)
    stopped_at(values(folder / "begun_by_one"), 3)
    both = {"train": ["encoder", "head"], "early_head_steps": 2}
    jobs = [
        (["train", config("two")], None),
        (["train", config("begun_by_one")], None),
        (["train", config("begun_by_two")], [1, 2]),
        (["train", config("odd", sampling={"batch_size": 3})], None),
        (["train", config("accumulated", accumulate=2), "--dry-run"], None),
        (["train", config("synchronised", sync_batch_norm=True)], None),
        (["train", config("statistics", **both)], None),
    ]
    (folder / "jobs.json").write_text(json.dumps(jobs))
    done = torchrun(HERE / "two_processes.py", folder / "jobs.json")
    assert done.returncode == 0, done.stderr
    (folder / "output.txt").write_text(done.stdout)
    return folder


def ends(folder: Path, job: int) -> list[str]:
    return [end[job] for end in json.loads((folder / "ends.json").read_text())]


def test_no_thread_of_the_group_is_left_to_abort_the_process(folder: Path) -> None:
    left = json.loads((folder / "threads.json").read_text())
    assert not [name for name in left if "gloo" in name]


def test_two_processes_learn_what_one_does(folder: Path) -> None:
    assert ends(folder, 0) == ["code None"] * 2
    assert_same(folder / "one", folder / "two")
    one, two = (
        [json.loads(line) for line in (folder / name / "log.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    )
    assert [row["step"] for row in two] == [2, 4, 5]
    for mine, theirs in zip(one, two, strict=True):
        assert mine["loss"] == pytest.approx(theirs["loss"], abs=2e-4)
        assert mine["mean_iou"] == pytest.approx(theirs["mean_iou"], abs=0.2)


def test_two_processes_continue_what_one_began(folder: Path) -> None:
    assert ends(folder, 1) == ["code None"] * 2
    assert_same(folder / "one", folder / "begun_by_one")


def test_one_process_continues_what_two_began(folder: Path) -> None:
    """The signal came to the second process alone; both ended after the same step."""
    for end in ends(folder, 2):
        assert end.startswith(("Exit", "code 1"))
    output = (folder / "output.txt").read_text()
    assert "interrupted in phase main after step 3 of 5; everything is kept" in output
    assert "torchrun --nproc-per-node 2 -m driftseg train" in output
    again = training(values(folder / "begun_by_two"))
    assert again.continues == "continues in phase main after step 3 of 5"
    again.run(lambda step: None)
    assert_same(folder / "one", folder / "begun_by_two")


def test_one_process_prints(folder: Path) -> None:
    output = (folder / "output.txt").read_text().splitlines()
    for name in ("two", "begun_by_one", "statistics"):
        assert len([line for line in output if line.endswith(f"{name}/best.safetensors")]) == 1
    assert any("processes 2, parts in each 2, images at once 1" in line for line in output)
    assert not (folder / "accumulated").exists()


def test_what_cannot_be_shared_is_refused(folder: Path) -> None:
    first, second = ends(folder, 3)
    assert "expected a multiple of 2 (2 processes, accumulate 1), got 3. To fix: " in first
    assert second == "SystemExit: 2"
    assert "sync_batch_norm: expected a CUDA device" in ends(folder, 5)[0]


def test_statistics_of_a_share(folder: Path) -> None:
    """Batch normalisation sees a share of the batch, so the weights are others; all is finite."""
    assert ends(folder, 6) == ["code None"] * 2
    assert all(tensor.isfinite().all() for tensor in tensors(folder / "statistics").values())
    extra = load_checkpoint(folder / "statistics" / "best.safetensors")[1].extra
    assert extra["head"] == "both"


def test_devices() -> None:
    assert device_of("cpu", Processes(1, 2)) == "cpu"
    assert device_of("cuda:1", Processes()) == "cuda:1"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCAL_WORLD_SIZE", "2")
        patch.setenv("LOCAL_RANK", "1")
        patch.setattr(torch.cuda, "device_count", lambda: 1)
        with pytest.raises(InputError, match="expected cuda for 2 processes, got cuda:1"):
            device_of("cuda:1", Processes(1, 2))
        with pytest.raises(InputError, match="expected a GPU for each of 2 processes, got 1"):
            device_of("cuda", Processes(1, 2))
        chosen = []
        patch.setattr(torch.cuda, "device_count", lambda: 2)
        patch.setattr(torch.cuda, "set_device", chosen.append)
        assert device_of("cuda", Processes(1, 2)) == "cuda:1"
        assert chosen == [1]


def test_synchronised_layers_keep_their_policy() -> None:
    """Where torch can synchronise; the CPU only tries what does not need it."""
    from driftseg.models.norm import BatchNorm
    from driftseg.models.trainable import set_statistics

    layers = torch.nn.Sequential(BatchNorm(3), BatchNorm(3))
    images = torch.rand(4, 3, 5, 5)
    before = layers(images)
    keys = list(layers.state_dict())
    synchronise(layers, torch.device("cuda"), Processes(0, 2))
    assert all(isinstance(layer, torch.nn.SyncBatchNorm) for layer in layers)
    assert torch.equal(layers(images), before)  # stored statistics
    assert list(layers.state_dict()) == keys
    set_statistics(layers, "update")
    layers(images)  # no group here, so nothing is sent
    assert layers[0].running_mean.abs().sum() > 0


def test_batches() -> None:
    check_batch(8, Processes(0, 2), 4)
    with pytest.raises(InputError, match=r"got 8. To fix: set sampling.batch_size=12"):
        check_batch(8, Processes(0, 3), 2)


@pytest.mark.slow
def test_the_command_under_torchrun_is_interrupted(tmp_path: Path) -> None:
    """SIGINT to torchrun alone, as it passes on what a terminal sends."""
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values(tmp_path / "out", steps=4000, validate_every=4000)))
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1] / "src")}
    command = [sys.executable, "-u", "-m", "torch.distributed.run", "--standalone",
               "--nproc-per-node", "2", "-m", "driftseg", "train", str(path)]  # fmt: skip
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "main step 1/" in line:
                process.send_signal(signal.SIGINT)
    text = "".join(lines)
    assert "everything is kept" in text
    assert (tmp_path / "out" / "state.pt").is_file()
    shutil.copytree(tmp_path / "out", tmp_path / "copy")
    assert "continues in phase main after step" in (
        training(values(tmp_path / "copy", steps=4000, validate_every=4000)).continues or ""
    )
