"""The README's code and commands, as they stand, on small data."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch

import layout_trees
from driftseg.cli.main import entry
from driftseg.labels import CAMVID11, CITYSCAPES19
from driftseg.models.checkpoints import save_checkpoint
from driftseg.models.segmenter import build_segmenter
from driftseg.town.scenes import TownScenes

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line, comments=True)
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
]
SHORT = {
    "demo": ["--frames", "1"],
    "adapt": ["--size", "64x64", "--stop", "2"],
    "predict": ["--size", "64x64", "--stop", "2"],
    "run": [
        "--set=schedule.frames=1", "--set=source.frames=4", "--set=evaluation=null",
        "--set=replay.capacity=4", "--set=threads=1", "--set=source.size=[64, 48]",
        "--set=target.size=[64, 48]", "--set=schedule.preset=fast_storm",
    ],
}  # fmt: skip
"""What makes a command short; nothing else is changed."""
TINY_NET = "tiny_networks:TinyNet"
SHORT_CAMVID = {
    "train": ["--set=steps=1", "--set=early_head_steps=1", "--set=sampling.batch_size=1"],
    "run": ["--set=schedule.frames=1", "--set=schedule.preset=fast_storm", "--set=evaluation=null"],
}


def drive(path: Path) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (96, 64))
    scenes = TownScenes(seed=2, frames=3, every=9, size=(96, 64))
    for number in range(3):
        writer.write(cv2.cvtColor(scenes.scene(number).image, cv2.COLOR_RGB2BGR))
    writer.release()


def call(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as end:
        entry()
    assert not end.value.code, arguments


def of_camvid(command: list[str]) -> bool:
    return "camvid" in command


def test_every_command_is_one_that_a_test_runs() -> None:
    """A new command in the README needs a way to be tried here."""
    known = {("driftseg", name) for name in (*SHORT, "train", "examples", "export", "report")}
    assert {tuple(each[:2]) for each in COMMANDS} - known == {("pip", "install")}


def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that need no data, in order, in one folder, on a tiny model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    drive(tmp_path / "drive.mp4")
    model = build_segmenter(TINY_NET, classes=11, head_width=16)
    save_checkpoint(tmp_path / "model.safetensors", model, encoder=TINY_NET, head_width=16,
                    label_space="camvid11", classes=CAMVID11.classes)  # fmt: skip
    for command in COMMANDS:
        if command[0] != "driftseg" or of_camvid(command) or command[1] == "demo":
            continue
        given = [path for each in command for path in _matching(tmp_path, each)]
        tiny = ["--checkpoint", "model.safetensors"] if command[1] == "run" else []
        call([*given, *SHORT.get(command[1], []), *tiny], monkeypatch)
    assert len(list((tmp_path / "adapted" / "overlays").iterdir())) == 2
    assert len(list((tmp_path / "still" / "labels").iterdir())) == 2
    assert len(list((tmp_path / "runs").glob("*tent*/report.html"))) == 1


def _matching(folder: Path, argument: str) -> list[str]:
    """What a shell makes of an argument with a star."""
    return sorted(map(str, folder.glob(argument))) if "*" in argument else [argument]


@pytest.mark.data
@pytest.mark.slow
def test_commands_on_camvid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, camvid_root: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "camvid").symlink_to(camvid_root)
    for command in filter(of_camvid, COMMANDS):
        call([*command, *SHORT_CAMVID[command[1]]], monkeypatch)
    assert list((tmp_path / "runs").glob("*restyled_replay*/frames.jsonl"))


@pytest.mark.slow
def test_the_installed_wheel(tmp_path: Path) -> None:
    """`pip install .` gives a command that finds the model and the examples without the clone."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    wheels, place = tmp_path / "wheels", tmp_path / "place"
    subprocess.run([*pip, "wheel", "--no-deps", "-w", wheels, ROOT], check=True)
    (wheel,) = wheels.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", place, wheel], check=True)
    own = {**os.environ, "PYTHONPATH": str(place)}
    for command in (
        ["examples", "--copy", "examples"],
        ["run", "examples/town_storm.yaml", *SHORT["run"]],
        ["demo", *SHORT["demo"]],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "driftseg", *command], cwd=tmp_path, env=own, text=True,
            capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "examples" / "town_demo.yaml").is_file()
    assert (tmp_path / "runs" / "report.html").is_file()


def test_the_ten_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transformers = pytest.importorskip("transformers")
    code = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[0]
    assert len([line for line in code.splitlines() if line]) <= 11
    monkeypatch.chdir(tmp_path)
    hub_id = re.search(r'load_model\("(.*?)"\)', code)[1]
    config = transformers.SegformerConfig(
        num_labels=19, id2label=dict(enumerate(CITYSCAPES19.classes)), decoder_hidden_size=32
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.SegformerForSemanticSegmentation(config).save_pretrained(tmp_path / hub_id)
    layout_trees.cityscapes(tmp_path / "cityscapes")
    drive(tmp_path / "drive.mp4")
    names: dict = {}
    exec(code.replace('"/data/cityscapes"', repr(str(tmp_path / "cityscapes"))), names)
    assert names["answer"].label.shape == (64, 96)
    assert names["answer"].classes == CITYSCAPES19.classes
    assert names["adapter"].state().frames == 3
    assert names["adapter"].state().updates >= 1  # the source is measured, and weights may move
    assert (tmp_path / "adapted.safetensors").is_file()
    assert names["plain"].classes == CITYSCAPES19.classes
