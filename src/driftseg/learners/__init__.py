"""How weights change: one file an update rule."""
