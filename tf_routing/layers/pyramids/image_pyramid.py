"""An image at several sizes: the input of multiscale columns."""

from typing import Any

import keras
from keras import ops

from tf_routing.core.tensors import Tensor
from tf_routing.layers.channels_last import check_channels_last
from tf_routing.support.validation import one_of, positive_integer

METHODS = ("strided", "average")


@keras.saving.register_keras_serializable(package="tf_routing")
class ImagePyramid(keras.layers.Layer):
    """Returns images at several sizes, halved from one to the next.

    Equation:
        X_k[:, i, j] = X[:, 2^k i, 2^k j]        k = 0..K-1

        with X = `inputs`, (B, H, W, C), K = `scales` and indices from 0. With `method` "average" X_k is the mean over
        squares of 2^k x 2^k pixels instead. The paper does not say how images are resized: one pixel in 2^k is the
        result of bilinear resizing without a filter, as in the authors' public code.

    Args:
        scales: Integer, the number of sizes.
        method: `"strided"` or `"average"`.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, height, width, channels)`, with sides that 2^(scales - 1) divides.

    Returns:
        List of tensors, the finest first.

    Raises:
        ValueError: If an argument is unknown or out of range, or a side cannot be divided.

    Example:

    >>> [maps.shape[1] for maps in ImagePyramid(3)(keras.ops.zeros((1, 32, 32, 3)))]
    [32, 16, 8]

    Reference:
        McGill and Perona (2017), *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*,
        arXiv:1703.06217, section 3.1, Fig. 3.
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

    def call(self, inputs: Tensor) -> list[Any]:
        factors = [2**scale for scale in range(self.scales)]
        if self.method == "strided":
            return [inputs[:, ::factor, ::factor] for factor in factors]
        return [ops.average_pool(inputs, factor, strides=factor) if factor > 1 else inputs for factor in factors]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scales": self.scales, "method": self.method}
