"""Reports: one page made from records alone."""
