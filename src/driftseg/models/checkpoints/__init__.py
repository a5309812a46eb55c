"""Checkpoints: whole networks and weights from users' files, and our own files."""

from driftseg.models.checkpoints.files import is_hub_id
from driftseg.models.checkpoints.inspection import Inspection, inspect
from driftseg.models.checkpoints.loading import PARTS, LoadReport, load_weights
from driftseg.models.checkpoints.opening import (
    check_named,
    open_checkpoint,
    order_classes,
    tell_classes,
)
from driftseg.models.checkpoints.own import (
    CheckpointInfo,
    digest,
    load_checkpoint,
    read_info,
    save_checkpoint,
)

__all__ = [
    "PARTS",
    "CheckpointInfo",
    "Inspection",
    "LoadReport",
    "check_named",
    "digest",
    "inspect",
    "is_hub_id",
    "load_checkpoint",
    "load_weights",
    "open_checkpoint",
    "order_classes",
    "read_info",
    "save_checkpoint",
    "tell_classes",
]
