"""Supervised training on the source."""
