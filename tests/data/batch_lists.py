"""Batches of an epoch as lists of arrays, which tests compare."""

import numpy as np

Batches = list[tuple[np.ndarray, np.ndarray]]


def labels(batches: Batches) -> np.ndarray:
    """Labels of all batches, one after the other."""
    return np.concatenate([y for _, y in batches])


def assert_same(first: Batches, second: Batches) -> None:
    """Fails unless both hold the same images with the same labels in the same batches."""
    assert len(first) == len(second)
    for (x, y), (other_x, other_y) in zip(first, second, strict=True):
        np.testing.assert_array_equal(x, other_x)
        np.testing.assert_array_equal(y, other_y)
