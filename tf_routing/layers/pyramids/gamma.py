"""Gamma decoding of photographs, as a layer of the network."""

from typing import Any

import keras
from keras import ops

from tf_routing.core.tensors import Tensor
from tf_routing.support.validation import positive_number


@keras.saving.register_keras_serializable(package="tf_routing")
class Gamma(keras.layers.Layer):
    """Decodes photographs to light: raises pixels in [0, 1] to a power.

    Photographs store light to the power of about 1 / 2.2.

    Equation:
        Y = X^gamma

        with X = `inputs`, (B, H, W, C), and gamma = `exponent`. The paper decodes images and does not say by how much;
        2.2 is the value in the authors' public code.

    Args:
        exponent: Float.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor of numbers in [0, 1].

    Returns:
        Tensor of the same shape.

    Raises:
        ValueError: If `exponent` is not positive.

    Example:

    >>> Gamma(2.0)(keras.ops.array([0.5])).numpy().tolist()
    [0.25]

    Reference:
        McGill and Perona (2017), *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*,
        arXiv:1703.06217, section 4.8.
    """

    def __init__(self, exponent: float = 2.2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.exponent = positive_number("exponent", exponent)

    def call(self, inputs: Tensor) -> Tensor:
        return ops.power(inputs, ops.cast(self.exponent, inputs.dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "exponent": self.exponent}
