"""Means over a batch whose samples count differently."""

from collections.abc import Sequence
from typing import Any

from keras import ops


def weighted_mean(values: Any, sample_weight: Any) -> Any:
    """Returns the mean of a tensor `(batch,)`, each sample's value multiplied by its weight where there are weights.

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
    # By the values' own shape: one weight must not stand for all of them.
    return ops.mean(values * ops.reshape(ops.cast(weights, values.dtype), ops.shape(values)))


def check_weights(shape: Sequence[int | None], rows: int | None = None) -> None:
    """Raises a `ValueError` if weights of this shape cannot be one for each sample."""
    if getattr(shape, "rank", 0) is None:
        # TensorFlow's step, which took weights of both shapes: what they are given is checked before.
        return
    wrong_rows = rows is not None and len(shape) and shape[0] is not None and shape[0] != rows
    if len(shape) not in (1, 2) or tuple(shape[1:]) not in ((), (1,)) or wrong_rows:
        batch = "batch" if rows is None else rows
        raise ValueError(
            f"`sample_weight` must hold one number for each sample, in shape ({batch},) or ({batch}, 1). "
            f"Received: sample_weight of shape {tuple(shape)}"
        )
