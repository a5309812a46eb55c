"""Config hashes name runs, so they stay what they are whatever moves in the code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from driftseg.config.reading import read_config
from driftseg.config.run import RunConfig
from driftseg.config.train import TrainConfig
from driftseg.runs.record import config_hash

ROOT = Path(__file__).parents[2]
PINNED = json.loads(Path(__file__).with_name("pinned_hashes.json").read_text())


@pytest.mark.parametrize("name", PINNED["examples"])
def test_the_hash_of_every_example_stays(name: str) -> None:
    path = ROOT / "examples" / name
    kind = TrainConfig if "steps" in yaml.safe_load(path.read_text()) else RunConfig
    config = read_config(path, kind, data=Path("camvid"))
    assert config_hash(config.model_dump(mode="json")) == PINNED["examples"][name]


@pytest.mark.parametrize("name", PINNED["changed"])
def test_the_hash_of_every_kind_of_part_stays(name: str) -> None:
    changes, pinned = PINNED["changed"][name]
    path = ROOT / "examples" / "camvid_dusk.yaml"
    config = read_config(path, RunConfig, changes=changes, data=Path("camvid"))
    assert config_hash(config.model_dump(mode="json")) == pinned
