"""The gate of multi-path networks: a softmax over outputs, computed from the channel means of a tensor."""

from typing import Any

import keras
from keras import ops

from tf_routing.core.tensors import Tensor
from tf_routing.layers.channels_last import check_channels_last
from tf_routing.layers.parts import float_part, part_policy
from tf_routing.layers.pooling import channel_means
from tf_routing.support.validation import positive_integer


@keras.saving.register_keras_serializable(package="tf_routing")
class Gate(keras.layers.Layer):
    """Computes how much of its input goes to each of several outputs.

    Training and inference are the same: there is no noise and no temperature.

    Equation:
        z = GAP(X)                        (Eq. 1)
        a = W2 ReLU(W1 z + b1) + b2       (Eq. 2)
        G = softmax(a)                    (Eq. 3)

        with X = `inputs`, (B, H, W, C), or (B, C), where z = X; W1: C -> `hidden`, W2: `hidden` -> `choices`; and G
        (B, `choices`). Eq. 2 has no biases b1 and b2; the paper's parameter counts come out with them.

    Args:
        choices: Integer, the number of outputs.
        hidden: Integer, the units of the hidden layer, 16 everywhere in the paper.
        kernel_initializer: Initializer of the hidden kernel.
        choice_initializer: Initializer of the last kernel. `"zeros"` makes the gate start exactly uniform.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, height, width, channels)` or `(batch, channels)`.

    Returns:
        Tensor `(batch, choices)` of positive rows that sum to one.

    Raises:
        ValueError: If `choices` or `hidden` is not a positive integer, or if the input is neither of rank 2 nor 4.

    Example:

    >>> gate = Gate(choices=3, choice_initializer="zeros")
    >>> gate(keras.ops.ones((1, 8, 8, 4))).shape
    TensorShape([1, 3])

    Reference:
        Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450,
        section 3, Eq. 1 to 3.
    """

    def __init__(
        self,
        choices: int,
        hidden: int = 16,
        kernel_initializer: Any = "glorot_uniform",
        choice_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.choices = positive_integer("choices", choices)
        self.hidden = positive_integer("hidden", hidden)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.choice_initializer = keras.initializers.get(choice_initializer)
        self.hidden_layer = self._dense(self.hidden, "relu", kernel_initializer, "hidden")
        self.choice_layer = self._dense(self.choices, None, choice_initializer, "choice")

    def _dense(self, units: int, activation: str | None, initializer: Any, name: str) -> keras.layers.Dense:
        options = {"dtype": part_policy(self), "name": name}
        return float_part(keras.layers.Dense(units, activation, kernel_initializer=initializer, **options))

    def build(self, input_shape: Any) -> None:
        if len(input_shape) not in (2, 4):
            raise ValueError(
                "Gate takes a tensor (batch, height, width, channels) or (batch, channels). "
                f"Received: inputs.shape={tuple(input_shape)}"
            )
        if len(input_shape) == 4:
            check_channels_last("Gate")
        self.hidden_layer.build((input_shape[0], input_shape[-1]))
        self.choice_layer.build((input_shape[0], self.hidden))

    def scores(self, inputs: Tensor) -> Tensor:
        """Returns the scores a of Eq. 2, before the softmax, `(batch, choices)`."""
        return self.choice_layer(self.hidden_layer(channel_means(inputs)))

    def call(self, inputs: Tensor) -> Tensor:
        # Over outputs, not inputs: what an input hands on sums to the input, while an output may receive more or less.
        return ops.softmax(self.scores(inputs), axis=-1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], self.choices)

    def macs(self, input_shape: Any) -> int:
        """Returns the multiply-accumulates per sample for an input of this shape, batch included."""
        return self.hidden * (input_shape[-1] + self.choices)

    def get_config(self) -> dict[str, Any]:
        config = {
            "choices": self.choices,
            "hidden": self.hidden,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "choice_initializer": keras.initializers.serialize(self.choice_initializer),
        }
        return {**super().get_config(), **config}
