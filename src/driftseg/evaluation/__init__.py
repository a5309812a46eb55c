"""Scores: dataset-level IoU, metrics of a whole run, latency."""
