"""Datasets in weather, on disk: making and reading them."""
