"""The LSTM cell that recurrent routers share along the depth of a network."""

from typing import Any

import keras
from keras import ops

from tf_routing.core.tensors import Tensor
from tf_routing.layers.parts import decision_policy, float_part
from tf_routing.layers.routers.router import check_open_rate, open_score
from tf_routing.support.validation import positive_integer


@keras.saving.register_keras_serializable(package="tf_routing")
class RouterMemory(keras.layers.Layer):
    """An LSTM cell that steps from block to block, and the scores for running them; all blocks share one.

    The layer is called once per block, in order of depth, with a summary of the block's input and the state that its
    last call returned. A `SkipRouter(kind="recurrent")` decides by the scores.

    Equation:
        i, f, o = sigmoid(W1 x + U1 h + b1)             three gates of d units
        c' = f c + i tanh(W2 x + U2 h + b2)
        h' = o tanh(c')
        R = W3 h' + b3

        with x = `inputs`, (B, C); the pair (h, c) = `state`, (B, 2 d), zeros in the first block, and (h', c') the new
        one; d = `units`; and R (B, 2) the scores for running and for bypassing.

    Args:
        units: Integer, units of the cell.
        init_open_rate: Float in (0, 1), the probability of running that the biases start with; `None` is 0.5.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, features)`.
        state: Tensor `(batch, 2 * units)` of the call before, or `None` in the first.

    Returns:
        Pair of scores `(batch, 2)` and the new state.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> memory = RouterMemory(units=10)
    >>> scores, state = memory(keras.ops.ones((3, 4)))
    >>> scores, state = memory(keras.ops.ones((3, 4)), state)
    >>> scores.shape, state.shape
    (TensorShape([3, 2]), TensorShape([3, 20]))

    Reference:
        Wang et al. (2020), *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*,
        arXiv:2005.14439, section 4.4, Table 5, after Wang, Yu, Dou, Darrell and Gonzalez (2017), *SkipNet: Learning
        Dynamic Routing in Convolutional Networks*, arXiv:1711.09485, section 3.
    """

    def __init__(self, units: int = 10, init_open_rate: float | None = None, **kwargs: Any) -> None:
        # No autocast: the scores decide, and are computed in float32 where the policy has half precision.
        super().__init__(autocast=False, **kwargs)
        self.units, self.init_open_rate = positive_integer("units", units), check_open_rate(init_open_rate)
        options = {"dtype": decision_policy(self), "trainable": self.trainable}
        self.cell = keras.layers.LSTMCell(self.units, name="cell", **options)
        self.scores = float_part(keras.layers.Dense(2, bias_initializer=self._initial_bias, name="scores", **options))

    def _initial_bias(self, shape: Any, dtype: Any = None) -> Any:
        # The softmax over two scores depends on their difference only, so one bias carries the rate.
        return ops.convert_to_tensor([open_score(self.init_open_rate), 0.0], dtype=dtype)

    def build(self, inputs_shape: Any, state_shape: Any = None) -> None:
        self.cell.build((None, inputs_shape[-1]))
        self.scores.build((None, self.units))

    def call(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Any, Any]:
        if state is None:
            state = ops.zeros((ops.shape(inputs)[0], 2 * self.units), dtype=self.cell.compute_dtype)
        output, states = self.cell(inputs, list(ops.split(state, 2, axis=-1)))
        # One tensor for (h, c): a state travels through the functional graph like any other tensor.
        return self.scores(output), ops.concatenate(states, axis=-1)

    def compute_output_spec(self, inputs: Any, state: Any = None) -> tuple[Any, Any]:
        shapes = (inputs.shape[0], 2), (inputs.shape[0], 2 * self.units)
        scores, state = (keras.KerasTensor(shape, dtype=self.cell.compute_dtype) for shape in shapes)
        return scores, state

    def macs(self, input_shape: Any) -> int:
        """Returns the multiply-accumulates per sample of one step."""
        shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        return 4 * self.units * (shape[-1] + self.units) + 2 * self.units

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "init_open_rate": self.init_open_rate}
