"""Writes a run's lines and pictures to its record, then to its trackers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from driftseg.config.run import RunConfig
from driftseg.frame import Image
from driftseg.runs.writing import RunWriter
from driftseg.trackers.contract import State
from driftseg.trackers.session import Trackers, start_trackers


class Recorder(Protocol):
    """The interface of a writer for the loop."""

    def frame(self, row: Mapping[str, Any]) -> None:
        """One frame's numbers."""
        ...

    def evaluation(self, row: Mapping[str, Any]) -> None:
        """Scores of one domain and head."""
        ...

    def picture(self, visit: int, domain: str, number: int, kind: str, image: Image) -> None:
        """The input, the painted truth or the painted prediction of the last frame."""
        ...


class TrackedWriter:
    """Writes to a record, then to trackers. Trackers never stop a run.

    Args:
        writer: of the record.
        trackers: started for its folder.
    """

    def __init__(self, writer: RunWriter, trackers: Trackers):
        self._writer = writer
        self._trackers = trackers
        self._domain = ""
        self._pictures: dict[str, Image] = {}

    def frame(self, row: Mapping[str, Any]) -> None:
        """One line of frames.jsonl."""
        self._writer.frame(row)
        self._tell_pictures()
        self._trackers.frame(row)

    def evaluation(self, row: Mapping[str, Any]) -> None:
        """One line of evaluations.jsonl."""
        self._writer.evaluation(row)
        self._tell_pictures()
        self._trackers.evaluation(row)

    def picture(self, visit: int, domain: str, number: int, kind: str, image: Image) -> None:
        """One PNG; trackers get the PNGs of one frame together."""
        self._writer.picture(visit, domain, number, kind, image)
        self._domain = domain
        self._pictures[kind] = image

    def end(self, state: State) -> list[str]:
        """Waits for the trackers for a limited time; returns notes for the record."""
        self._tell_pictures()
        return self._trackers.end(state)

    def _tell_pictures(self) -> None:
        if self._pictures:
            self._trackers.pictures(self._domain, self._pictures)
            self._pictures = {}


def tracked(config: RunConfig, writer: RunWriter, encoder: str) -> TrackedWriter:
    """A writer with the config's trackers, if there are any."""
    tags = {
        "method": config.method.name,
        "encoder": encoder,
        "source": config.source_name,
        "target": config.name,
        "seed": f"seed {config.seed}",
    }
    trackers = start_trackers(
        config.trackers or (), writer.folder, name=writer.folder.name, tags=tags
    )
    return TrackedWriter(writer, trackers)
