"""What the values of images mean, to networks and to clients that ask them from elsewhere."""

LARGEST_BYTE = 255
"""Bytes are divided by it, and are floats in [0, 1] then."""

LOWEST, HIGHEST = -1.0, 2.0
"""Beyond these are standardised images and bytes as floats, and nothing that augmentation does."""
