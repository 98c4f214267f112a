"""Squeeze-and-excitation: channels reweighted by factors computed from their means."""

from typing import Any

import keras
from keras import ops

from tf_routing.core.tensors import Tensor
from tf_routing.layers.channels_last import check_channels_last
from tf_routing.layers.parts import float_part, part_policy
from tf_routing.layers.pooling import channel_means
from tf_routing.support.validation import positive_integer


@keras.saving.register_keras_serializable(package="tf_routing")
class SqueezeExcite(keras.layers.Layer):
    """Scales channels by factors in (0, 1) that depend on the whole map.

    Equation:
        z = GAP(X)                                  (Eq. 2)
        s = sigmoid(V2 ReLU(V1 z + b1) + b2)        (Eq. 3)
        Y = s X                                     (Eq. 4)

        with X = `inputs`, (B, H, W, C); V1: C -> d, V2: d -> C; and d = `hidden`, or C // `ratio`, at least 1. Eq. 3 is
        written without the biases b1 and b2.

    Args:
        hidden: Integer, units of the hidden layer. Exactly one of `hidden` and `ratio` is given.
        ratio: Integer, the hidden layer has `channels // ratio` units, at least one.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, height, width, channels)`.

    Returns:
        Tensor of the input's shape.

    Raises:
        ValueError: If both or none of `hidden` and `ratio` are given, or one is not a positive integer.

    Example:

    >>> SqueezeExcite(hidden=4)(keras.ops.ones((2, 8, 8, 16))).shape
    TensorShape([2, 8, 8, 16])

    Reference:
        Hu et al. (2017), *Squeeze-and-Excitation Networks*, arXiv:1709.01507, section 3, Eq. 2 to 4. Rows SEBaseCNN and
        SEDeepCNN of Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*,
        arXiv:2107.02450, section 6.1, Table 2, which leaves d open.
    """

    def __init__(self, hidden: int | None = None, ratio: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if (hidden is None) == (ratio is None):
            raise ValueError(
                f"Exactly one of `hidden` and `ratio` must be given. Received: hidden={hidden!r}, ratio={ratio!r}"
            )
        self.hidden = None if hidden is None else positive_integer("hidden", hidden)
        self.ratio = None if ratio is None else positive_integer("ratio", ratio)

    def build(self, input_shape: Any) -> None:
        if len(input_shape) != 4:
            raise ValueError(
                "SqueezeExcite takes a tensor (batch, height, width, channels). "
                f"Received: inputs.shape={tuple(input_shape)}"
            )
        check_channels_last("SqueezeExcite")
        channels, hidden = input_shape[-1], self._hidden(input_shape[-1])
        policy = part_policy(self)
        self.squeeze = float_part(keras.layers.Dense(hidden, "relu", dtype=policy, name="squeeze"))
        self.excite = float_part(keras.layers.Dense(channels, "sigmoid", dtype=policy, name="excite"))
        self.squeeze.build((input_shape[0], channels))
        self.excite.build((input_shape[0], hidden))

    def _hidden(self, channels: int) -> Any:
        return self.hidden if self.ratio is None else max(1, channels // self.ratio)

    def call(self, inputs: Tensor) -> Tensor:
        factors = self.excite(self.squeeze(channel_means(inputs)))
        return inputs * ops.expand_dims(factors, (1, 2))

    def macs(self, input_shape: Any) -> int:
        """Returns the multiply-accumulates per sample for an input of this shape, batch included."""
        return 2 * input_shape[-1] * self._hidden(input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "hidden": self.hidden, "ratio": self.ratio}
