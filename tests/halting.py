"""The halting distribution of adaptive computation time in plain NumPy, as sums over scores, unlike the layers."""

import numpy as np


def halt(scores: np.ndarray, tolerance: float = 0.01) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns how many units run, the weight of the last of them, and the weights of all.

    Args:
        scores: Array `(samples, units)`, of which the last is taken for one.
        tolerance: Float, what of the weight may be left where a sample halts.
    """
    scores = scores.copy()
    scores[:, -1] = 1
    units = np.array([next(n for n in range(len(row)) if row[: n + 1].sum() >= 1 - tolerance) + 1 for row in scores])
    remainders = np.array([1 - row[: count - 1].sum() for row, count in zip(scores, units, strict=True)])
    weights = np.zeros_like(scores)
    for row, count in enumerate(units):
        weights[row, : count - 1] = scores[row, : count - 1]
        weights[row, count - 1] = remainders[row]
    return units, remainders, weights


def logits(scores: np.ndarray) -> np.ndarray:
    """Returns the numbers whose sigmoids are scores."""
    return np.log(scores / (1 - scores))
