"""Fog with a visibility in metres.

Koschmieder 1924: the image is J T + A (1 - T). J is the light from the scene, A the airlight, and T
= exp(-beta d) the share of light that passes d metres. The visibility V is the meteorological
optical range, where T is 5 %, so beta = -ln(.05) / V. As in the tool that made the fog of Weather
Cityscapes (Halder et al., ICCV 2019), the stored values are mixed without undoing their gamma.
Where we differ: d is the distance along each pixel's ray. Depth along the optical axis would thin
the fog at the sides of the image.
"""

from __future__ import annotations

import math

import numpy as np

from driftseg.errors import InputError
from driftseg.frame import Depth, Image
from driftseg.weather.amounts import check_amount, check_visibility
from driftseg.weather.camera import CITYSCAPES, Camera
from driftseg.weather.depth import Floats, check_depth, distance_along_rays

CONTRAST = 0.05
"""Share of light that passes a distance equal to the visibility."""
AIRLIGHT = (0.8, 0.8, 0.8)
"""Light grey, RGB in 0 to 1. Ours: the airlight of the published fog is not known."""


def extinction_per_kilometre(visibility: float | None) -> float:
    """Extinction coefficient of fog, -ln(.05) / V; without fog (None or infinite) 0."""
    if visibility is None:
        return 0.0
    return -math.log(CONTRAST) / visibility * 1000.0


def transmission(distance: Depth, visibility: float | None) -> Floats:
    """Share of light that passes ``distance`` metres of fog, (H, W)."""
    beta = extinction_per_kilometre(visibility) / 1000.0
    if beta == 0:
        return np.ones(distance.shape, dtype=np.float32)  # exp(-0 * inf) would be NaN
    return np.asarray(np.exp(-beta * distance.astype(np.float64)), dtype=np.float32)


def fog(
    image: Image,
    depth: Depth,
    visibility: float | None,
    *,
    camera: Camera = CITYSCAPES,
    airlight: tuple[float, float, float] = AIRLIGHT,
    severity: float = 1.0,
) -> Image:
    """Renders fog on an image; without fog, returns an equal copy.

    The airlight is a constant light grey of daytime unless another is given. It is the same for all
    frames of a stream, so fog does not flicker.

    Args:
        image: RGB, (H, W, 3).
        depth: metres along the optical axis, (H, W), infinite for sky, which becomes airlight.
        visibility: metres at which 5 % of the light remains; None and infinity are no fog.
        camera: its focal length turns depth into distance along the rays.
        airlight: RGB of the fog itself, in 0 to 1.
        severity: factor on the extinction; 1 is the physics.

    Raises:
        InputError: visibility is not above 0, severity is negative or not finite, airlight is
            outside 0 to 1, or depth does not fit the image.
    """
    check_visibility(visibility)
    check_amount("severity", severity)
    if not all(0 <= part <= 1 for part in airlight):
        raise InputError(
            f"airlight: expected red, green and blue from 0 to 1, got {airlight}. To fix: divide "
            "8-bit values by 255"
        )
    check_depth(depth, image)
    if visibility is None or math.isinf(visibility) or severity == 0:
        return image.copy()
    through = transmission(distance_along_rays(depth, camera), visibility / severity)[..., None]
    own = np.array(airlight, dtype=np.float32) * 255
    return np.asarray(np.rint(image * through + own * (1 - through)), dtype=np.uint8)
