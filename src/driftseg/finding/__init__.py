"""Runs found again: a list of run folders, filtered and sorted, behind an index."""
