"""Adaptation methods, one file each; `METHODS` names them all."""

from driftseg.methods.base import Method, answers
from driftseg.methods.dacs import Dacs
from driftseg.methods.domain_memory import DomainMemory
from driftseg.methods.hamlet import Hamlet
from driftseg.methods.norm_statistics import NormStatistics
from driftseg.methods.restyled_replay import RestyledReplay
from driftseg.methods.source_only import SourceOnly
from driftseg.methods.tent import Tent

METHODS = {
    "source_only": SourceOnly,
    "norm_statistics": NormStatistics,
    "tent": Tent,
    "dacs": Dacs,
    "hamlet": Hamlet,
    "restyled_replay": RestyledReplay,
    "replay_only": RestyledReplay,
    "lae": DomainMemory,
    "bank": DomainMemory,
}
"""The whole list, by the name that configs and records use; replay_only restyles nothing, lae and
bank learn by one of the others."""

__all__ = [
    "METHODS", "Dacs", "DomainMemory", "Hamlet", "Method", "NormStatistics", "RestyledReplay",
    "SourceOnly", "Tent", "answers",
]  # fmt: skip
