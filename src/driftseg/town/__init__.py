"""Town: procedural street scenes, the default dataset that needs no files."""
