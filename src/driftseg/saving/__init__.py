"""What a drive leaves behind: label maps, overlays, probabilities, a video, lines of numbers."""
