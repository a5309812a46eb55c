"""Writes pages and tables completely or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from driftseg.errors import InputError


def write_whole(path: Path, text: str, *, what: str) -> None:
    """Writes a text file through a temporary one in the same folder. Makes the folder.

    Args:
        path: the file; an existing one is replaced.
        text: the whole text.
        what: the name in the error, such as "the report".

    Raises:
        InputError: the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise InputError(
            f"{path}: expected a place where {what} can be written, got an error "
            f"({error.strerror}). To fix: name a file in a folder that you may write to"
        ) from None
