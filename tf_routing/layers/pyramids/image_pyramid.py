"""An image at several sizes."""

from typing import Any

import keras
from keras import ops

from tf_routing.layers.channels_last import check_channels_last
from tf_routing.support.validation import one_of, positive_integer

METHODS = ("strided", "average")


@keras.saving.register_keras_serializable(package="tf_routing")
class ImagePyramid(keras.layers.Layer):
    """Shrinks images by 1, 2, 4 and so on.

    Args:
        scales: Integer, how many sizes.
        method: `"strided"` takes every second, fourth, ... pixel, as bilinear resizing without filter does;
            `"average"` takes the means of the pixels between.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, height, width, channels)`, sides divisible by the last factor.

    Returns:
        List of tensors, the finest first.

    Raises:
        ValueError: If an argument is not possible, or a side cannot be divided.

    Example:

    >>> [maps.shape[1] for maps in ImagePyramid(3)(keras.ops.zeros((1, 32, 32, 3)))]
    [32, 16, 8]

    Reference: McGill and Perona, *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*, section
    3.1, Fig. 3.
    """

    def __init__(self, scales: int = 4, method: str = "strided", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scales, self.method = positive_integer("scales", scales), one_of("method", method, METHODS)

    def build(self, inputs_shape: Any) -> None:
        check_channels_last("ImagePyramid")
        last = 2 ** (self.scales - 1)
        if any(side is not None and side % last for side in inputs_shape[1:3]):
            raise ValueError(
                f"ImagePyramid of {self.scales} scales takes sides that {last} divides. "
                f"Received: inputs.shape={tuple(inputs_shape)}"
            )

    def call(self, inputs: Any) -> list[Any]:
        factors = [2**scale for scale in range(self.scales)]
        if self.method == "strided":
            return [inputs[:, ::factor, ::factor] for factor in factors]
        return [ops.average_pool(inputs, factor, strides=factor) if factor > 1 else inputs for factor in factors]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scales": self.scales, "method": self.method}
