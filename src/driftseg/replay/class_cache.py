"""A cache of class counts between runs, by the content of the label files.

The cache needs no maintenance. A row is used only if its label file still holds the same bytes, so
a changed label is always counted again. Reading the bytes is fast; the cache saves decoding.
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
    """The label files of a dataset, and what else determines their counts."""

    files: tuple[Path, ...]
    """Files in the order of the scenes."""
    recipe: str
    """How counts are made from a file: decoder, its code, size and label space."""

    @property
    def key(self) -> str:
        """Key of the cache file: the recipe and the paths of files, not their content."""
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
    """What determines the counts of a dataset; None if files do not determine them.

    It is None for rendered scenes, for a scene without a label, and for a decoder that is not a
    function of a module, because it could depend on anything.
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
    """Counts of every file, from the cache or new; new counts are added to the cache.

    Args:
        counted: the files.
        count: counts the n-th scene.
    """
    place = cache_folder() / "class_counts" / counted.key
    known = read_rows(place)
    rows, remembered = [], {}
    for index, path in enumerate(counted.files):
        digest = _file_digest(path)
        row = known.get(digest)
        if row is None:
            row = count(index)
            if _file_digest(path) != digest:  # the file changed during counting
                digest = ""
        rows.append(row)
        if digest:
            remembered[digest] = row
    if remembered.keys() - known.keys():
        write_rows(place, remembered)
    return rows


def read_rows(place: Path) -> dict[str, Row]:
    """Counts from the cache; none if the file is missing or damaged."""
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
    """Writes them completely or not at all; a folder that is not writable is no error."""
    buffer = io.BytesIO()
    digests = np.array(list(rows), dtype=f"S{2 * DIGEST_BYTES}")
    np.savez(buffer, digests=digests, counts=np.stack(list(rows.values())))
    body = buffer.getvalue()
    partial = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        # A unique name, so two processes never write into the same file.
        handle, partial = tempfile.mkstemp(dir=place.parent, suffix=".partial")
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest() + body)
        os.replace(partial, place)
    except OSError:
        if partial is not None:
            with contextlib.suppress(OSError):
                os.unlink(partial)


def _identity(decode: Callable[[Path], Label]) -> str | None:
    """A decoder's name and its module's code; None for a lambda, a closure or an object."""
    if isinstance(decode, IdReader):  # `_own_code` covers its code, and its ids are listed
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
    """Digest of the code that decodes labels: readers, layouts, tables and mappings."""
    package = Path(driftseg.__file__).parent
    rooms = ("images", "scenes", "labels")
    files = [path for room in rooms for path in sorted((package / room).glob("*.py"))]
    return _digest(b"".join(path.read_bytes() for path in files) + cv2.__version__.encode())


def _file_digest(path: Path) -> str:
    """Digest of name and content, as decoders may use both; empty if it cannot be read."""
    try:
        return _digest(path.name.encode() + b"\0" + path.read_bytes())
    except OSError:
        return ""


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).hexdigest()
