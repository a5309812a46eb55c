"""Makes a run safe: writes due checkpoints, and ends the run on request."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from driftseg.evaluation.confusion import Score
from driftseg.runs.build import Parts
from driftseg.runs.checkpoints import (
    BYTES_A_SECOND,
    Pace,
    load_random_state,
    random_state,
    write_checkpoint,
)
from driftseg.runs.interruption import Interruption
from driftseg.runs.place import Place
from driftseg.runs.writing import RunWriter
from driftseg.saving.saver import Saver

SAVED_LINES = "saved/frames"
"""The file of lines of a saver."""


class Keeper:
    """Writes the state to continue a run, when everything is consistent.

    Args:
        parts: of the run.
        writer: of its record.
        stop: requests an end.
        saver: of frames, if there is one.
    """

    def __init__(
        self, parts: Parts, writer: RunWriter, stop: Interruption, saver: Saver | None = None
    ):
        self._parts, self._writer, self._stop, self._saver = parts, writer, stop, saver
        self.place = Place(Score(len(parts.label_space)), parts.stream.state_dict())
        """The position of the run."""
        self.pace = Pace(_bytes(parts) / BYTES_A_SECOND)
        self.check = stop.check

    def between(self, *, visit_ended: bool = False) -> None:
        """Called between two frames; writes a checkpoint if one is due.

        Raises:
            Stopped: an end was requested.
            InputError: the checkpoint cannot be written.
        """
        self.check()
        if self.pace.due(visit_ended=visit_ended):
            started = time.perf_counter()
            self.write()
            self.pace.wrote(time.perf_counter() - started)
            self._writer.facts = self.pace.told()

    def write(self) -> None:
        """Writes a checkpoint of the run, right after a frame or an evaluation.

        Raises:
            InputError: it cannot be written.
        """
        lengths = self._writer.settled()
        if self._saver is not None:
            lengths[SAVED_LINES] = self._saver.settled()
        state = {
            "model": self._parts.model.state_dict(),
            "place": self.place.state_dict(),
            "pacing": self._parts.pacing.state_dict(),
            "random": random_state(),
        }
        status = self._writer.status
        write_checkpoint(
            self._writer.folder, state, frame=status.frames, run=status.run, lengths=lengths
        )

    def load(self, state: Mapping[str, Any]) -> None:
        """Sets model, stream and loop to the state of a checkpoint."""
        self._parts.model.load_state_dict(state["model"])
        self.place.load_state_dict(state["place"])
        self._parts.pacing.load_state_dict(state["pacing"])
        self._parts.stream.load_state_dict(self.place.stream)
        load_random_state(state["random"])


def _bytes(parts: Parts) -> int:
    """Estimated bytes of a checkpoint: weights, other roles, and the optimiser's two moments."""
    roles = parts.model.roles
    parameters = dict(roles.network.module.named_parameters())
    trained = sum(parameters[name].nbytes for name in roles.trainable)
    return 3 * trained + sum(map(roles.overlay_bytes, roles.overlays))
