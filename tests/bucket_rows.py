"""Rows, which of them choose a function, and what becomes of them, for tests of updates in buckets on both backends."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

BATCHES = (1, 5, 16, 33, 40)
"""Of one row, of buckets of one row, and of larger ones: 33 rows are eleven buckets, and 40 rows more than 13."""

_Case = tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]


def function(first: Any, second: Any, third: Any) -> list[Any]:
    """Returns something of each row, in two tensors."""
    return [2 * first + second + third, ops.sum(first + second, axis=1, keepdims=True) / 2]


def draw(batch: int) -> list[_Case]:
    """Returns rows that choose, two inputs and two tensors before: none, all, one row, the last ones, and some.

    They hold whole numbers, so that no rounding hides anything.
    """
    random = np.random.default_rng(batch)
    count = np.arange(batch)
    chosen = [count < 0, count >= 0, count == batch // 2, count >= batch // 3, random.random(batch) < 0.6]
    return [
        (
            each,
            [random.integers(-9, 9, size=(batch, 3)).astype("float32") for _ in range(2)],
            [random.integers(-9, 9, size=(batch, size)).astype("float32") for size in (3, 1)],
        )
        for each in chosen
    ]


def expect(is_open: np.ndarray, inputs: Sequence[np.ndarray], before: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Returns what NumPy makes of them."""
    first, second = inputs
    results = [2 * first + second + before[0], (first + second).sum(axis=1, keepdims=True) / 2]
    return [np.where(is_open[:, None], new, old) for new, old in zip(results, before, strict=True)]
