"""What a run and a training are set by, and reading it from YAML."""
