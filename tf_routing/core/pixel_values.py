"""The meaning of pixel values, to networks and to clients that send images to a server."""

from typing import Any

import numpy as np

LARGEST_BYTE = 255
"""Bytes are divided by it, and are floats in [0, 1] then."""

UNIT = (0.0, 1.0)
"""What black and white are to networks that say nothing else."""

RANGE_SIGNATURE = "input_range"
"""The signature of an export that tells what black and white are to its network, where that is not `UNIT`."""

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


def scale_to(images: Any, value: tuple[float, float], largest: float) -> Any:
    """Returns images of floats from 0 to `largest` in a range.

    Where nothing is to be done, nothing is: numbers stay the same to the last bit.

    Args:
        images: Tensor or array of floats.
        value: The range.
        largest: Float, what white is in them.

    Example:

    >>> float(scale_to(255.0, (-1.0, 1.0), 255)), scale_to(7.0, (0.0, 255.0), 255)
    (1.0, 7.0)
    """
    low, high = value
    if high - low != largest:
        images = images / largest
        images = images * (high - low) if high - low != 1 else images
    return images + low if low else images
