"""Class counts remembered between runs, by the content of the label files.

Nothing has to be made, kept up to date or deleted by hand: a row is used again only if the
file it was counted from still holds the very same bytes, so a changed label is counted anew
whatever its times say. Reading the bytes is cheap; decoding image and label is what is saved.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import io
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

import driftseg
from driftseg.frame import Label
from driftseg.images.reading import IdReader
from driftseg.scenes.dataset import Dataset, SceneFiles, Selection

Row = npt.NDArray[np.int64]
"""Labelled pixels of every class in one scene, (classes,)."""

DIGEST_BYTES = 16


@dataclass(frozen=True)
class CountedFiles:
    """The label files behind a dataset, and what their counts follow from beside them."""

    files: tuple[Path, ...]
    """In the order of the scenes."""
    recipe: str
    """How a file becomes counts: decoder, its code, size and label space."""

    @property
    def key(self) -> str:
        """Of the cache file: the recipe and which files, not what they hold."""
        named = "\n".join([self.recipe, *(str(path.absolute()) for path in self.files)])
        return _digest(named.encode())


def cache_folder() -> Path:
    """``$DRIFTSEG_CACHE``, or driftseg in ``$XDG_CACHE_HOME``, or ~/.cache/driftseg."""
    if own := os.environ.get("DRIFTSEG_CACHE"):
        return Path(own)
    if common := os.environ.get("XDG_CACHE_HOME"):
        return Path(common) / "driftseg"
    return Path(os.path.expanduser("~")) / ".cache" / "driftseg"


def counted_files(dataset: Dataset) -> CountedFiles | None:
    """What the counts of a dataset follow from; None where that cannot be told from files.

    That is so for scenes that are rendered, for a scene without a label, and for a decoder
    that is no function of a module: it might depend on anything.
    """
    indices = list(range(len(dataset)))
    while isinstance(dataset, Selection):
        indices = [dataset.indices[i] for i in indices]
        dataset = dataset.dataset
    if not isinstance(dataset, SceneFiles):
        return None
    labels = [dataset.entries[i].label for i in indices]
    decoder = _identity(dataset.decode)
    if decoder is None:
        return None
    files = tuple(path for path in labels if path is not None)
    if len(files) < len(labels):
        return None
    recipe = (decoder, _own_code(), dataset.label_space, dataset.size, dataset.mapping)
    return CountedFiles(files, repr(recipe))


def count_files(counted: CountedFiles, count: Callable[[int], Row]) -> list[Row]:
    """Counts of every file, as remembered or made now; what was made is remembered.

    Args:
        counted: the files.
        count: makes the counts of the n-th scene.
    """
    place = cache_folder() / "class_counts" / counted.key
    known = read_rows(place)
    rows, remembered = [], {}
    for index, path in enumerate(counted.files):
        digest = _file_digest(path)
        row = known.get(digest)
        if row is None:
            row = count(index)
            if _file_digest(path) != digest:  # written to while it was being counted
                digest = ""
        rows.append(row)
        if digest:
            remembered[digest] = row
    if remembered.keys() - known.keys():
        write_rows(place, remembered)
    return rows


def read_rows(place: Path) -> dict[str, Row]:
    """Remembered counts; none where there is no file, or one that is damaged in any way."""
    try:
        stored = place.read_bytes()
        body = stored[DIGEST_BYTES:]
        if (
            not body
            or hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest() != stored[:DIGEST_BYTES]
        ):
            return {}
        arrays = np.load(io.BytesIO(body), allow_pickle=False)
        return dict(zip(arrays["digests"].astype(str).tolist(), arrays["counts"], strict=True))
    except (OSError, ValueError, KeyError):
        return {}


def write_rows(place: Path, rows: dict[str, Row]) -> None:
    """Writes them whole or not at all; a folder that cannot be written is no error."""
    buffer = io.BytesIO()
    digests = np.array(list(rows), dtype=f"S{2 * DIGEST_BYTES}")
    np.savez(buffer, digests=digests, counts=np.stack(list(rows.values())))
    body = buffer.getvalue()
    partial = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        # A name of its own, so that two processes never write into one another's file.
        handle, partial = tempfile.mkstemp(dir=place.parent, suffix=".partial")
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest() + body)
        os.replace(partial, place)
    except OSError:
        if partial is not None:
            with contextlib.suppress(OSError):
                os.unlink(partial)


def _identity(decode: Callable[[Path], Label]) -> str | None:
    """A decoder's name and the code of its module; None for a lambda, a closure or an object."""
    if isinstance(decode, IdReader):  # its code is of `_own_code`, its ids are told in full
        return repr(decode)
    if not inspect.isfunction(decode) or "<" in decode.__qualname__:
        return None
    try:
        code = inspect.getsource(inspect.getmodule(decode) or decode)
    except (OSError, TypeError):
        return None
    return f"{decode.__module__}.{decode.__qualname__} {_digest(code.encode())}"


@functools.cache
def _own_code() -> str:
    """Digest of what decodes labels here: readers, layouts, tables and mappings."""
    package = Path(driftseg.__file__).parent
    rooms = ("images", "scenes", "labels")
    files = [path for room in rooms for path in sorted((package / room).glob("*.py"))]
    return _digest(b"".join(path.read_bytes() for path in files) + cv2.__version__.encode())


def _file_digest(path: Path) -> str:
    """Of name and content, as decoders may look at both; empty where it cannot be read."""
    try:
        return _digest(path.name.encode() + b"\0" + path.read_bytes())
    except OSError:
        return ""


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).hexdigest()
