"""Every method and encoder on a GPU beside the same on the CPU.

`make gpu` runs them with a table of times. DRIFTSEG_DEVICE=cpu tries the tests themselves where
there is no GPU: `DRIFTSEG_DEVICE=cpu pytest -m gpu tests/gpu`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import driftseg
from driftseg.labels import CAMVID11
from driftseg.models.checkpoints import save_checkpoint
from driftseg.models.encoders import ENCODERS
from driftseg.models.segmenter import build_segmenter

pytestmark = pytest.mark.gpu

DEVICE = os.environ.get("DRIFTSEG_DEVICE", "cuda")
SIZE = (128, 96)
DETECTOR = {"window": 2, "rise": 0.1, "fall": -0.1, "source_level": 1.0, "far_level": 2.0}
ADAPTERS = {"kind": "convolution", "where": "stage"}
RESTYLED = {"name": "restyled_replay", "train": ["adapters", "head"]}
METHODS: dict[str, dict] = {
    "source_only": {"method": "source_only"},
    "norm_statistics": {"method": "norm_statistics"},
    "tent": {"method": "tent"},
    "dacs": {"method": "dacs"},
    "hamlet": {"method": {"name": "hamlet", "compat": "published", "detector": {"window": 2}}},
    "replay_only": {"method": "replay_only"},
    "restyled_replay": {"method": "restyled_replay"},
    "restyled_replay, adapters": {"method": RESTYLED, "adapters": ADAPTERS},
    "lae": {"method": {"name": "lae", "learner": RESTYLED, "detector": DETECTOR},
            "adapters": ADAPTERS},
    "bank": {"method": {"name": "bank", "learner": RESTYLED, "detector": DETECTOR},
             "adapters": ADAPTERS},
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def _exact() -> Iterator[None]:
    """No TF32, so that differences are of rounding alone."""
    if DEVICE == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device; DRIFTSEG_DEVICE=cpu tries the tests themselves")
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def checkpoint(folder: Path, encoder: str) -> Path:
    path = folder / f"{encoder}.safetensors"
    if not path.exists():
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = build_segmenter(encoder, classes=11, head_width=32)
        save_checkpoint(path, model, encoder=encoder, head_width=32, label_space="camvid11",
                        classes=CAMVID11.classes)  # fmt: skip
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    town = driftseg.load_dataset("town", seed=7, frames=4, every=5, size=SIZE)
    return [town.scene(number).image for number in range(4)]


def adapter(path: Path, device: str, settings: dict):
    source = None
    if settings["method"] not in ("source_only", "norm_statistics", "tent"):
        source = driftseg.load_dataset("town", seed=1, frames=4, every=13, size=SIZE)
    model = driftseg.load_model(path, device=device)
    return driftseg.adapt(model, source=source, **settings)


def drive(made, images: list[np.ndarray]) -> list[np.ndarray]:
    """The probabilities of every frame, before learning from it."""
    found = []
    for image in images:
        found.append(made.predict(image).probabilities().astype(np.float32))
        made.learn()
    return found


def tensors_of(state: object) -> Iterator[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, dict):
        for value in state.values():
            yield from tensors_of(value)
    elif isinstance(state, list | tuple):
        for value in state:
            yield from tensors_of(value)


@pytest.mark.parametrize("encoder", list(ENCODERS))
def test_encoders_answer_alike(encoder: str, folder: Path, images: list[np.ndarray]) -> None:
    path = checkpoint(folder, encoder)
    settings = {"method": "source_only"}
    one, other = (drive(adapter(path, where, settings), images[:1]) for where in ("cpu", DEVICE))
    assert np.abs(one[0] - other[0]).max() < 2e-3  # in half precision


@pytest.mark.parametrize("encoder", ["mit_b0", "efficientnet_lite0"])
@pytest.mark.parametrize("name", METHODS)
def test_methods_learn_alike(
    name: str, encoder: str, folder: Path, images: list[np.ndarray]
) -> None:
    path = checkpoint(folder, encoder)
    one, other = (drive(adapter(path, where, METHODS[name]), images) for where in ("cpu", DEVICE))
    for number, (mine, theirs) in enumerate(zip(one, other, strict=True)):
        assert np.abs(mine - theirs).mean() < 5e-3, number
        assert (mine.argmax(0) == theirs.argmax(0)).mean() > 0.95, number


@pytest.mark.parametrize("name", METHODS)
def test_no_role_is_elsewhere(name: str, folder: Path, images: list[np.ndarray]) -> None:
    made = adapter(checkpoint(folder, "mit_b0"), DEVICE, METHODS[name])
    drive(made, images[:2])
    roles = made._adaptive.roles
    wanted = torch.device(DEVICE).type
    for role, overlay in roles.overlays.items():
        assert {tensor.device.type for tensor in tensors_of(dict(overlay))} <= {wanted}, role
    assert {tensor.device.type for tensor in roles.network.module.state_dict().values()} == {wanted}


@pytest.mark.parametrize("name", METHODS)
def test_resume(name: str, folder: Path, images: list[np.ndarray], tmp_path: Path) -> None:
    """Saved on the device and loaded there, the next frames are the same."""
    path = checkpoint(folder, "mit_b0")
    first = adapter(path, DEVICE, METHODS[name])
    drive(first, images[:2])
    first.save(tmp_path / "state.safetensors")
    second = adapter(path, DEVICE, METHODS[name])
    second.load(tmp_path / "state.safetensors")
    for mine, theirs in zip(drive(first, images[2:]), drive(second, images[2:]), strict=True):
        if DEVICE == "cpu":
            np.testing.assert_array_equal(mine, theirs)
        else:  # a GPU adds in no fixed order
            assert np.abs(mine - theirs).mean() < 1e-3


@pytest.mark.parametrize("encoder", ["mit_b0", "efficientnet_lite0"])
def test_autocast_answers_nearly_alike(
    encoder: str, folder: Path, images: list[np.ndarray]
) -> None:
    path = checkpoint(folder, encoder)
    plain = drive(adapter(path, DEVICE, {"method": "source_only"}), images[:1])
    with torch.autocast(torch.device(DEVICE).type, dtype=torch.bfloat16):
        mixed = drive(adapter(path, DEVICE, {"method": "source_only"}), images[:1])
    assert np.abs(plain[0] - mixed[0]).mean() < 2e-2


@pytest.mark.skipif(DEVICE == "cpu", reason="torch counts no memory of the CPU")
def test_memory_stays(folder: Path, images: list[np.ndarray]) -> None:
    """Twenty more frames need no more memory than the first ones did."""
    made = adapter(checkpoint(folder, "mit_b0"), DEVICE, METHODS["dacs"])
    drive(made, images)
    torch.cuda.reset_peak_memory_stats()
    drive(made, images)
    peak = torch.cuda.max_memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    drive(made, images * 5)
    assert torch.cuda.max_memory_allocated() <= 1.02 * peak


def test_a_module_stays_on_its_device() -> None:
    """Without ``device``; a network of the user's own may be on a GPU already."""
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 4, 1))
    model = driftseg.load_model(net.to(DEVICE))
    assert {each.device.type for each in model.module.parameters()} == {torch.device(DEVICE).type}
    frame = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    assert driftseg.adapt(model, "source_only").predict(frame).label.shape == frame.shape[:2]
