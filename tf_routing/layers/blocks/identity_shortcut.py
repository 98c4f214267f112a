"""The shortcut without parameters across a stride, of residual networks for CIFAR."""

from typing import Any

import keras
from keras import ops

from tf_routing.core.tensors import Tensor
from tf_routing.layers.channels_last import check_channels_last
from tf_routing.support.validation import positive_integer


@keras.saving.register_keras_serializable(package="tf_routing")
class IdentityShortcut(keras.layers.Layer):
    """Subsamples maps by a stride and pads their channels with zeros: the shortcut without parameters, option A.

    Equation:
        Y[:, i, j, c] = X[:, q i, q j, c] if c < C else 0        c < C'

        with X = `inputs`, (B, H, W, C); q = `strides`; C' = `filters`, at least C; and indices from 0. Y is
        (B, ceil(H / q), ceil(W / q), C').

    Args:
        filters: Integer, channels of the output, at least those of the input.
        strides: Integer, one of so many rows and columns is kept.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, height, width, channels)`.

    Returns:
        Tensor `(batch, ceil(height / strides), ceil(width / strides), filters)`.

    Raises:
        ValueError: If an argument is not a positive integer, or the input has more than `filters` channels.

    Example:

    >>> IdentityShortcut(filters=32, strides=2)(keras.ops.ones((1, 8, 8, 16))).shape
    TensorShape([1, 4, 4, 32])

    Reference:
        He et al. (2015), *Deep Residual Learning for Image Recognition*, arXiv:1512.03385, sections 3.3 and 4.2, option
        A.
    """

    def __init__(self, filters: int, strides: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = positive_integer("filters", filters)
        self.strides = positive_integer("strides", strides)

    def build(self, input_shape: Any) -> None:
        check_channels_last("IdentityShortcut")
        if len(input_shape) != 4 or input_shape[-1] > self.filters:
            raise ValueError(
                f"IdentityShortcut takes maps of at most filters={self.filters} channels. "
                f"Received: inputs.shape={tuple(input_shape)}"
            )

    def call(self, inputs: Tensor) -> Tensor:
        missing = self.filters - inputs.shape[-1]
        kept = inputs[:, :: self.strides, :: self.strides, :]
        return ops.pad(kept, ((0, 0), (0, 0), (0, 0), (0, missing))) if missing else kept

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters, "strides": self.strides}
