"""Datasets: one file a layout, each yielding `driftseg.frame.Scene`."""
