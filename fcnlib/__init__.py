"""Semantic segmentation with fully convolutional networks, piece by piece."""

__version__ = "0.1.0"
