"""Experiment trackers: a run's numbers and pictures, sent to TensorBoard, W&B or MLflow."""
