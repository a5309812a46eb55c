"""Datasets put into weather on disk: plan, one image's task, record, resuming."""
