"""Datasets: one file per layout, and their common parts."""
