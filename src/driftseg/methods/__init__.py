"""Adaptation methods, one file each; `METHODS` names them all."""

from driftseg.methods.base import Method, answers
from driftseg.methods.dacs import Dacs
from driftseg.methods.hamlet import Hamlet
from driftseg.methods.restyled_replay import RestyledReplay
from driftseg.methods.source_only import SourceOnly
from driftseg.methods.tent import Tent

METHODS = {
    "source_only": SourceOnly,
    "tent": Tent,
    "dacs": Dacs,
    "hamlet": Hamlet,
    "restyled_replay": RestyledReplay,
    "replay_only": RestyledReplay,
}
"""The whole list, by the name that configs and records use; replay_only restyles nothing."""

__all__ = [
    "METHODS", "Dacs", "Hamlet", "Method", "RestyledReplay", "SourceOnly", "Tent", "answers",
]  # fmt: skip
