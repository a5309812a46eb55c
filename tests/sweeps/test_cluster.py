"""Sweeps on a cluster of two nodes, whose processes the test owns."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml
from ray_sweeps import TOKEN, cluster, command, ended, free_port, wait_until, write_sweep

from commands import driftseg

pytest.importorskip("ray")


def test_a_cluster_that_is_not_there_is_one_line(tiny_checkpoint: Path, tmp_path: Path) -> None:
    file = write_sweep(tmp_path, tiny_checkpoint, grid={"seed": [0]})
    started = time.monotonic()
    done = driftseg(tmp_path, "sweep", file, "--address", f"127.0.0.1:{free_port()}")
    assert time.monotonic() - started < 60
    assert done.returncode == 2
    assert "expected a cluster of Ray, got no answer" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "sweeps").exists()


@pytest.mark.slow
@pytest.mark.parametrize("sync", [False, True])
def test_two_nodes_with_folders_of_their_own(
    tiny_checkpoint: Path, tmp_path: Path, sync: bool
) -> None:
    """Each node keeps its part of the runs; all files end in the sweep's folder."""
    folders = [tmp_path / name for name in ("here", "there", "driver")]
    for folder in folders:
        folder.mkdir()
    file = write_sweep(
        folders[2], tiny_checkpoint, frames=25,
        grid={"method.name": ["dacs", "replay_only"], "seed": [0, 1]}, sync=sync, sync_every=1.0,
    )  # fmt: skip
    with cluster(*folders[:2]) as (address, _):
        process = command("sweep", file, "--address", address, cwd=folders[2], **TOKEN)
        code, text = ended(process, 400)
    assert code == 0, text
    sweep = folders[2] / "sweeps" / "mine"
    parts = [
        part
        for path in sweep.glob("runs/*/status.json")
        for part in json.loads(path.read_text())["parts"]
    ]
    assert len(parts) == 4
    worked = {Path(part["folder"]).name for part in parts}
    assert worked == ({"here", "there"} if sync else {"driver"})
    for run in sweep.glob("runs/*"):
        assert len((run / "frames.jsonl").read_text().splitlines()) == 50
        out = Path(yaml.safe_load((run / "config.yaml").read_text())["out"])
        assert (sweep in out.parents) is not sync
    left = [path for folder in folders[:2] for path in folder.rglob("frames.jsonl")]
    assert not left


@pytest.mark.slow
def test_a_lost_node_s_run_continues_on_the_other(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("here", "there", "driver")]
    for folder in folders:
        folder.mkdir()
    file = write_sweep(
        folders[2], tiny_checkpoint, frames=60, grid={"seed": [0, 1]}, sync=True, sync_every=0.5,
    )  # fmt: skip
    sweep = folders[2] / "sweeps" / "mine"

    def on_the_second() -> Path | None:
        for path in sweep.glob("runs/*/status.json"):
            status = json.loads(path.read_text())
            far = any((path.parent / "checkpoints").glob("*.safetensors"))
            if Path(status["parts"][0]["folder"]).name == "there" and far:
                return path
        return None

    with cluster(*folders[:2]) as (address, nodes):
        process = command("sweep", file, "--address", address, cwd=folders[2], **TOKEN)
        path = wait_until(on_the_second)
        nodes[1].kill()
        code, text = ended(process, 500)
    assert code == 0, text
    parts = json.loads(path.read_text())["parts"]
    assert [Path(part["folder"]).name for part in parts] == ["there", "here"]
    assert parts[1]["from_frame"] > 0
