"""The record of a weather set: ``weather.json``.

While a set is made, each image adds a line to a journal, so a killed run loses nothing. At the end
of the run both become one ``weather.json``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import driftseg
from driftseg.errors import InputError
from driftseg.weather_sets.older import completed
from driftseg.weather_sets.writing import PARTIAL, remove_partial, write_whole

RECORD = "weather.json"
JOURNAL = "weather.journal.jsonl"


class SetRecord:
    """The record of a set, open for writing by one process at a time.

    Args:
        out: the set's folder; it is made if it is missing.
        settings: of all images of the set; they must be the same each time.
        domains: of this run, by name; those of earlier runs stay.

    Raises:
        InputError: the folder holds other files, has other settings, is in use by another process,
            or cannot be written.
    """

    def __init__(
        self, out: Path, *, settings: Mapping[str, Any], domains: Mapping[str, Mapping[str, Any]]
    ):
        self._out = out
        self.images: dict[str, dict[str, Any]] = {}
        """The entry of each source image, by its file relative to the source's folder."""
        self.unreadable: dict[str, str] = {}
        """Reasons by source file; only of this run."""
        self.settings = json.loads(json.dumps(settings))
        try:
            out.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(out)
        except OSError as error:
            raise InputError(
                f"{out}: expected a folder that can be written to, got an error "
                f"({error.strerror}). To fix: choose another folder"
            ) from None
        try:
            head = self._read()
            before = head.get("domains", {}) if self.images else {}
            self.domains = {**before, **json.loads(json.dumps(domains))}
            self._check(head)
            remove_partial(out)
            # The settings are written before any image, so no image is without them.
            write_whole(out / JOURNAL, self._journal())
            self._file = (out / JOURNAL).open("ab", buffering=0)
        except OSError as error:
            self._unlock()
            raise InputError(
                f"{out}: expected a folder that can be written to, got an error "
                f"({error.strerror}). To fix: choose another folder"
            ) from None
        except InputError:
            self._unlock()
            raise

    def __enter__(self) -> SetRecord:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._file.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)

    def add(self, source: str, entry: dict[str, Any]) -> None:
        """Records the entry of one image."""
        self.images[source] = entry
        self._note(_line(source, entry))

    def drop(self, source: str) -> None:
        """Records that all files of one image were removed."""
        del self.images[source]
        self._note(_line(source, None))

    def _note(self, line: bytes) -> None:
        try:
            whole = self._file.write(line) == len(line)
            reason = "the disk is full"
        except OSError as error:
            whole, reason = False, str(error.strerror)
        if not whole:
            raise InputError(
                f"{self._out / JOURNAL}: expected a file that can be written, got an error "
                f"({reason}). To fix: check the folder's permissions and free space"
            )

    def finish(self) -> Path:
        """Writes ``weather.json`` without domains that have no images; removes the journal."""
        made = {name for entry in self.images.values() for name in entry["made"]}
        head = {
            "driftseg": driftseg.__version__,
            "settings": self.settings,
            "domains": {name: told for name, told in self.domains.items() if name in made},
            "unreadable": self.unreadable,
        }
        opening = json.dumps(head, indent=1)[:-2]
        rows = ",\n".join(
            f"  {json.dumps(source)}: {json.dumps(self.images[source])}"
            for source in sorted(self.images)
        )
        path = self._out / RECORD
        write_whole(path, f'{opening},\n "images": {{\n{rows}\n }}\n}}\n'.encode())
        self._file.close()
        (self._out / JOURNAL).unlink(missing_ok=True)
        return path

    def _journal(self) -> bytes:
        head = {"settings": self.settings, "domains": self.domains}
        lines = [json.dumps(head).encode() + b"\n"]
        return b"".join([*lines, *(_line(name, entry) for name, entry in self.images.items())])

    def _read(self) -> dict[str, Any]:
        """Settings and domains of earlier runs; also loads their images."""
        head = read_record(self._out)
        if head:
            self.images.update(head["images"])
        journal = self._out / JOURNAL
        if journal.is_file():
            first, *rest = journal.read_bytes().split(b"\n")
            try:
                head = json.loads(first)
            except ValueError:  # after a power failure: these images are made again
                return head
            self.images.clear()  # the journal starts with all of them
            for line in rest:
                try:
                    row = json.loads(line)
                except ValueError:  # an incomplete last line of a killed process
                    continue
                if row["entry"] is None:
                    self.images.pop(row["source"], None)
                else:
                    self.images[row["source"]] = completed(self._out, row["entry"], head)
        elif not head and any(path.suffix != PARTIAL for path in self._out.iterdir()):
            raise InputError(
                f"{self._out}: expected a new or empty folder, or one of driftseg weather, got "
                f"files without {RECORD}. To fix: choose a new or an empty folder"
            )
        return head

    def _check(self, head: dict[str, Any]) -> None:
        if not self.images:
            return  # a first command that failed before its first image fixes no settings
        before = head.get("settings")
        if before is not None and before != self.settings:
            keys = sorted(
                key
                for key in {*before, *self.settings}
                if before.get(key) != self.settings.get(key)
            )
            told = "; ".join(
                f"{key} {json.dumps(before.get(key))} before, now "
                f"{json.dumps(self.settings.get(key))}"
                for key in keys
            )
            raise InputError(
                f"{self._out}: expected the settings of before, got others ({told}). To fix: "
                "choose another folder (out), or the settings of before"
            )
        made = {name for entry in self.images.values() for name in entry["made"]}
        for name in sorted(made & head["domains"].keys()):
            then, now = head["domains"][name], self.domains[name]
            if then.get("conditions") != now.get("conditions"):
                raise InputError(
                    f"{self._out}: expected {name} with {then['words']} as before, got "
                    f"{now['words']}. To fix: choose another folder (out), or the weather of before"
                )


def read_record(out: Path) -> dict[str, Any]:
    """The contents of ``weather.json`` of a set; empty if there is none.

    Raises:
        InputError: the file is not of driftseg.
    """
    path = out / RECORD
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        values = None
    parts = [values.get(key) for key in ("settings", "domains", "images")] if isinstance(
        values, dict
    ) else []  # fmt: skip
    if not parts or not all(isinstance(part, dict) for part in parts):
        raise InputError(
            f"{path}: expected a record of driftseg weather, got another file. To fix: choose "
            "another folder"
        )
    images = {source: completed(out, entry, values) for source, entry in values["images"].items()}
    return {**values, "images": images}


def read_finished(out: Path) -> dict[str, Any]:
    """The record of a finished set.

    Raises:
        InputError: there is no record, or a command is making the set or was interrupted.
    """
    if (out / JOURNAL).exists():
        raise InputError(
            f"{out}: expected a finished set, got an unfinished one ({JOURNAL} is there). To fix: "
            "wait for the driftseg weather that is running, or give the command that was stopped "
            "again"
        )
    record = read_record(out)
    if not record:
        raise InputError(
            f"{out}: expected a finished set of driftseg weather, got a folder without {RECORD}. "
            "To fix: name the folder of a set"
        )
    return record


def files_of(entry: Mapping[str, Any]) -> Iterator[str]:
    """The set's files of one image, with its labels; files may be repeated."""
    for made in entry["made"].values():
        yield made["file"]
        if "label" in made:
            yield made["label"]["file"]


def _line(source: str, entry: Mapping[str, Any] | None) -> bytes:
    return json.dumps({"source": source, "entry": entry}).encode() + b"\n"


def _locked(out: Path) -> int | None:
    """Locks the set until this process ends, in any way; None if no lock is possible."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    handle = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise InputError(
            f"{out}: expected a folder that no other driftseg weather writes to, got one in use. "
            "To fix: wait for it, or choose another folder"
        ) from None
    except OSError:  # file systems without locks of folders, such as NFS
        os.close(handle)
        return None
    return handle
