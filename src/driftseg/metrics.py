"""Scores, usable alone: dataset-level IoU, metrics of a whole drift, latency."""

from driftseg.evaluation.confusion import Score, confusion
from driftseg.evaluation.continual import Continual, continual, harmonic_mean
from driftseg.evaluation.latency import Latency, latency
from driftseg.evaluation.recovery import recovery, total_recovery

__all__ = [
    "Continual", "Latency", "Score", "confusion", "continual", "harmonic_mean", "latency",
    "recovery", "total_recovery",
]  # fmt: skip
