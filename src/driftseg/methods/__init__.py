"""Adaptation methods, one file each; `METHODS` names them all."""

from driftseg.methods.base import Method, answers
from driftseg.methods.dacs import Dacs
from driftseg.methods.hamlet import Hamlet
from driftseg.methods.source_only import SourceOnly
from driftseg.methods.tent import Tent

METHODS = {"source_only": SourceOnly, "tent": Tent, "dacs": Dacs, "hamlet": Hamlet}
"""The whole list, by the name that configs and records use."""

__all__ = ["METHODS", "Dacs", "Hamlet", "Method", "SourceOnly", "Tent", "answers"]
