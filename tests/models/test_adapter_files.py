"""Files of adapters alone: what they hold, and where they are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from adapter_cases import CASES, adapted, spec_of, wake
from networks import network, picture
from safetensors.torch import load_file, save_file

from driftseg.errors import InputError
from driftseg.models.adapters import (
    adapter_spec,
    attach,
    base_digest,
    detach_adapters,
    load_adapters,
    read_adapter_info,
    save_adapters,
)
from driftseg.models.checkpoints import inspect, load_checkpoint, load_weights, save_checkpoint
from driftseg.models.encoders.sites import adapter_names
from driftseg.models.segmenter import Segmenter, build_segmenter


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "adapters.safetensors"


def written(path: Path, *case: str, **changes: object) -> Segmenter:
    model = adapted(*(case or ("mit_b0", "adaptformer", "block")), **changes)  # type: ignore
    wake(model)
    save_adapters(path, model, encoder=case[0] if case else "mit_b0")
    return model


@pytest.mark.parametrize("case", CASES)
def test_a_file_restores_the_network_on_its_base(case, path: Path) -> None:
    model = written(path, *case, stages=[2, 3])
    assert set(load_file(path)) == set(adapter_names(model))
    plain = network(case[0])
    info = load_adapters(path, plain)
    assert plain.adapters == model.adapters == info.spec
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, plain.state_dict()[name])
    with torch.no_grad():
        assert torch.equal(plain(picture()), model(picture()))


def test_the_facts_of_a_file(path: Path) -> None:
    model = written(path)
    info = read_adapter_info(path)
    assert info.encoder == "mit_b0"
    assert info.adapters == {
        "kind": "adaptformer", "where": "block", "stages": [1, 2, 3, 4], "width": 8, "ratio": None,
        "dropout": 0.1, "scale": 0.1, "learnable_scale": True,
    }  # fmt: skip
    assert info.base == "encoder"
    assert info.base_digest == base_digest(network()) == base_digest(model)
    assert not list(path.parent.glob(".*"))


def test_a_file_is_small(path: Path) -> None:
    model = network()
    attach(model, adapter_spec("adaptformer", ratio=1 / 4), torch.Generator())
    save_adapters(path, model, encoder="mit_b0")
    assert 100_000 < path.stat().st_size < 700_000


def test_inspection(path: Path) -> None:
    """Also of a file that names nothing of the first stage."""
    model = written(path, "mit_b0", "convpass", "block", stages=[2, 3])
    found = inspect(path)
    assert (found.layout, found.encoder, found.classes) == (
        "driftseg, adapters alone", "mit_b0", None
    )  # fmt: skip
    numbers = sum(model.get_parameter(name).numel() for name in adapter_names(model))
    assert list(found.parameters) == ["encoder.stage2", "encoder.stage3"]
    assert sum(found.parameters.values()) == numbers
    assert found.metadata["kind"] == "convpass"
    assert base_digest(network()) in found.metadata["belongs to"]


def test_adapters_that_are_there_are_filled(path: Path) -> None:
    model = written(path)
    other = adapted("mit_b0", "adaptformer", "block", dropout=0.0)  # a setting of training
    load_adapters(path, other)
    with torch.no_grad():
        assert torch.equal(other(picture()), model(picture()))


def test_heads_may_differ_unless_the_whole_network_is_meant(path: Path) -> None:
    model = written(path)
    whole = path.with_name("whole.safetensors")
    save_adapters(whole, model, encoder="mit_b0", base="network")
    load_adapters(whole, network())
    other = network()
    with torch.no_grad():
        other.head.classifier.bias.add_(1)
    with pytest.raises(
        InputError,
        match=r"expected adapters of this network \(digest \w+\), got adapters of another",
    ):
        load_adapters(whole, other)
    assert other.adapters is None
    load_adapters(path, other)


class TestRefusals:
    def refuse(self, path: Path, model: Segmenter, message: str) -> None:
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        with pytest.raises(InputError, match=message) as caught:
            load_adapters(path, model)
        assert "\n" not in str(caught.value)
        after = model.state_dict()
        assert list(after) == list(before)
        assert all(torch.equal(after[name], before[name]) for name in before)

    def test_another_base(self, path: Path) -> None:
        written(path)
        digest = base_digest(network())
        self.refuse(path, network(seed=1), f"adapters of another .digest {digest}.*load the")
        self.refuse(
            path,
            adapted("mit_b0", "adaptformer", "block", seed=1),
            r"expected adapters of this encoder \(digest \w+\), got adapters of another",
        )

    def test_other_running_statistics(self, path: Path) -> None:
        """They are part of what a frozen encoder computes."""
        case = ("efficientnet_lite0", "convolution", "block")
        written(path, *case)
        moved = network(case[0])
        name = next(n for n, _ in moved.named_buffers() if n.endswith("running_mean"))
        assert name.startswith("encoder.")
        moved.get_buffer(name)[0] += 0.5
        self.refuse(
            path,
            moved,
            r"expected adapters of this encoder \(digest \w+\), got adapters of another",
        )

    def test_another_architecture(self, path: Path) -> None:
        written(path)
        message = (
            "expected adapters of this network's encoder efficientnet_lite0, got adapters of mit_b0"
        )
        self.refuse(path, network("efficientnet_lite0"), message)

    def test_other_kind_or_place(self, path: Path) -> None:
        written(path)
        message = (
            "expected the adapters of the config, got kind adaptformer, not "
            r"lora.*change the config, or name another"
        )
        self.refuse(path, adapted("mit_b0", "lora", "block"), message)
        stages = r"expected the adapters of the config, got stages \[1, 2, 3, 4\], not \[1\]"
        self.refuse(path, adapted("mit_b0", "adaptformer", "block", stages=[1]), stages)
        self.refuse(path, adapted("mit_b0", "adaptformer", "block", width=9),
                    "expected the adapters of the config, got width 8, not 9")  # fmt: skip
        written(path, "mit_b0", "bottleneck", "stage")
        self.refuse(path, adapted("mit_b0", "bottleneck", "block"),
                    "expected the adapters of the config, got where stage, not block")  # fmt: skip

    def test_damage(self, path: Path) -> None:
        written(path)
        info = json.loads(_metadata(path))
        tensors = load_file(path)
        tensors[next(iter(tensors))] += 1
        save_file(tensors, path, {"driftseg_adapters": json.dumps(info)})
        self.refuse(
            path,
            network(),
            "expected the tensors that were written, got others: the file is damaged",
        )
        save_file(tensors, path, {"driftseg_adapters": json.dumps({**info, "format_version": 99})})
        self.refuse(
            path,
            network(),
            r"expected adapter format 1 or earlier, got 99.*install a "
            "later driftseg",
        )
        save_file(tensors, path, {"driftseg_adapters": "{}"})
        self.refuse(
            path,
            network(),
            "expected readable driftseg metadata, got an error "
            r"\('format_version'\)",
        )
        path.write_bytes(path.read_bytes()[:1000])
        self.refuse(
            path,
            network(),
            "expected a readable checkpoint, got a truncated or "
            r"corrupt file, or another file \(Error while "
            "deserializing",
        )

    def test_facts_that_are_not_those_of_the_tensors(self, path: Path) -> None:
        """The digest knows nothing of them, and the network must not keep fresh adapters."""
        written(path)
        info, tensors = json.loads(_metadata(path)), load_file(path)
        for change, message in (
            (
                {"width": 9},
                r"expected encoder\.stages\.0\.blocks\.0\.feed_forward_adapter\.down\.weight "
                r"of shape \(9, 32\), got \(8, 32\)",
            ),
            ({"stages": [1]}, "expected exactly the adapters that the file names, got others"),
        ):
            facts = {**info, "adapters": {**info["adapters"], **change}}
            save_file(tensors, path, {"driftseg_adapters": json.dumps(facts)})
            model = network()
            self.refuse(path, model, message)
            assert model.adapters is None
            assert [type(m) for m in model.modules()] == [type(m) for m in network().modules()]

    def test_other_files(self, path: Path) -> None:
        self.refuse(path, network(), "expected a checkpoint file, got a path where there is none")
        save_file({"a": torch.ones(2)}, path)
        self.refuse(
            path, network(), "expected a file of adapters that driftseg wrote, got another file"
        )
        written(path)
        with pytest.raises(
            InputError,
            match=r"expected a checkpoint, got adapters alone.*name "
            r"it as adapters\.file",
        ):
            load_checkpoint(path)

    def test_a_path_may_be_text(self, path: Path) -> None:
        model = adapted("mit_b0", "lora", "block")
        save_adapters(str(path), model, encoder="mit_b0")
        assert load_adapters(str(path), model).encoder == "mit_b0"

    def test_what_cannot_be_written(self, path: Path) -> None:
        with pytest.raises(InputError, match=r"expected a \.safetensors file for adapters, got"):
            save_adapters(path.with_suffix(".pt"), adapted("mit_b0", "lora", "block"),
                          encoder="mit_b0")  # fmt: skip
        with pytest.raises(ValueError, match="expected a network with adapters, got one without"):
            save_adapters(path, network(), encoder="mit_b0")
        with pytest.raises(ValueError, match="expected the encoder mit_b1, got mit_b0"):
            save_adapters(path, adapted("mit_b0", "lora", "block"), encoder="mit_b1")


@pytest.mark.parametrize("kind", ["lora", "adaptformer"])
def test_weights_are_loaded_around_adapters(kind: str, tmp_path: Path) -> None:
    """A network that has adapters already can be given its base; they stay as they are."""
    source = build_segmenter("mit_b0", classes=2, head_width=16).eval()
    save_checkpoint(tmp_path / "m.safetensors", source, encoder="mit_b0", head_width=16,
                    label_space="two", classes=("a", "b"))  # fmt: skip
    model = build_segmenter("mit_b0", classes=2, head_width=16).eval()
    attach(model, spec_of(kind, "block"), torch.Generator().manual_seed(1))
    wake(model)
    own = {name: model.get_parameter(name).clone() for name in adapter_names(model)}
    report = load_weights(model, tmp_path / "m.safetensors")
    assert set(report.matched).isdisjoint(own)
    assert report.random == []
    assert all(torch.equal(model.get_parameter(name), value) for name, value in own.items())
    assert base_digest(model, "network") == base_digest(source, "network")


def test_a_checkpoint_and_its_adapter_file_make_the_network(tmp_path: Path) -> None:
    """The base in a checkpoint, its adapters beside it."""
    model = build_segmenter("mit_b0", classes=2, head_width=16).eval()
    attach(model, spec_of("adaptformer", "block"), torch.Generator().manual_seed(1))
    wake(model)
    with pytest.raises(
        ValueError, match="expected a model without adapters, got one with adapters"
    ):
        save_checkpoint(tmp_path / "m.safetensors", model, encoder="mit_b0", head_width=16,
                        label_space="two", classes=("a", "b"))  # fmt: skip
    save_checkpoint(tmp_path / "m.safetensors", detach_adapters(model), encoder="mit_b0",
                    head_width=16, label_space="two", classes=("a", "b"))  # fmt: skip
    save_adapters(tmp_path / "a.safetensors", model, encoder="mit_b0")
    again, _ = load_checkpoint(tmp_path / "m.safetensors")
    load_adapters(tmp_path / "a.safetensors", again)
    with torch.no_grad():
        assert torch.equal(again(picture()), model(picture()))


def _metadata(path: Path) -> str:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return file.metadata()["driftseg_adapters"]
