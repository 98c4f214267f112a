"""Weighted sums over parallel tensors: one list in, one list out.

Axis letters: B batch, m inputs, n outputs. A plain loop over lists of tensors: measured faster than stacking, and
grouped convolutions have no CPU gradient.
"""

from collections.abc import Sequence
from typing import Any

from keras import ops


def mix(tensors: Sequence[Any], gates: Any) -> list[Any]:
    """Returns `Y_j = sum_i gates[:, i, j] X_i` for each output j: `tensors` are m alike, `gates` is `(B, m, n)`."""
    return [weighted_sum(tensors, gates[:, :, j]) for j in range(gates.shape[2])]


def weighted_sum(tensors: Sequence[Any], weights: Any) -> Any:
    """Returns `sum_i weights[:, i] X_i`, `weights` being `(B, m)`."""
    trailing = (1,) * (len(tensors[0].shape) - 1)
    terms = [ops.reshape(weights[:, i], (-1, *trailing)) * tensor for i, tensor in enumerate(tensors)]
    return sum(terms[1:], start=terms[0])
