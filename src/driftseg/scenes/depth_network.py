"""Depth from one image by a network: an optional extra, ``pip install driftseg[depth]``.

Any model that transformers' ``AutoModelForDepthEstimation`` loads can be used. Some give metres.
Most give inverse depth up to an unknown scale and shift, which is fitted to the road plane.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from driftseg.errors import InputError
from driftseg.frame import Depth
from driftseg.labels import LabelSpace
from driftseg.scenes.depth_files import View
from driftseg.settings import Settings
from driftseg.weather.camera import Camera
from driftseg.weather.depth import road_plane_depth

Output = Literal["metric", "relative"]
Floats = npt.NDArray[np.float64]

OUTPUTS: dict[str, Output] = {"dpt": "relative", "glpn": "metric", "zoedepth": "metric"}
"""Output of networks whose config does not state it, by transformers' model type."""
FEWEST_ROAD_PIXELS = 100
"""Least share of the image for a fit to the road plane. Ours."""
INFINITE = 1000.0
"""Metres; larger fitted depths count as infinite. Ours."""


class DepthNetworkSettings(Settings):
    """A monocular depth network of transformers; needs the extra ``depth``."""

    network: str
    """A folder or hub id."""
    output: Output | None = None
    """Metres, or inverse depth that is fitted to the road plane; null follows the network's
    config."""

    def make(self, camera: Camera, label_space: LabelSpace) -> DepthNetwork:
        """The network; it is loaded at the first image."""
        return DepthNetwork(
            self.network, output=self.output, camera=camera, label_space=label_space
        )


class DepthNetwork:
    """Depth by a network; each process loads it at its first image.

    Args:
        weights: a folder or hub id of transformers.
        output: whether the network gives metres (``metric``) or inverse depth up to scale and shift
            (``relative``); None follows its config.
        camera: relative output is fitted to its road plane.
        label_space: what labels mean.
    """

    def __init__(
        self,
        weights: str,
        *,
        output: Output | None = None,
        camera: Camera,
        label_space: LabelSpace,
    ):
        self.weights = weights
        self.output = output
        self.camera = camera
        self.label_space = label_space
        self._loaded: tuple[Any, Any, Output] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """State without the network, so other processes get only its name."""
        return {**self.__dict__, "_loaded": None}

    def read(self, view: View) -> tuple[Depth, str]:
        """The network's depth; the road plane's if the output cannot be fitted to the road."""
        if self._loaded is None:
            self._loaded = _load(self.weights, self.output)
        processor, model, output = self._loaded
        import torch

        height, width = view.image.shape[:2]
        with torch.inference_mode():
            given = model(**processor(images=view.image, return_tensors="pt")).predicted_depth
            given = torch.nn.functional.interpolate(
                given[None].float(), size=(height, width), mode="bilinear", align_corners=False
            )
        values = given[0, 0].numpy()
        if output == "metric":
            depth, told = np.maximum(values, 0), "metric depth"
        else:
            plane = road_plane_depth(height, width, camera=self.camera)
            depth, fits = fit_to_road(values, plane, self._road(view))
            if not fits:
                return self._road_plane(view)
            told = "inverse depth fitted to the road plane"
        if view.label is not None:
            depth[np.isin(view.label, self.label_space.sky_ids)] = np.inf
        return np.asarray(depth, dtype=np.float32), f"{told}, by the network {self.weights}"

    def files(self, image: Path, depth: Path | None, camera: Path | None) -> list[Path]:
        """None: the network needs only the image."""
        return []

    def _road(self, view: View) -> npt.NDArray[np.bool_]:
        """Labelled ground; without labels, a part of the lower middle of the image."""
        if view.label is not None and self.label_space.ground_ids:
            return np.isin(view.label, self.label_space.ground_ids)
        height, width = view.image.shape[:2]
        share = (np.arange(height) + 0.5) / height
        low = (share > 0.5 + self.camera.horizon / 2) & (share < 0.9)
        middle = np.abs((np.arange(width) + 0.5) / width - 0.5) < 0.2
        return low[:, None] & middle[None, :]

    def _road_plane(self, view: View) -> tuple[Depth, str]:
        height, width = view.image.shape[:2]
        label = view.label if self.label_space.ground_ids else None
        depth = road_plane_depth(
            height, width, camera=self.camera, label=label, label_space=self.label_space
        )
        return depth, f"road-plane depth, since the network {self.weights} does not fit the road"


def fit_to_road(
    values: npt.NDArray[np.float32], plane: Depth, road: npt.NDArray[np.bool_]
) -> tuple[Depth, bool]:
    """Metres from inverse depth of unknown scale and shift, and whether a fit was possible.

    Scale and shift fit the road's pixels to the inverse depth of the road plane by least squares.
    There is no fit if there is too little road, or if the network's values do not increase towards
    the near road.

    Args:
        values: the network's output, (H, W), larger is nearer.
        plane: depth of the road plane, (H, W).
        road: which pixels show the road, (H, W).
    """
    given = values[road].astype(np.float64)
    wanted = 1.0 / plane[road].astype(np.float64)
    if len(given) < FEWEST_ROAD_PIXELS or given.std() == 0:
        return plane, False
    centred = given - given.mean()
    scale = float(centred @ (wanted - wanted.mean()) / (centred @ centred))
    if not (np.isfinite(scale) and scale > 0):
        return plane, False
    inverse = scale * (values - given.mean()) + wanted.mean()
    far = inverse <= 1 / INFINITE
    depth = 1.0 / np.where(far, 1.0, inverse)
    return np.where(far, np.inf, depth).astype(np.float32), True


def _load(weights: str, output: Output | None) -> tuple[Any, Any, Output]:
    try:
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation
    except ImportError:
        raise InputError(
            "depth: expected the library transformers for a depth network, got no installation. "
            "To fix: pip install 'driftseg[depth]', or choose another depth"
        ) from None
    try:
        processor = AutoImageProcessor.from_pretrained(weights)  # type: ignore[no-untyped-call]
        model = AutoModelForDepthEstimation.from_pretrained(weights)
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"{weights}: expected a depth network for transformers, got an error ({reason}). To "
            "fix: give a folder with config.json, preprocessor_config.json and weights, or a hub "
            "id"
        ) from None
    model.eval()
    return processor, model, output or _output_of(model.config, weights)


def _output_of(config: Any, weights: str) -> Output:
    said = getattr(config, "depth_estimation_type", None) or OUTPUTS.get(config.model_type)
    if said == "metric":
        return "metric"
    if said == "relative":
        return "relative"
    raise InputError(
        f"{weights}: expected a config that says metric depth or relative inverse depth, got "
        f"{config.model_type} without it. To fix: set output to metric or relative"
    )
