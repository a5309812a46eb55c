"""Checks a dataset before use."""
