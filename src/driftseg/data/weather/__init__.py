"""Weather on images: pure functions of (image, depth, strength, generator)."""
