"""Depth by a network: tiny random weights, saved and loaded as any other's."""

from __future__ import annotations

import builtins
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from driftseg.errors import InputError
from driftseg.labels import CAMVID11
from driftseg.scenes.depth_files import View
from driftseg.scenes.depth_network import DepthNetwork, fit_to_road
from driftseg.town.town import Town
from driftseg.weather.camera import TOWN
from driftseg.weather.depth import road_plane_depth


def write_network(folder: Path, output: str) -> Path:
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config
    from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil

    torch.manual_seed(0)
    backbone = Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, image_size=28, patch_size=14,
        out_features=["stage1", "stage2", "stage3", "stage4"], reshape_hidden_states=False,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=16, neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8, head_hidden_size=8, depth_estimation_type=output, max_depth=80,
    )  # fmt: skip
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    DPTImageProcessorPil(
        size={"height": 28, "width": 28}, ensure_multiple_of=14, keep_aspect_ratio=True
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("networks")
    return {kind: write_network(root / kind, kind) for kind in ("metric", "relative")}


@pytest.fixture(scope="module")
def view() -> View:
    scene = Town(seed=1, size=(64, 48)).render(130)
    return View(Path("a.png"), scene.image, scene.label)


def network(folder: Path) -> DepthNetwork:
    return DepthNetwork(str(folder), camera=TOWN, label_space=CAMVID11)


def test_metric_output_is_metres(networks, view: View) -> None:
    depth, told = network(networks["metric"]).read(view)
    assert depth.shape == (48, 64)
    assert depth.dtype == np.float32
    sky = view.label == CAMVID11.classes.index("sky")
    assert np.isinf(depth[sky]).all()
    assert ((depth[~sky] >= 0) & (depth[~sky] <= 80)).all()
    assert told.startswith("metric depth, by the network")


def test_relative_output_is_fitted_or_the_road_plane_is_taken(networks, view: View) -> None:
    """Random weights may or may not call the near road near; the words say what was done."""
    depth, told = network(networks["relative"]).read(view)
    assert depth.shape == (48, 64)
    assert not np.isnan(depth).any()
    fitted = told.startswith("inverse depth fitted to the road plane, by the network")
    assert fitted or told.startswith("road-plane depth, since the network")


def test_same_depth_in_another_process(networks, view: View) -> None:
    """What is handed over is the name, not the weights."""
    first = network(networks["metric"])
    depth, _ = first.read(view)
    handed = pickle.dumps(first)
    assert len(handed) < 5000
    assert np.array_equal(pickle.loads(handed).read(view)[0], depth)


def test_a_fit_finds_scale_and_shift() -> None:
    """Exact inverse depth, squeezed and shifted, comes back as metres."""
    plane = road_plane_depth(60, 40, camera=TOWN)
    truth = plane.copy()
    truth[10:40, 5:9] = 8.0
    truth[:5] = np.inf
    road = np.zeros((60, 40), bool)
    road[45:] = True
    depth, fits = fit_to_road((3.0 / truth + 0.7).astype(np.float32), plane, road)
    assert fits
    assert np.allclose(depth[5:], truth[5:], rtol=0.02)
    assert np.isinf(depth[:5]).mean() > 0.9 or (depth[:5] > 500).all()
    away, fits = fit_to_road((-3.0 / truth).astype(np.float32), plane, road)
    assert not fits
    assert away is plane
    assert not fit_to_road((3.0 / truth).astype(np.float32), plane, np.zeros_like(road))[1]


def test_transformers_is_optional(networks, view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = builtins.__import__

    def without(name, *arguments, **named):
        if name == "transformers":
            raise ImportError(name)
        return honest(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install 'driftseg\[depth\]'"):
        network(networks["metric"]).read(view)


def test_what_is_no_network(tmp_path: Path, view: View) -> None:
    with pytest.raises(
        InputError,
        match=r"expected a depth network for transformers, got an error \(.*\. To fix: ",
    ):
        network(tmp_path).read(view)
