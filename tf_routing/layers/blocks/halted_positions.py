"""Positions that have halted, left as they were by a unit that ran for others."""

from typing import Any

import keras
from keras import ops

from tf_routing.core.tensors import Tensor
from tf_routing.layers.channels_last import check_channels_last


@keras.saving.register_keras_serializable(package="tf_routing")
class HaltedPositions(keras.layers.Layer):
    """Puts maps as they were before a unit back where positions had halted.

    Equation:
        Y = X' if r > 0 else X

        with X' = `inputs`, (B, H, W, C), the output of a unit; X = `before`, what the unit read; and r = `remaining`,
        (B, H, W, 1), what a position had left when the unit ran, 0 where it had halted. So the residual that a unit
        adds is zero at halted positions, as if only the others were computed.

    Args:
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, height, width, channels)`.
        before: Tensor of the same shape.
        remaining: Tensor `(batch, height, width, 1)`.

    Returns:
        Tensor `(batch, height, width, channels)`.

    Raises:
        ValueError: If the unit changes the shape of maps.

    Example:

    >>> maps, remaining = keras.ops.ones((1, 1, 2, 1)), keras.ops.array([[[[0.5], [0.0]]]])
    >>> HaltedPositions()(2 * maps, maps, remaining)[0, 0, :, 0].numpy().tolist()
    [2.0, 1.0]

    Reference:
        Figurnov et al. (2016), *Spatially Adaptive Computation Time for Residual Networks*, arXiv:1612.02297, section
        2.
    """

    def __init__(self, **kwargs: Any) -> None:
        # No autocast: what remains is compared as the router returns it.
        super().__init__(autocast=False, **kwargs)

    def build(self, inputs_shape: Any, before_shape: Any, remaining_shape: Any) -> None:
        check_channels_last("HaltedPositions")
        if tuple(inputs_shape[1:]) != tuple(before_shape[1:]):
            raise ValueError(
                "HaltedPositions takes maps of one shape. "
                f"Received: inputs.shape={tuple(inputs_shape)}, before.shape={tuple(before_shape)}"
            )

    def call(self, inputs: Tensor, before: Tensor, remaining: Tensor) -> Tensor:
        return ops.cast(ops.where(remaining > 0, inputs, before), self.compute_dtype)

    def compute_output_spec(self, inputs: Any, before: Any, remaining: Any) -> Any:
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)
