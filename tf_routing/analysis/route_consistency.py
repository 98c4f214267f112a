"""Finds images whose route stays the same when they are cropped, flipped or rotated."""

from collections.abc import Iterable

import numpy as np


def consistent_images(routes: np.ndarray, versions: Iterable[np.ndarray]) -> np.ndarray:
    """Tells which images take one route in all versions.

    Args:
        routes: Array `(count, choices)` of 0 and 1, the originals' routes, see `hard_routes`.
        versions: Arrays of the same shape, the routes of the same images changed in one way each.

    Returns:
        Boolean array `(count,)`, true where every version's route is the original's.

    Raises:
        ValueError: If a version's shape is another.

    Example:

    >>> routes, flipped = np.array([[1, 0], [1, 1]]), np.array([[1, 0], [0, 1]])
    >>> consistent_images(routes, [flipped]).tolist()
    [True, False]

    Reference:
        Wang et al. (2020), *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*,
        arXiv:2005.14439, section 4.2.
    """
    consistent = np.ones(len(routes), dtype=bool)
    for version in versions:
        if version.shape != routes.shape:
            raise ValueError(f"`versions` must have the routes' shape {routes.shape}. Received: {version.shape}")
        consistent &= (version == routes).all(axis=1)
    return consistent
