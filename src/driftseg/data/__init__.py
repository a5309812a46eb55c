"""Datasets, weather, the stream of frames, and source replay."""
