"""Whole runs: config, builder, loop, record."""
