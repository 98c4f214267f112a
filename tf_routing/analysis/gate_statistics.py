"""Statistics of the values of a gate over images: the extreme ones, and the bins of histograms."""

from collections.abc import Mapping

import numpy as np

from tf_routing.support.validation import positive_integer

_STEP = 0.05


def extreme_indices(values: np.ndarray, count: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Finds the images with the highest and the lowest values of a gate.

    Args:
        values: Array `(images,)`.
        count: Integer, how many of each; all where there are fewer.

    Returns:
        Pair of index arrays: of the highest values, the highest first; and of the lowest, the lowest first. Of equal
        values the earlier image comes first.

    Raises:
        ValueError: If `count` is not a positive integer.

    Example:

    >>> highest, lowest = extreme_indices(np.array([0.2, 0.9, 0.1, 0.9]), count=2)
    >>> highest.tolist(), lowest.tolist()
    ([1, 3], [2, 0])
    """
    positive_integer("count", count)
    return np.argsort(-values, kind="stable")[:count], np.argsort(values, kind="stable")[:count]


def histogram_edges(values: Mapping[str, np.ndarray], bins: int = 40) -> np.ndarray:
    """Returns the edges of the bins into which a gate's values fall, the same for all classes.

    Args:
        values: Dict from a class's name to the gate's values for its images.
        bins: Integer, number of bins.

    Returns:
        Array `(bins + 1,)` from the lowest to the highest value, each rounded outwards to a multiple of 0.05.

    Example:

    >>> histogram_edges({"cat": np.array([0.21, 0.3]), "dog": np.array([0.42])}, bins=5).round(2).tolist()
    [0.2, 0.25, 0.3, 0.35, 0.4, 0.45]
    """
    every = np.concatenate(list(values.values())).astype("float64")
    least, most = every.min(), every.max()
    # Rounding must not leave the outermost value outside by its last bit.
    low, high = min(np.floor(least / _STEP) * _STEP, least), max(np.ceil(most / _STEP) * _STEP, most)
    # All in one place, and that a multiple of the step.
    return np.linspace(low, high if high > low else low + _STEP, bins + 1)
