"""The output of a stage whose units halt: the mean of what its units make, by the distribution of where it halts."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tf_routing.core.tensors import Tensor
from tf_routing.layers.channels_last import check_channels_last


@keras.saving.register_keras_serializable(package="tf_routing")
class HaltingMean(keras.layers.Layer):
    """Returns the mean of the outputs of a stage's units, weighted by the distribution of where the stage halts.

    Equation:
        Y = sum_n p_n X_n

        with X_n (B, H, W, C) the outputs of the units, from `inputs`; and p_n (B, 1), or (B, H, W, 1) where positions
        halt, their weights, from `shares`, which sum to one: those that a HaltingRouter returns behind each
        unit, and for the last unit what remains.

    Args:
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: List of tensors `(batch, height, width, channels)`.
        shares: List of as many tensors `(batch, 1)` or `(batch, height, width, 1)`.

    Returns:
        Tensor `(batch, height, width, channels)`.

    Raises:
        ValueError: If there are not as many maps as shares.

    Example:

    >>> maps = [keras.ops.ones((1, 2, 2, 1)), 3 * keras.ops.ones((1, 2, 2, 1))]
    >>> mean = HaltingMean()(maps, [keras.ops.array([[0.25]]), keras.ops.array([[0.75]])])
    >>> float(mean[0, 0, 0, 0])
    2.5

    Reference:
        Figurnov et al. (2016), *Spatially Adaptive Computation Time for Residual Networks*, arXiv:1612.02297, section
        2.
    """

    def __init__(self, **kwargs: Any) -> None:
        # No autocast: shares that are rounded no longer sum to one.
        super().__init__(autocast=False, **kwargs)

    def build(self, inputs_shape: Any, shares_shape: Any) -> None:
        check_channels_last("HaltingMean")
        if len(inputs_shape) != len(shares_shape):
            raise ValueError(
                f"HaltingMean takes as many shares as maps. Received: {len(inputs_shape)} maps and "
                f"{len(shares_shape)} shares"
            )

    def call(self, inputs: Sequence[Tensor], shares: Sequence[Tensor]) -> Tensor:
        terms = [ops.cast(maps, share.dtype) * _spread(share) for maps, share in zip(inputs, shares, strict=True)]
        return ops.cast(sum(terms[1:], start=terms[0]), self.compute_dtype)

    def compute_output_spec(self, inputs: Any, shares: Any) -> Any:
        return keras.KerasTensor(inputs[0].shape, dtype=self.compute_dtype)


def _spread(share: Any) -> Any:
    """Returns one share per sample in the rank of maps; one per position as it is."""
    return share if len(share.shape) == 4 else ops.reshape(share, (-1, 1, 1, 1))
