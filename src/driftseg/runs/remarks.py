"""Tags and notes of a run by a person, in ``notes.json`` of its folder.

They are not part of the config, so they do not change its hash.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from driftseg.errors import InputError

FILE = "notes.json"
_TAG = re.compile(r"[\w.+:/@-]+")


@dataclass(frozen=True)
class Remarks:
    """Tags and notes of a run."""

    tags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """In the order of writing."""

    def tagged(self, tags: Sequence[str]) -> Remarks:
        """The remarks with more tags; each tag is kept once.

        Raises:
            InputError: a tag has a character that filters cannot express.
        """
        for tag in tags:
            if not _TAG.fullmatch(tag):
                raise InputError(
                    f"tag: expected letters, digits and any of . _ + : / @ -, got {tag!r}. "
                    "To fix: use a tag without spaces and commas, or write a note"
                )
        return replace(self, tags=tuple(dict.fromkeys((*self.tags, *tags))))

    def untagged(self, tags: Sequence[str]) -> Remarks:
        """The remarks without these tags.

        Raises:
            InputError: the run has no such tag.
        """
        for tag in tags:
            if tag not in self.tags:
                raise InputError(
                    f"tag: expected a tag of the run ({', '.join(self.tags) or 'it has none'}), "
                    f"got {tag!r}. To fix: remove a tag that it has"
                )
        return replace(self, tags=tuple(tag for tag in self.tags if tag not in tags))

    def noted(self, text: str) -> Remarks:
        """The remarks with one more note.

        Raises:
            InputError: the note is empty.
        """
        if not text.strip():
            raise InputError("note: expected a text, got nothing. To fix: write the note in quotes")
        return replace(self, notes=(*self.notes, text.strip()))

    def __bool__(self) -> bool:
        return bool(self.tags or self.notes)


NO_REMARKS = Remarks()


def read_remarks(run: Path) -> Remarks:
    """The remarks of a run folder; empty if there are none.

    Raises:
        InputError: the file exists but cannot be read.
    """
    path = run / FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        tags, notes = values["tags"], values["notes"]
        if not all(isinstance(each, str) for each in (*tags, *notes)):
            raise TypeError("tags and notes must be lists of texts")
    except FileNotFoundError:
        return NO_REMARKS
    except OSError as error:
        raise InputError(
            f"{path}: expected a file that can be read, got an error ({error.strerror}). To fix: "
            "change its permissions"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f'{path}: expected {{"tags": [...], "notes": [...]}}, got something else ({error}). '
            "To fix: correct or delete the file"
        ) from None
    return Remarks(tuple(tags), tuple(notes))


def write_remarks(run: Path, remarks: Remarks) -> None:
    """Replaces the file completely.

    Raises:
        InputError: the folder cannot be written.
    """
    path = run / FILE
    partial = path.with_name(f".{FILE}.{os.getpid()}.partial")
    values = {"tags": list(remarks.tags), "notes": list(remarks.notes)}
    try:
        partial.write_text(
            json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        os.replace(partial, path)
    except OSError as error:
        raise InputError(
            f"{path}: expected a file that can be written, got an error ({error.strerror}). To "
            "fix: make room, or change the folder's permissions"
        ) from None
