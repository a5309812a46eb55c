"""Checkpoints: other projects' weights under our names, and our own files."""

from driftseg.models.checkpoints.inspection import Inspection, inspect
from driftseg.models.checkpoints.own import (
    CheckpointInfo,
    digest,
    load_checkpoint,
    read_info,
    save_checkpoint,
)
from driftseg.models.checkpoints.weights import PARTS, LoadReport, load_weights

__all__ = [
    "PARTS",
    "CheckpointInfo",
    "Inspection",
    "LoadReport",
    "digest",
    "inspect",
    "load_checkpoint",
    "load_weights",
    "read_info",
    "save_checkpoint",
]
