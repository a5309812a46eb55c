"""What was exported predicts on a drive as torch does."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from exported_networks import CLASSES
from PIL import Image as PillowImage

import driftseg
from commands import driftseg as called
from driftseg import InputError
from driftseg.cli.main import entry
from foreign_models import foreign

SIZE = (96, 64)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as m.onnx and m.xml, and a folder of frames."""
    folder = tmp_path_factory.mktemp("made")
    model = driftseg.load_model(foreign("plain"), classes=CLASSES)
    driftseg.export(model, "onnx", folder / "m.onnx")
    driftseg.export(model, "openvino", folder / "m.xml")
    (folder / "in").mkdir()
    town = driftseg.load_dataset("town", seed=2, frames=3, every=9, size=SIZE)
    for number in range(3):
        PillowImage.fromarray(town.scene(number).image).save(folder / "in" / f"{number}.png")
    return folder


def kept(folder: Path) -> list[np.ndarray]:
    paths = sorted((folder / "labels").glob("*.png"))
    return [np.asarray(PillowImage.open(path)) for path in paths]


@pytest.mark.parametrize(
    ("file", "backend"),
    [("m.onnx", None), ("m.onnx", "onnxruntime"), ("m.onnx", "openvino"), ("m.xml", "openvino")],
)
def test_labels_are_those_of_torch(
    made: Path, tmp_path: Path, file: str, backend: str | None
) -> None:
    model = driftseg.load_model(foreign("plain"), classes=CLASSES)
    driftseg.drive(made / "in", model, learn=False, out=tmp_path / "torch", save=["labels"])
    done = driftseg.drive(
        made / "in", made / file, learn=False, backend=backend, out=tmp_path / "other",
        save=["labels", "overlays"],
    )  # fmt: skip
    assert done.saved == {"labels": 3, "overlays": 3, "lines": 3}
    wanted, found = kept(tmp_path / "torch"), kept(tmp_path / "other")
    assert len({int(one) for label in wanted for one in np.unique(label)}) > 2
    assert all(np.array_equal(one, other) for one, other in zip(wanted, found, strict=True))
    told = json.loads((tmp_path / "other" / "drive.json").read_text())
    assert told["backend"] == (backend or "onnxruntime")
    assert told["classes"] == json.loads((tmp_path / "torch" / "drive.json").read_text())["classes"]


def test_an_answer_holds_the_same(made: Path) -> None:
    image = np.array(PillowImage.open(made / "in" / "0.png"))
    adapter = driftseg.adapt(driftseg.load_model(foreign("plain"), classes=CLASSES), "source_only")
    wanted = adapter.predict(image)
    for backend in ("onnxruntime", "openvino"):
        exported = driftseg.load_exported(made / "m.onnx", backend=backend)
        (found,) = exported.predict([image])
        assert found.classes == CLASSES
        assert exported.colours == adapter.model.colours
        assert found.mean_confidence == pytest.approx(wanted.mean_confidence, abs=1e-5)
        assert found.entropy == pytest.approx(wanted.entropy, abs=1e-5)
        assert np.abs(found.confidence - wanted.confidence).max() < 1e-5


def test_the_command_predicts(made: Path, tmp_path: Path) -> None:
    done = called(
        tmp_path, "predict", str(made / "in"), "--checkpoint", str(made / "m.xml"), "--backend",
        "openvino", "--out", "out", "--save", "labels", "--threads", "1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "written to out: 3 labels, 3 lines" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["adapt", "IN", "--checkpoint", "M.onnx"], "model that can learn, got an exported"),
        (["predict", "IN", "--checkpoint", "M.onnx", "--backend", "tensorrt"],
         "error: backend: expected one of onnxruntime, openvino, got 'tensorrt'"),
        (["predict", "IN", "--checkpoint", "M.xml", "--backend", "onnxruntime"],
         "error: backend: expected one of openvino for"),
        (["predict", "IN", "--checkpoint", "gone.onnx"], "error: gone.onnx: expected an "
"exported model, got a path where "
"there is none"),
        (["predict", "IN", "--checkpoint", "m.pt2"], "load this one by torch.export.load"),
        (["predict", "IN", "--backend", "openvino", "--checkpoint", "m.safetensors"],
         "error: backend: expected an exported model, .onnx or .xml, for openvino, got "
"m.safetensors"),
        (["export", "gone.safetensors", "--to", "onnx"], "gone.safetensors"),
    ],
)  # fmt: skip
def test_mistakes_end_with_one_line_and_code_2(
    made: Path, tmp_path: Path, arguments: list[str], told: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    places = {"IN": str(made / "in"), "M.onnx": str(made / "m.onnx"), "M.xml": str(made / "m.xml")}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["driftseg", *(places.get(w, w) for w in arguments)])
    with pytest.raises(SystemExit) as ended:
        entry()
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert told in printed
    assert len(printed.splitlines()) == 1


@pytest.mark.parametrize("suffix", ["onnx", "xml"])
def test_files_of_others_and_damaged_ones_are_refused(tmp_path: Path, suffix: str) -> None:
    import onnx
    from onnx import TensorProto, helper

    path = tmp_path / f"other.{suffix}"
    path.write_bytes(b"nothing of the kind")
    if suffix == "xml":
        with pytest.raises(InputError, match="got a path where there is none"):
            driftseg.load_exported(path)
        path.with_suffix(".bin").touch()
    with pytest.raises(
        InputError,
        match=r"expected .*, got .*\. To fix: export or copy it again",
    ):
        driftseg.load_exported(path)
    if suffix == "onnx":
        value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in ("a", "b")]
        node = helper.make_node("Identity", ["a"], ["b"])
        graph = helper.make_graph([node], "g", value[:1], value[1:])
        onnx.save(helper.make_model(graph), str(path))
        with pytest.raises(
            InputError, match="expected a model that driftseg exported, got another file"
        ):
            driftseg.load_exported(path)


def test_what_learnt_leaves_as_it_has_learnt(made: Path, tmp_path: Path) -> None:
    adapter = driftseg.adapt(
        driftseg.load_model(foreign("plain"), classes=CLASSES), "tent", learning_rate=0.1
    )
    image = np.array(PillowImage.open(made / "in" / "0.png"))
    for _ in range(3):
        adapter.predict(image)
        adapter.learn()
    for given in (adapter, adapter.merge()):
        path = driftseg.export(given, "onnx", tmp_path / f"{type(given).__name__}.onnx").path
        found = driftseg.load_exported(path).predict(image)
        assert np.array_equal(found.label, adapter.predict(image).label)
        source = driftseg.load_exported(made / "m.onnx").predict(image)
        assert abs(found.entropy - source.entropy) > 1e-3
    assert torch.is_grad_enabled()
