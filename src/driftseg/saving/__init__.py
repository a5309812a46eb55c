"""Results of a drive: label maps, overlays, probabilities, a video, lines of numbers."""
