"""Layers that turn an image into a pyramid of scales and convolve it at all scales."""
