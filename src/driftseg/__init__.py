"""driftseg keeps a segmentation model accurate while the world drifts."""

__version__ = "0.1.0"
