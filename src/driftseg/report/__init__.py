"""Reports: one page made only from records."""
