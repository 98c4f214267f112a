"""Means over a batch weighted by `sample_weight`, and the check of its shape."""

from collections.abc import Sequence
from typing import Any

from keras import ops


def weighted_mean(values: Any, sample_weight: Any) -> Any:
    """Returns the mean over a batch of values times their sample weights.

    The sum is divided by the number of samples, not by the sum of the weights, as Keras losses do.

    Args:
        values: Tensor `(batch,)`.
        sample_weight: Tensor `(batch,)` or `(batch, 1)`, or `None`.

    Raises:
        ValueError: If the weights have another shape.

    Example:

    >>> float(weighted_mean(ops.array([1.0, 3.0]), sample_weight=ops.array([1.0, 0.0])))
    0.5
    """
    if sample_weight is None:
        return ops.mean(values)
    weights = ops.convert_to_tensor(sample_weight)
    check_weights(weights.shape, values.shape[0])
    # Not broadcast: a single weight must not silently stand for the whole batch.
    return ops.mean(values * ops.reshape(ops.cast(weights, values.dtype), ops.shape(values)))


def check_weights(shape: Sequence[int | None], rows: int | None = None) -> None:
    """Raises a `ValueError` unless weights of this shape are one number per sample."""
    if getattr(shape, "rank", 0) is None:
        # A step that TensorFlow traced for both shapes has weights of unknown rank; `fit` checked them before.
        return
    wrong_rows = rows is not None and len(shape) and shape[0] is not None and shape[0] != rows
    if len(shape) not in (1, 2) or tuple(shape[1:]) not in ((), (1,)) or wrong_rows:
        batch = "batch" if rows is None else rows
        raise ValueError(
            f"`sample_weight` must hold one number for each sample, in shape ({batch},) or ({batch}, 1). "
            f"Received: sample_weight of shape {tuple(shape)}"
        )
