"""Reading and resizing images and label maps, with errors that name the file."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from driftseg import errors
from driftseg.errors import InputError, MisfitError, UnknownIdsError, UnreadableError
from driftseg.frame import Image, Label
from driftseg.images.deep import check_levels
from driftseg.images.label_coding import FEW_GREYS, label_coding
from driftseg.labels import IGNORE
from driftseg.labels.tables import IdTable

PNG_END = b"IEND"
"""Name of the last chunk of every complete PNG."""

UNDECODABLE = (OSError, SyntaxError, ValueError, PillowImage.DecompressionBombError)
"""Errors of Pillow for damaged files and for headers with too many pixels."""

ORIENTATION = 0x0112
"""EXIF tag of the orientation."""
TURNS = {
    2: PillowImage.Transpose.FLIP_LEFT_RIGHT,
    3: PillowImage.Transpose.ROTATE_180,
    4: PillowImage.Transpose.FLIP_TOP_BOTTOM,
    5: PillowImage.Transpose.TRANSPOSE,
    6: PillowImage.Transpose.ROTATE_270,
    7: PillowImage.Transpose.TRANSVERSE,
    8: PillowImage.Transpose.ROTATE_90,
}
"""EXIF orientation -> transposition that turns the image upright."""
QUARTERS = frozenset({5, 6, 7, 8})
"""Orientations with a rotation by 90 degrees, which swap width and height."""

Size = tuple[int, int]
"""(width, height) in pixels, as on the command line and in config files."""


def read_image(path: Path) -> Image:
    """An RGB image, uint8, (H, W, 3), turned upright (EXIF).

    Raises:
        InputError: the file does not exist.
        MisfitError: one channel of more than 8 bits, which Pillow would clip at 255; or 16-bit
            colours with 14 bits or fewer in use, whose high byte is nearly black.
        UnreadableError: it cannot be decoded.
    """
    picture = _open(path, None, upright=True)
    if picture.mode.startswith(("I", "F")):
        raise MisfitError(
            f"{path}: expected an image of 8 bits a channel, got grey of 16 bits or more (mode "
            f"{picture.mode}). To fix: store it in 8 bits"
        )
    check_levels(path)
    return np.array(picture.convert("RGB"), dtype=np.uint8)


def read_ids(path: Path) -> Label:
    """A label map of class ids, uint8, (H, W), from a grey or palette PNG."""
    picture = _open(path, None)
    if _is_jpeg(path):
        raise MisfitError(
            f"{path}: expected a label in a PNG, got a JPEG, which blends neighbouring ids, "
            "whatever the file is called. To fix: store labels as PNG"
        )
    if label_coding(path) in FEW_GREYS:  # Pillow scales them to 0 to 255, as PNG defines grey
        raise MisfitError(
            f"{path}: expected a label map with one id a pixel (8-bit grey or palette PNG), got "
            f"{label_coding(path)}, whose levels are shades and no ids. To fix: store ids in 8 "
            "bits"
        )
    if picture.mode not in ("L", "P"):
        deep = picture.mode.startswith("I")
        came = "16 bits" if deep else f"mode {picture.mode}"
        mend = "store ids in 8 bits" if deep else "convert colours to ids first"
        raise MisfitError(
            f"{path}: expected a label map with one id a pixel (8-bit grey or palette PNG), got "
            f"{came}. To fix: {mend}"
        )
    return np.asarray(picture, dtype=np.uint8)


def _is_jpeg(path: Path) -> bool:
    """Whether a file begins as JPEGs do."""
    with path.open("rb") as file:
        return file.read(3) == b"\xff\xd8\xff"


@dataclass(frozen=True)
class IdReader:
    """Reads label maps with ids that the user has stated for the classes.

    Args:
        ids: from ids in files to class ids or 255.
    """

    ids: IdTable

    def __call__(self, path: Path) -> Label:
        """Class ids, uint8, (H, W); UnknownIdsError for an id that is not stated."""
        label = read_ids(path)
        unknown = _unknown_ids(label, self.ids)
        if unknown:
            raise UnknownIdsError(
                f"{path}: expected the stated ids {errors.commas(sorted(self.ids))}, got "
                f"{_told(unknown)}. To fix: {STATE}",
                unknown,
            )
        return translate(label, self.ids, name=str(path))


STATE = (
    "state what each id means: give classes their ids, and list under ignored_ids those that have "
    "no class (docs/classes.md)"
)
"""The advice for ids in label files without a class."""


def read_levels(path: Path) -> npt.NDArray[np.uint16]:
    """The levels of a 16-bit PNG as they are stored, uint16, (H, W).

    It may be grey, or have equal colour channels, such as SYNTHIA's depth.

    Raises:
        InputError: another bit depth, or colour channels that differ.
    """
    picture = _open(path, None)
    if picture.mode.startswith("I"):
        return np.asarray(picture).astype(np.uint16)
    # Pillow reads only 8 of 16 bits of colours.
    found = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or found.dtype != np.uint16:
        raise InputError(
            f"{path}: expected a 16-bit grey PNG, got mode {picture.mode} of 8 bits, which are too "
            "few for disparity or depth. To fix: store it in 16 bits"
        )
    levels = np.asarray(found[..., 0], dtype=np.uint16)
    if any((found[..., channel] != levels).any() for channel in (1, 2)):
        raise InputError(
            f"{path}: expected a 16-bit PNG of one channel, or of channels that are alike, got "
            "colours that differ. To fix: store the depth in grey"
        )
    return levels


def read_first_channel(path: Path) -> Label:
    """Class ids from the first channel of an 8-bit or 16-bit PNG, uint8, (H, W).

    Pillow keeps 8 of 16 bits if there are several channels; OpenCV keeps all. OpenCV gives colours
    as blue, green, red. Grey with a second channel becomes three times grey and that channel. The
    first channel of the file therefore has index 2.

    Raises:
        MisfitError: an id above 255.
    """
    try:
        stored = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: expected a readable file, got an error ({error.strerror}). To fix: check the "
            "file and its permissions"
        ) from None
    whole = stored[-8:-4] == PNG_END  # OpenCV returns a part of a truncated file
    found = None
    if whole:
        with contextlib.suppress(cv2.error):
            found = cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None:
        raise UnreadableError(
            f"{path}: expected a PNG of labels, got a file that cannot be decoded. To fix: mend or "
            "remove the file"
        )
    ids = found if found.ndim == 2 else found[..., 2]
    if ids.size and ids.max() > IGNORE:
        raise MisfitError(
            f"{path}: expected class ids of 0 to {IGNORE} in the first channel, got {ids.max()}. "
            "To fix: correct the ids, or leave the file out with exclude"
        )
    return np.ascontiguousarray(ids, dtype=np.uint8)


def read_size(path: Path) -> Size:
    """An image's (width, height) as shown (EXIF), from its header only."""
    try:
        with PillowImage.open(path) as picture:
            width, height = picture.size
            turned = picture.getexif().get(ORIENTATION, 1) in QUARTERS
            return (height, width) if turned else (width, height)
    except UNDECODABLE as error:
        raise _unreadable(path, error) from None


def turn_of(path: Path) -> int:
    """EXIF's orientation; 1 is upright, also if it cannot be read."""
    try:
        with PillowImage.open(path) as picture:
            turn = picture.getexif().get(ORIENTATION, 1)
            return turn if turn in TURNS else 1
    except UNDECODABLE:
        return 1


def read_colours(path: Path) -> Image:
    """A colour-coded label map, uint8, (H, W, 3)."""
    return np.asarray(_open(path, "RGB"), dtype=np.uint8)


def translate(label: Label, table: IdTable, *, name: str) -> Label:
    """Maps ids of a file to ids of a label space.

    Args:
        label: (H, W), uint8, as stored.
        table: of the dataset.
        name: of the file, for errors.

    Raises:
        UnknownIdsError: an id is not in the table.
    """
    lookup = np.full(256, IGNORE, dtype=np.uint8)
    lookup[list(table)] = list(table.values())
    unknown = _unknown_ids(label, table)
    if unknown:
        raise UnknownIdsError(
            f"{name}: expected the ids of this dataset ({errors.ranges(sorted(table))}), got "
            f"{errors.commas(unknown)}; the file is damaged or in another coding. To fix: get it "
            "again, or leave it out with exclude",
            unknown,
        )
    return lookup[label]


def _open(path: Path, mode: str | None, *, upright: bool = False) -> PillowImage.Image:
    try:
        with PillowImage.open(path) as picture:
            picture.load()
            turn = TURNS.get(picture.getexif().get(ORIENTATION, 1)) if upright else None
            result: PillowImage.Image = picture.convert(mode) if mode else picture.copy()
            if turn is not None:
                result = result.transpose(turn)
            return result
    except FileNotFoundError:
        told = f"{path}: expected a file, got a path where there is none. To fix: check the path"
        raise InputError(told) from None
    except UNDECODABLE as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> UnreadableError:
    if isinstance(error, PillowImage.DecompressionBombError):
        return UnreadableError(
            f"{path}: expected an image that can be decoded, got a header with too many pixels "
            f"({error}). To fix: mend, shrink or remove the file"
        )
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    told = f"{path}: expected an image that can be decoded, got an error ({reason})"
    return UnreadableError(f"{told}. To fix: mend or remove the file")


def check_shrinks(own: Size, size: Size, *, name: str) -> None:
    """Raises InputError if an image is smaller than the wanted size; both are (width, height)."""
    if size[0] > own[0] or size[1] > own[1]:
        raise InputError(
            f"{name}: expected an image of at least {size[0]}x{size[1]}, the size of the run, got "
            f"{own[0]}x{own[1]}. To fix: set a size no larger than the images"
        )


def resize_image(image: Image, size: Size, *, name: str) -> Image:
    """Shrinks with antialiasing (area averaging); InputError instead of enlarging.

    Args:
        image: (H, W, 3), uint8.
        size: (width, height) wanted.
        name: of the image, for errors.
    """
    height, width = image.shape[:2]
    if (width, height) == size:
        return image
    check_shrinks((width, height), size, name=name)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def resize_label(label: Label, size: Size) -> Label:
    """Nearest neighbour, so ids are never mixed."""
    if (label.shape[1], label.shape[0]) == size:
        return label
    small = cv2.resize(label, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(small, dtype=np.uint8)


def check_label(
    label: Label, image: Image, *, classes: int, name: str, of: Path | None = None
) -> None:
    """Raises MisfitError unless the label has the image's size and only known ids.

    Args:
        label: (H, W).
        image: (H, W, 3), as `read_image` gives it.
        classes: number of classes.
        name: of the label, for errors.
        of: the image's file, whose EXIF orientation may explain another size.
    """
    if of is not None and label.shape == image.shape[1::-1] != image.shape[:2]:
        turn = turn_of(of)
        if turn in QUARTERS:
            raise MisfitError(
                f"{name}: expected a label of its image's size, {image.shape[1]}x{image.shape[0]} "
                f"after it is turned by its EXIF orientation ({turn}), got "
                f"{label.shape[1]}x{label.shape[0]}, drawn on the pixels as stored. To fix: "
                "turn the label the same way, or remove the orientation from the image file"
            )
    if label.shape != image.shape[:2]:
        raise MisfitError(
            f"{name}: expected a label of its image's size {image.shape[1]}x{image.shape[0]}, got "
            f"{label.shape[1]}x{label.shape[0]}. To fix: correct the file, or leave it out with "
            "exclude"
        )
    check_ids(label, classes=classes, name=name)


def check_ids(label: Label, *, classes: int, name: str) -> None:
    """Raises UnknownIdsError if a label has unknown ids."""
    unknown = _unknown_ids(label, {i: i for i in (*range(classes), IGNORE)})
    if unknown:
        raise UnknownIdsError(
            f"{name}: expected label ids 0..{classes - 1} or {IGNORE} (ignore), got "
            f"{_told(unknown)}. To fix: check the label space, or {STATE}",
            unknown,
        )


def _unknown_ids(label: Label, known: Mapping[int, int]) -> dict[int, int]:
    """Number of pixels of each unknown id."""
    pixels = np.bincount(label.ravel(), minlength=256)
    return {int(i): int(pixels[i]) for i in np.flatnonzero(pixels) if int(i) not in known}


def _told(ids: Mapping[int, int]) -> str:
    """The first eight ids and their numbers of pixels in words."""
    told = [f"id {i} ({pixels} pixels)" for i, pixels in ids.items()]
    return ", ".join(told[:8]) + (f" and {len(told) - 8} more" if len(told) > 8 else "")
