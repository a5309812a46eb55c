"""The order of frames: schedule, stream, crop."""
