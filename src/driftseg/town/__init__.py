"""Town: procedural street scenes, the default world that needs no files."""
