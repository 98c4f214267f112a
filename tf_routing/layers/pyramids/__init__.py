"""Layers that turn an image into a pyramid of scales and work on it."""
