"""Pages and tables appear on disk whole, or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from driftseg.errors import InputError


def write_whole(path: Path, text: str, *, what: str) -> None:
    """Writes a text file by way of one beside it, and makes its folder.

    Args:
        path: the file; one that is there is replaced.
        text: all of it.
        what: what it is called in the error, such as "the report".

    Raises:
        InputError: the place cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise InputError(f"{path}: {what} cannot be written there ({error.strerror})") from None
