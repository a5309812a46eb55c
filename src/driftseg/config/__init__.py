"""The settings of runs and trainings, and how they are read from YAML."""
