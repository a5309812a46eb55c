"""Datasets in rendered weather on disk: making and reading them."""
