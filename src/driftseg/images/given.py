"""Images, labels and depth from callers: arrays, PIL images, torch tensors, files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from driftseg.errors import InputError
from driftseg.frame import Depth, Image, Label
from driftseg.images.reading import check_ids, read_ids, read_image


def as_image(given: Any, *, name: str = "image") -> Image:
    """One image as RGB (H, W, 3) of uint8.

    Args:
        given: an array or tensor (H, W, 3) or (3, H, W), of uint8, or of floats in [0, 1]; grey (H,
            W); a PIL image; or the path of an image file.
        name: used in errors.

    Raises:
        InputError: it is none of these.
    """
    if isinstance(given, str | Path):
        return read_image(Path(given))
    if isinstance(given, PillowImage.Image):
        if given.mode.startswith(("I", "F")):
            raise InputError(
                f"{name}: expected 8 bits a channel, got grey of 16 bits or more (mode "
                f"{given.mode}). To fix: convert it to 8 bits"
            )
        return np.array(given.convert("RGB"), dtype=np.uint8)
    array = _array(given)
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=2)
    if array.ndim == 3 and array.shape[2] != 3 and array.shape[0] == 3:
        array = np.transpose(array, (1, 2, 0))
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise InputError(
            f"{name}: expected RGB of shape (height, width, 3), got {tuple(np.shape(given))}. To "
            "fix: give an image of this shape"
        )
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(
            f"{name}: expected uint8, or floats in [0, 1], got {array.dtype}. To fix: convert it "
            "to one of these"
        )
    if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
        raise InputError(
            f"{name}: expected floats in [0, 1], got {array.min():g} to {array.max():g}. To fix: "
            "give images before they are normalised"
        )
    return np.ascontiguousarray(np.rint(array * 255).astype(np.uint8))


def as_label(given: Any, image: Image, *, classes: int, name: str) -> Label:
    """A label map (H, W) of uint8.

    Args:
        given: class ids and 255, an array or tensor (H, W), or the path of a file of ids.
        image: of the label, (H, W, 3).
        classes: number of classes.
        name: used in errors.

    Raises:
        InputError: its size is not that of the image, or it holds other ids.
    """
    ids = read_ids(Path(given)) if isinstance(given, str | Path) else _array(given)
    if ids.shape != image.shape[:2]:
        raise InputError(
            f"{name}: expected a label of its image's size {image.shape[:2]} (height, width), got "
            f"{ids.shape}. To fix: give labels of their images' size"
        )
    if not np.issubdtype(ids.dtype, np.integer) or ids.min() < 0 or ids.max() > 255:
        raise InputError(
            f"{name}: expected class ids from 0 to 255, got {ids.dtype} from {ids.min()} to "
            f"{ids.max()}. To fix: use 255 for pixels without a class"
        )
    label: Label = np.ascontiguousarray(ids.astype(np.uint8))
    check_ids(label, classes=classes, name=name)
    return label


def as_depth(given: Any, image: Image, *, name: str = "depth") -> Depth:
    """Metres along the optical axis, (H, W) of float32.

    Args:
        given: an array or tensor (H, W) of metres, infinite for sky.
        image: of the depth, (H, W, 3).
        name: used in errors.

    Raises:
        InputError: it is not such an array, or its size is not that of the image.
    """
    array = None if isinstance(given, str | Path) else _array(given)
    if array is None or array.dtype.kind not in "fiu":
        told = type(given).__name__ if array is None else f"an array of {array.dtype}"
        raise InputError(
            f"{name}: expected an array of metres (height, width), infinite for sky, got {told}. "
            "To fix: give such an array, or None for the plane of the road"
        )
    if array.shape != image.shape[:2]:
        raise InputError(
            f"{name}: expected depth of its image's size {image.shape[:2]} (height, width), got "
            f"{array.shape}. To fix: give a depth of the image's size"
        )
    return np.ascontiguousarray(array, dtype=np.float32)


def _array(given: Any) -> npt.NDArray[Any]:
    """An array or a torch tensor as an array, without importing torch."""
    if not hasattr(given, "detach"):
        return np.asarray(given)
    tensor = given.detach().cpu()
    wide = str(tensor.dtype) == "torch.bfloat16"  # numpy has no such type
    return np.asarray((tensor.float() if wide else tensor).numpy())
