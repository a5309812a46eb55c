"""Whole runs with adapters."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from whole_runs import METHOD_SETTINGS, play

from driftseg.config.reading import check
from driftseg.config.run import RunConfig
from driftseg.errors import InputError
from driftseg.models.adapters import base_digest, load_adapters, read_adapter_info
from driftseg.models.checkpoints import load_checkpoint
from driftseg.models.encoders.sites import adapter_names, silent_values
from driftseg.runs.build import build

ADAPTERS = {"kind": "adaptformer", "ratio": 0.25}
TRAIN = ["adapters", "head"]
METHODS = {
    "dacs": {"name": "dacs", "train": TRAIN, "learning_rate": 1e-3},
    "hamlet": {**METHOD_SETTINGS["hamlet"], "train": TRAIN, "learning_rates": [1e-3, 1e-3]},
}


@pytest.mark.parametrize("name", METHODS)
def test_adapters_and_head_learn_and_are_kept_apart(name: str, tiny_run, tiny_checkpoint) -> None:
    values = {**tiny_run, "adapters": ADAPTERS, "method": METHODS[name]}
    done = play(values, keep_checkpoint=True)
    assert any(row["trained"] for row in done.frames)
    note = "4 adaptformer adapters with 3168 parameters in stages 1, 2, 3, 4, doing nothing"
    assert any(note in told for told in done.environment["notes"])
    folder = done.path / "checkpoints"
    assert {p.name for p in folder.iterdir()} == {
        "adapters.safetensors", "last.safetensors", "last.json"
    }  # fmt: skip
    base, _ = load_checkpoint(tiny_checkpoint)
    kept, info = load_checkpoint(folder / "last.safetensors")
    assert info.extra["adapted_from"] == done.environment["weights_digest"]
    assert base_digest(kept) == base_digest(base)
    assert not torch.equal(kept.head.fuse.weight, base.head.fuse.weight)
    adapters = load_adapters(folder / "adapters.safetensors", kept)
    assert adapters.extra["adapted_from"] == done.environment["weights_digest"]
    assert any(kept.get_parameter(name).any() for name in silent_values(kept))

    again = {**values, "adapters": {**ADAPTERS, "file": str(folder / "adapters.safetensors")},
             "checkpoint": str(folder / "last.safetensors")}  # fmt: skip
    parts = build(check(again, RunConfig, where="test"))
    for key, tensor in kept.state_dict().items():
        assert torch.equal(parts.model.roles.network.state_dict()[key], tensor)
    assert any("from " in note and adapters.digest in note for note in parts.notes)
    assert read_adapter_info(folder / "adapters.safetensors").spec == adapters.spec


def test_before_the_first_frame_adapters_are_the_source_model(tiny_run) -> None:
    def first(values) -> list:
        return [row["iou"] for row in play(values).evaluations[:4]]

    tiny_run["schedule"] = [
        {"name": "clear", "frames": 1},
        {"name": "wet", "rain": 100, "frames": 1},
    ]
    plain = {**tiny_run, "method": {"name": "source_only"}}
    assert first({**tiny_run, "adapters": ADAPTERS, "method": METHODS["dacs"]}) == first(plain)


@pytest.mark.parametrize("name", ["dacs", "restyled_replay"])
def test_adapters_learn_as_fast_as_their_factor_says(name: str, tiny_run) -> None:
    values = {**tiny_run, "adapters": {**ADAPTERS, "factor": 3.0},
              "method": {"name": name, "train": TRAIN, "head_factor": 7.0, "learning_rate": 1e-3,
                         "weight_decay": 0.25}}  # fmt: skip
    method = build(check(values, RunConfig, where="test")).model
    optimiser = method.learner.optimiser
    group_of = {id(p): group for group in optimiser.param_groups for p in group["params"]}
    model = method.roles.network
    for parameter in map(model.get_parameter, adapter_names(model)):
        assert group_of[id(parameter)]["factor"] == 3.0
        assert group_of[id(parameter)]["weight_decay"] == 0.25
    assert group_of[id(model.head.fuse.weight)]["factor"] == 7.0


def test_adapters_begin_as_the_seed_says(tiny_run) -> None:
    def begin(seed: int) -> torch.Tensor:
        values = {**tiny_run, "adapters": ADAPTERS, "method": METHODS["dacs"], "seed": seed}
        model = build(check(values, RunConfig, where="test")).model.roles.network
        return torch.cat([model.get_parameter(name).flatten() for name in adapter_names(model)])

    assert torch.equal(begin(0), begin(0))
    assert not torch.equal(begin(0), begin(1))


def test_stages_of_the_encoder_hold_their_adapters(tiny_run) -> None:
    values = {**tiny_run, "adapters": {"kind": "lora", "stages": [4]},
              "method": {"name": "dacs", "train": ["encoder.stage4", "head"]}}  # fmt: skip
    roles = build(check(values, RunConfig, where="test")).model.roles
    assert set(silent_values(roles.network)) <= set(roles.trainable)


class TestBadInput:
    def refuse(self, values: dict, message: str, **changes) -> None:
        with pytest.raises(InputError, match=message) as caught:
            play(values, **changes)
        assert "\n" not in str(caught.value)
        out = Path(values["out"])
        assert not out.exists() or list(out.iterdir()) == []

    def test_trained_but_not_there(self, tiny_run) -> None:
        self.refuse(tiny_run, r"method\.train: expected adapters in the model, got none.*set "
r"adapters\.kind",
                    method=METHODS["dacs"])  # fmt: skip

    @pytest.mark.parametrize(
        "method",
        [
            {"name": "dacs", "train": ["head"]},
            {"name": "dacs", "train": ["encoder.stage1"]},
            {"name": "tent"},
            {"name": "source_only"},
        ],
    )
    def test_there_but_not_trained(self, method: dict, tiny_run) -> None:
        message = (
            f"expected a method that trains them, .*, got {method['name']}. To fix: add adapters to"
        )
        self.refuse(tiny_run, message, method=method, adapters={**ADAPTERS, "stages": [2]})

    def test_there_and_trained_in_part(self, tiny_run) -> None:
        self.refuse(tiny_run, r"adapters: expected stages that method\.train names, got stages "
"4, which would not learn",
                    method={"name": "dacs", "train": ["encoder.stage3", "head"]},
                    adapters={**ADAPTERS, "stages": [3, 4]})  # fmt: skip

    def test_settings_of_another_kind(self, tiny_run) -> None:
        self.refuse(tiny_run, r"adapters: expected settings of lora \(rank, alpha, targets, "
r"dropout\), got ratio",
                    method=METHODS["dacs"], adapters={"kind": "lora", "ratio": 0.5})  # fmt: skip
        self.refuse(tiny_run, "adapters.rnk.*rank", method=METHODS["dacs"],
                    adapters={"kind": "lora", "rnk": 4})  # fmt: skip
        self.refuse(tiny_run, "adapters.kind", method=METHODS["dacs"], adapters={"kind": "prefix"})

    def test_no_place_in_the_encoder(self, tiny_run) -> None:
        self.refuse(tiny_run, "adapters: expected a kind that fits stage 1 of this encoder, "
r"got convolution per block.*adaptformer",
                    method=METHODS["dacs"], adapters={"kind": "convolution"})  # fmt: skip

    def test_a_file_that_is_not_there(self, tiny_run) -> None:
        self.refuse(tiny_run, r"gone\.safetensors: expected a checkpoint file, got a path "
"where there is none", method=METHODS["dacs"],
                    adapters={**ADAPTERS, "file": "gone.safetensors"})  # fmt: skip
