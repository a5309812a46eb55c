"""Datasets: one file a layout, and what they share."""
