"""The parameter-free shortcut across a stride."""

from typing import Any

import keras
from keras import ops

from tf_routing.layers.channels_last import check_channels_last
from tf_routing.support.validation import positive_integer


@keras.saving.register_keras_serializable(package="tf_routing")
class IdentityShortcut(keras.layers.Layer):
    """Subsamples maps by a stride and pads their channels with zeros (option A of the CIFAR ResNets).

    Args:
        filters: Integer, channels of the output, at least those of the input.
        strides: Integer, every how many rows and columns are kept.
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

    Reference: He et al., *Deep Residual Learning for Image Recognition*, section 3.3, option A.
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

    def call(self, inputs: Any) -> Any:
        missing = self.filters - inputs.shape[-1]
        kept = inputs[:, :: self.strides, :: self.strides, :]
        return ops.pad(kept, ((0, 0), (0, 0), (0, 0), (0, missing))) if missing else kept

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters, "strides": self.strides}
