"""The meaning of pixel values, to networks and to clients that send images to a server."""

import numpy as np

LARGEST_BYTE = 255
"""Bytes are divided by it, and are floats in [0, 1] then."""

LOWEST, HIGHEST = -1.0, 2.0
"""Beyond these are standardised images and bytes as floats, and nothing that augmentation does."""


def find_far_range(images: np.ndarray) -> tuple[float, float] | None:
    """Returns the lowest and the highest finite value of images of floats if one is far outside [0, 1], else `None`.

    Args:
        images: Array of any shape.

    Example:

    >>> find_far_range(np.array([0.0, 255.0, np.nan])), find_far_range(np.array([0.0, 1.0]))
    ((0.0, 255.0), None)
    """
    finite = images[np.isfinite(images)].astype("float64")
    if not finite.size or (finite.min() >= LOWEST and finite.max() <= HIGHEST):
        return None
    return float(finite.min()), float(finite.max())


def find_broken_image(images: np.ndarray) -> int | None:
    """Returns the number of the first image that holds NaN or infinity, `None` where all are finite.

    Args:
        images: Array `(count, height, width, channels)`.

    Example:

    >>> find_broken_image(np.array([[[[0.5]]], [[[np.nan]]]]))
    1
    """
    # In float32, since NumPy does not look into the half precision of other libraries.
    finite = np.isfinite(images.astype("float32")).all(axis=tuple(range(1, images.ndim)))
    return None if finite.all() else int(np.argmin(finite))
