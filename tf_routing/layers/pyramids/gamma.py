"""Light from the numbers of a photograph."""

from typing import Any

import keras
from keras import ops

from tf_routing.support.validation import positive_number


@keras.saving.register_keras_serializable(package="tf_routing")
class Gamma(keras.layers.Layer):
    """Raises images in [0, 1] to a power.

    Photographs hold light to the power of about 1 / 2.2; raised to 2.2 they hold light again.

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

    Reference: McGill and Perona, *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*, section
    4.8, which decodes images; the exponent is that of the authors' public code.
    """

    def __init__(self, exponent: float = 2.2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.exponent = positive_number("exponent", exponent)

    def call(self, inputs: Any) -> Any:
        return ops.power(inputs, ops.cast(self.exponent, inputs.dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "exponent": self.exponent}
