"""Finds recorded runs: a list of run folders, filtered and sorted, with an index."""
