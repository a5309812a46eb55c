"""A cache of run folders: one SQLite file beside them.

The file may be deleted, damaged, locked or not writable at any time. Then runs are read again from
their folders, and lists stay the same. Every row has a checksum; a row with a wrong one is not
used.
"""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import driftseg

FILE = ".driftseg_runs.sqlite"
FORMAT = f"1 {driftseg.__version__}"
"""Format of the rows; an index of another format is made again."""
PATIENCE = 2.0
"""Seconds to wait for another process that writes."""


@dataclass(frozen=True)
class Row:
    """The cached data of one run."""

    stamp: str
    read_at: int
    """Nanoseconds since 1970."""
    text: str

    def checksum(self, name: str) -> int:
        """Checksum of the name and all fields."""
        return zlib.crc32(f"{name}\n{self.stamp}\n{self.read_at}\n{self.text}".encode())


class Index:
    """The index file of one folder of runs."""

    def __init__(self, folder: Path):
        self.path = folder / FILE
        self.problem: str | None = None
        """Why the index cannot be written, if so."""

    def load(self) -> dict[str, Row]:
        """All valid rows; empty without a usable file."""
        if not self.path.exists():
            return {}
        try:
            with contextlib.closing(self._open("ro")) as file:
                (found,) = file.execute("SELECT format FROM about").fetchone() or (None,)
                if found != FORMAT:
                    raise sqlite3.DatabaseError("another format")
                rows = file.execute("SELECT name, stamp, read_at, row, checksum FROM runs")
                kept = {name: (Row(*values), check) for name, *values, check in rows}
        except sqlite3.OperationalError as error:  # locked, or a table is missing
            if "no such table" in str(error):
                self._remove()
            return {}
        except (sqlite3.DatabaseError, ValueError, TypeError, UnicodeDecodeError):
            self._remove()
            return {}
        return {name: row for name, (row, check) in kept.items() if row.checksum(name) == check}

    def store(self, rows: Mapping[str, Row], gone: Iterable[str] = ()) -> None:
        """Writes rows and deletes those of removed folders; an error is kept in `problem`."""
        gone = list(gone)
        if self.problem is not None or not (rows or gone):
            return
        try:
            self._write(rows, gone)
        except sqlite3.OperationalError as error:
            self.problem = str(error)
        except sqlite3.DatabaseError:
            self._remove()
            try:
                self._write(rows, gone)
            except sqlite3.Error as error:
                self.problem = str(error)

    def _write(self, rows: Mapping[str, Row], gone: list[str]) -> None:
        with contextlib.closing(self._open("rwc")) as file:
            file.execute("BEGIN IMMEDIATE")
            file.execute("CREATE TABLE IF NOT EXISTS about (format TEXT)")
            file.execute(
                "CREATE TABLE IF NOT EXISTS runs (name TEXT PRIMARY KEY, stamp TEXT, "
                "read_at INTEGER, row TEXT, checksum INTEGER)"
            )
            if file.execute("SELECT format FROM about").fetchall() != [(FORMAT,)]:
                file.execute("DELETE FROM runs")
                file.execute("DELETE FROM about")
                file.execute("INSERT INTO about VALUES (?)", (FORMAT,))
            file.executemany(
                "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?)",
                [
                    (name, row.stamp, row.read_at, row.text, row.checksum(name))
                    for name, row in rows.items()
                ],
            )
            file.executemany("DELETE FROM runs WHERE name = ?", [(name,) for name in gone])
            file.execute("COMMIT")

    def _open(self, mode: str) -> sqlite3.Connection:
        address = f"{self.path.absolute().as_uri()}?mode={mode}"
        return sqlite3.connect(address, uri=True, timeout=PATIENCE, isolation_level=None)

    def _remove(self) -> None:
        for name in (FILE, f"{FILE}-journal"):
            with contextlib.suppress(OSError):
                self.path.with_name(name).unlink()
