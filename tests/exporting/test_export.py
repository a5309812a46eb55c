"""Graphs that leave answer as the model, for every size and batch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from exported_networks import CLASSES, Bessel, Decides, FourFold, Sided, tiny_mit, tiny_net
from torch import nn

import driftseg
from driftseg import InputError
from driftseg.models.adapters import adapter_spec, attach
from driftseg.models.adapters.spec import LINEAR
from driftseg.models.encoders.sites import adapters_of
from driftseg.models.segmenter import build_segmenter
from foreign_models import foreign
from tiny_networks import build

SHAPES = [(1, 64, 96), (3, 97, 131), (2, 160, 75), (1, 250, 250)]


def images(batch: int, height: int, width: int, seed: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (batch, 3, height, width), generator=generator).float()


def model_of(name: str) -> driftseg.Model:
    if name == "mit":
        return driftseg.load_model(tiny_mit(), classes=CLASSES)
    if name == "plain":
        return driftseg.load_model(foreign("plain"), classes=CLASSES)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if name == "swin":
            network = build("tiny_swin", classes=5, head_width=16)
        else:
            network = build_segmenter(name, classes=5, head_width=16)
    return driftseg.load_model(network.eval(), classes=CLASSES)


@torch.no_grad()
def logits(model: driftseg.Model, given: torch.Tensor) -> np.ndarray:
    network = model.network
    return network.logits(network.levels(network.start(given / 255), {}), {}).numpy()


def assert_answers(model: driftseg.Model, path: Path, shapes=SHAPES) -> None:
    """By onnxruntime itself, not through driftseg."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for shape in shapes:
        given = images(*shape)
        wanted = logits(model, given)
        (found,) = session.run(["logits"], {"images": given.numpy()})
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()


def test_onnx_answers_as_torch(tmp_path: Path) -> None:
    model = model_of("plain")
    done = driftseg.export(model, "onnx", tmp_path / "m.onnx")
    assert done.difference <= 1e-4
    assert done.bytes == done.path.stat().st_size
    assert_answers(model, done.path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["swin", "efficientnet_lite0", "mit_b0", "mit"])
def test_every_encoder_leaves_for_every_target(name: str, tmp_path: Path) -> None:
    model = model_of(name)
    assert_answers(model, driftseg.export(model, "onnx", tmp_path / "m.onnx").path)
    for target, suffix in (("openvino", "xml"), ("torch_export", "pt2")):
        assert driftseg.export(model, target, tmp_path / f"m.{suffix}").difference <= 1e-4


@pytest.mark.parametrize(
    "kind",
    [*(pytest.param(kind, marks=pytest.mark.slow) for kind in (*LINEAR, "adaptformer")),
     "convolution"],
)  # fmt: skip
def test_adapters_leave_with_the_model(kind: str, tmp_path: Path) -> None:
    """A transformer takes its time; a few convolutions have adapters in the graph as well."""
    network = tiny_net() if kind == "convolution" else tiny_mit()
    options = {"where": "stage"} if kind == "convolution" else {}
    options |= {"rank": 2} if kind in LINEAR else {"width": 4}
    attach(network, adapter_spec(kind, **options), torch.Generator().manual_seed(0))
    before = logits(driftseg.load_model(network), images(1, 64, 96))
    with torch.no_grad():
        for _, adapter in adapters_of(network):
            for parameter in adapter.parameters():
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=GENERATOR))
    model = driftseg.load_model(network, classes=CLASSES)
    assert np.abs(logits(model, images(1, 64, 96)) - before).max() > 0.1
    path = driftseg.export(model, "onnx", tmp_path / "m.onnx").path
    assert_answers(model, path, SHAPES[:2])
    told = facts_of(path)["adapters"]
    left = {"adaptformer": "AdaptFormer", "convolution": "Convolution"}.get(kind)
    assert told == (f"in the graph: {left}" if left else "merged into the weights")


GENERATOR = torch.Generator().manual_seed(3)


def facts_of(path: Path) -> dict[str, str]:
    import onnx

    props = onnx.load(str(path)).metadata_props
    return {prop.key.removeprefix("driftseg."): prop.value for prop in props}


def test_a_file_says_what_it_takes(tmp_path: Path) -> None:
    import onnx

    path = driftseg.export(model_of("plain"), "onnx", tmp_path / "m.onnx").path
    facts = facts_of(path)
    assert json.loads(facts["classes"]) == [*CLASSES]
    assert json.loads(facts["mean"]) == pytest.approx([0.485, 0.456, 0.406], abs=1e-6)
    assert json.loads(facts["std"]) == pytest.approx([0.229, 0.224, 0.225], abs=1e-6)
    assert (facts["size"], facts["size_multiple"], facts["adapters"]) == ("any", "1", "none")
    assert facts["driftseg_version"] == driftseg.__version__
    assert facts["licence"].startswith("unknown")
    graph = onnx.load(str(path)).graph
    shapes = [
        [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    ]
    assert shapes == [["batch", 3, "height", "width"],
                      ["batch", 5, "logits_height", "logits_width"]]  # fmt: skip
    text = path.read_bytes()
    assert str(Path(driftseg.__file__).parent).encode() not in text
    assert b"foreign_models" not in text


def test_torch_export_is_read_where_driftseg_is_not(tmp_path: Path) -> None:
    model = model_of("plain")
    path = driftseg.export(model, "torch_export", tmp_path / "m.pt2").path
    given = [images(*shape) for shape in SHAPES]
    torch.save((given, [logits(model, one) for one in given]), tmp_path / "pair.pt")
    code = """
import json, sys, torch
more = {"driftseg.json": ""}
module = torch.export.load(sys.argv[1], extra_files=more).module()
given, wanted = torch.load(sys.argv[2], weights_only=False)
for images, logits in zip(given, wanted):
    with torch.no_grad():
        assert abs(module(images).numpy() - logits).max() <= 1e-5 * abs(logits).max()
assert not any(name.split(".")[0] == "driftseg" for name in sys.modules)
print(json.loads(more["driftseg.json"])["classes"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(tmp_path / "pair.pt")],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [*CLASSES]


def test_a_model_that_wants_multiples_says_so(tmp_path: Path) -> None:
    model = driftseg.load_model(FourFold())
    path = driftseg.export(model, "onnx", tmp_path / "m.onnx").path
    assert facts_of(path)["size_multiple"] == "4"
    assert_answers(model, path, [(1, 64, 96), (3, 100, 132)])
    exported = driftseg.load_exported(path)
    with pytest.raises(
        InputError, match="image: expected sides that are multiples of 4 pixels, got 30x64"
    ):
        exported.predict(np.zeros((64, 30, 3), np.uint8))


def test_one_size_alone(tmp_path: Path) -> None:
    model = driftseg.load_model(Sided())
    path = driftseg.export(model, "onnx", tmp_path / "m.onnx", size=(64, 96)).path
    assert_answers(model, path, [(1, 96, 64), (3, 96, 64)])
    with pytest.raises(
        InputError,
        match="image: expected 64x96, the size of the exported "
        r"model, got 96x64.*images",
    ):
        driftseg.load_exported(path).predict(np.zeros((64, 96, 3), np.uint8))


@pytest.mark.parametrize(
    ("module", "target", "told"),
    [
        (Decides, "onnx", ["in layer choice (_Choice)", "data-dependent"]),
        (Bessel, "onnx", ["bessel_j0", "in layer odd (_Odd)", "torch_export"]),
        (
            Sided,
            "torch_export",
            [
                "expected logits in torch.export within 0.001 of torch, for "
                "images of shape (3, 3, 96, 64), got a difference",
                "(3, 3, 96, 64)",
                "nothing is written",
            ],
        ),
    ],
)
def test_what_cannot_leave_is_refused(
    module: type[nn.Module], target: str, told: list[str], tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / ("m.onnx" if target == "onnx" else "m.pt2")
    with pytest.raises(InputError) as caught:
        driftseg.export(driftseg.load_model(module()), target, out)
    text = str(caught.value)
    assert "\n" not in text
    for words in told:
        assert words in text
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("to", "out", "told"),
    [
        (
            "tflite",
            "m.tflite",
            "to: expected one of onnx, openvino, torch_export, huggingface, got 'tflite'",
        ),
        ("onnx", "m.pt2", r"expected a file that ends in \.onnx for onnx, got "),
        (
            "onnx",
            "there.onnx",
            r"a path where there is no file, got .*there\.onnx\. .*name another",
        ),
        ("openvino", "there.xml", r"a path where there is no file, got .*there\.bin\. "),
        ("huggingface", "m.safetensors", "expected a folder for huggingface, got the file "),
        (
            "huggingface",
            "plain",
            "--to huggingface: expected a SegFormer (a MiT encoder and its all-MLP head.*Plain of",
        ),
    ],
)
def test_mistakes_are_told(to: str, out: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "there.onnx").touch()
    (tmp_path / "there.bin").touch()
    with pytest.raises(InputError, match=told.replace("(", r"\(")):
        driftseg.export(model_of("plain"), to, tmp_path / out)  # type: ignore[arg-type]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there.bin", "there.onnx"]


@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_a_missing_library_names_the_extra(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(
        InputError, match=rf"expected the library {missing}, got no .* pip install 'driftseg\[e"
    ):
        driftseg.export(model_of("plain"), "onnx", tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []
