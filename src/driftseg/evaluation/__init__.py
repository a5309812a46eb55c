"""Scores: dataset-level IoU, metrics of a whole drift, latency."""
