"""The controller of dynamic multi-path networks: per-image 0/1 switches of sub-blocks, and a state for the next one."""

from typing import Any

import keras
import numpy as np
from keras import ops

from tf_routing.core.tensors import Tensor
from tf_routing.execution.run import Run
from tf_routing.layers.channels_last import check_channels_last
from tf_routing.layers.parts import decision_policy, float_part
from tf_routing.layers.pooling import channel_means
from tf_routing.layers.routers.replica_draws import uniform_rows
from tf_routing.layers.routers.router import Router, check_open_rate, open_score, shift_for_rate
from tf_routing.support.validation import positive_integer, seed_or_none

_SWEEPS = 50
_MOMENTUM, _EPSILON = 0.9, 1e-5
# With which scores start near their biases, whatever the image.
_SCORE_DEVIATION = 1e-3


@keras.saving.register_keras_serializable(package="tf_routing")
class Controller(Router):
    """Switches the sub-blocks of a block on or off for each sample.

    Equation:
        z = GAP(X)                                                      (Eq. 5)
        V = ReLU(W1 z + b1)                                             (Eq. 6)
        h = V + ReLU(W2 h' + b2)                                        (Eq. 7)
        g = W3 h + b3, reshaped to (B, N, 2)                            (unnumbered)
        s = argmax(softmax(g + D)), D ~ Gumbel(0, 1)     in training    (Eq. 8)
        s = argmax(g)                                    at inference

        with X = `inputs`, (B, H, W, C), or (B, C), where z = X; h' = `state`, the h of the controller before; N =
        `sub_blocks` and d = `hidden` units in W1: C -> d, W2: d -> d and W3: d -> 2 N. The last axis of g is (off, on).
        Without `state`, in the first controller, and without `use_previous`, h = V. With `normalize`
        V = ReLU(BN(W1 z + b1)), and W3 starts near zero: the gate of convolutional networks with adaptive inference
        graphs, which has N = 1, d = 16 and no previous state.

        The paper leaves open how gradients pass the argmax and how decisions are made at inference: here gradients are
        those of the noisy probability of "on" (straight through), at temperature 1, and there is no noise at inference.
        `force_one` is for blocks without a shortcut, whose output would be zero with all switches off.

    Args:
        sub_blocks: Integer N, the number of switches.
        hidden: Integer, units of the state.
        use_previous: Boolean, whether to add the term of the previous state (Eq. 7).
        init_open_rate: Float in (0, 1), the probability of "on" that the biases start with; `None` is 0.5.
        force_one: Boolean, whether to switch on the sub-block with the largest "on" score where all are off.
        seed: Integer, seed of the noise.
        normalize: Boolean, whether the summary is normalised over the batch before its ReLU.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, height, width, channels)` or `(batch, channels)`.
        state: Tensor `(batch, hidden)`, the state of the controller before, or `None` in the first.
        training: Boolean.
        run: What a model hands to its layers at inference; left out by users.

    Returns:
        Pair of the switches `(batch, sub_blocks)`, 0 or 1, and the new state `(batch, hidden)`.

    Raises:
        ValueError: If an argument is not possible, or `inputs` is neither of rank 2 nor 4.

    Example:

    >>> switches, state = Controller(sub_blocks=2)(keras.ops.ones((3, 8, 8, 4)))
    >>> switches.shape, state.shape
    (TensorShape([3, 2]), TensorShape([3, 32]))

    Reference:
        Su et al. (2019), *Dynamic Multi-path Neural Network*, arXiv:1902.10949, sections 3.2 and 3.3, Eq. 5 to 8. For
        `normalize` Veit and Belongie (2017), *Convolutional Networks with Adaptive Inference Graphs*, arXiv:1711.11503,
        and their public code.
    """

    takes_run = True

    def __init__(
        self,
        sub_blocks: int,
        hidden: int = 32,
        use_previous: bool = True,
        init_open_rate: float | None = None,
        force_one: bool = False,
        seed: int | None = None,
        normalize: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sub_block_count = positive_integer("sub_blocks", sub_blocks)
        self.hidden = positive_integer("hidden", hidden)
        self.use_previous, self.init_open_rate, self.force_one = (
            use_previous,
            check_open_rate(init_open_rate),
            force_one,
        )
        self.seed, self.normalize = seed_or_none(seed), bool(normalize)
        self.noise_seed = keras.random.SeedGenerator(self.seed)
        self.summary_layer = self._dense(self.hidden, None if normalize else "relu", "summary")
        self.normalization: Any = None
        if normalize:
            self.normalization = keras.layers.BatchNormalization(
                momentum=_MOMENTUM, epsilon=_EPSILON, dtype=decision_policy(self), name="normalization"
            )
        self.previous_layer = self._dense(self.hidden, "relu", "previous")
        first = {"kernel_initializer": keras.initializers.RandomNormal(stddev=_SCORE_DEVIATION)} if normalize else {}
        self.score_layer = self._dense(
            2 * self.sub_block_count, None, "score", bias_initializer=self._initial_bias, **first
        )

    def _dense(self, units: int, activation: str | None, name: str, **arguments: Any) -> keras.layers.Dense:
        options = {"dtype": decision_policy(self), "name": name, "kernel_initializer": "he_normal", **arguments}
        return float_part(keras.layers.Dense(units, activation, **options))

    def _initial_bias(self, shape: Any, dtype: Any = None) -> Any:
        biases = np.tile([0.0, open_score(self.init_open_rate)], self.sub_block_count)
        return ops.convert_to_tensor(biases, dtype=dtype)

    def build(self, inputs_shape: Any, state_shape: Any = None) -> None:
        if len(inputs_shape) not in (2, 4):
            raise ValueError(
                "Controller takes a tensor (batch, height, width, channels) or (batch, channels). "
                f"Received: inputs.shape={tuple(inputs_shape)}"
            )
        if len(inputs_shape) == 4:
            check_channels_last("Controller")
        self.summary_layer.build((None, inputs_shape[-1]))
        if self.normalization is not None:
            self.normalization.build((None, self.hidden))
        if self._reads_state(state_shape):
            self.previous_layer.build((None, self.hidden))
        self.score_layer.build((None, self.hidden))

    def _reads_state(self, state: Any) -> bool:
        return self.use_previous and state is not None

    def call(
        self, inputs: Tensor, state: Tensor | None = None, training: bool | None = None, run: Run | None = None
    ) -> tuple[Any, Any]:
        state = self._next_state(inputs, state, run, training)
        scores = self._scores(state)
        if not training:
            return ops.cast(self._is_open(scores), self.compute_dtype), state
        noisy = scores + ops.cast(self._gumbel(ops.shape(scores)), scores.dtype)
        # The softmax over (off, on) is a sigmoid of the difference.
        on = ops.sigmoid(noisy[..., 1] - noisy[..., 0])
        switches = ops.cast(self._is_open(noisy), on.dtype)
        # Straight through: the value is that of the 0/1 switches, the gradient that of `on`.
        return ops.cast(on + ops.stop_gradient(switches - on), self.compute_dtype), state

    def _next_state(self, inputs: Any, state: Any, run: Run | None = None, training: bool | None = None) -> Any:
        summary = self.summary_layer(channel_means(inputs, run))
        if self.normalization is not None:
            summary = ops.relu(self.normalization(summary, training=training))
        return summary + self.previous_layer(state) if self._reads_state(state) else summary

    def _scores(self, state: Any) -> Any:
        return ops.reshape(self.score_layer(state), (-1, self.sub_block_count, 2))

    def _is_open(self, scores: Any) -> Any:
        # A comparison: `argmax` of floats exports as Bitcast, which ONNX and TensorFlow Lite converters reject.
        is_open = scores[..., 1] > scores[..., 0]
        if not self.force_one:
            return is_open
        largest = scores[..., 1] >= ops.max(scores[..., 1], axis=-1, keepdims=True)
        first = ops.logical_and(largest, ops.cumsum(ops.cast(largest, "int32"), axis=-1) == 1)
        all_off = ops.logical_not(ops.any(is_open, axis=-1, keepdims=True))
        return ops.logical_or(is_open, ops.logical_and(first, all_off))

    def _gumbel(self, shape: Any) -> Any:
        # In float32 under every policy: half precision rounds uniform numbers to 0 and 1, whose noise is infinite.
        return -ops.log(-ops.log(uniform_rows(shape, 1e-7, 1.0, seed=self.noise_seed)))

    def compute_output_spec(
        self, inputs: Any, state: Any = None, training: bool | None = None, run: Run | None = None
    ) -> tuple[Any, Any]:
        switches = keras.KerasTensor((inputs.shape[0], self.sub_block_count), dtype=self.compute_dtype)
        return switches, keras.KerasTensor((inputs.shape[0], self.hidden), dtype=self.score_layer.compute_dtype)

    def observed(self, outputs: Any) -> dict[str, Any]:
        """Returns the state among this layer's `outputs` (a flat list), which the category term of objectives reads."""
        return {"state": outputs[1]}

    def margins(self, *inputs: Any) -> Tensor:
        """Returns by how much the "on" scores of sub-blocks exceed their "off" scores, `(batch, sub_blocks)`."""
        scores = self._scores(self._next_state(inputs[0], inputs[1] if len(inputs) > 1 else None))
        return scores[..., 1] - scores[..., 0]

    @property
    def least_rate(self) -> float:
        """The least rate that all switches can have: 1 / N with `force_one`, where one of N is on for every sample."""
        return 1 / self.sub_block_count if self.force_one else 0.0

    def shift_thresholds(self, shifts: np.ndarray) -> None:
        """Adds `shifts` `(sub_blocks,)` to the biases of the "on" scores."""
        bias = np.asarray(self.score_layer.bias).astype("float64").reshape(-1, 2)
        bias[:, 1] += shifts
        self.score_layer.bias.assign(bias.reshape(-1).astype("float32"))

    def shifts_for_rate(self, rate: float, *inputs: Any) -> np.ndarray:
        """Returns the shifts with which every switch, forced or not, is on for a share `rate` of the inputs."""
        if not self.force_one or self.sub_block_count == 1:
            return super().shifts_for_rate(rate, *inputs)
        state = self._next_state(inputs[0], inputs[1] if len(inputs) > 1 else None)
        scores = np.asarray(ops.cast(self._scores(state), "float32"), "float64")
        return _forced_shifts(max(rate, self.least_rate), scores[..., 1] - scores[..., 0], scores[..., 1])

    def macs(self, input_shape: Any) -> int:
        """Returns the multiply-accumulates per sample for inputs of these shapes, batch included."""
        shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        previous = self.hidden**2 if self.previous_layer.built else 0
        return self.hidden * (shape[-1] + 2 * self.sub_block_count) + previous

    def get_config(self) -> dict[str, Any]:
        config = {
            "sub_blocks": self.sub_block_count,
            "hidden": self.hidden,
            "use_previous": self.use_previous,
            "init_open_rate": self.init_open_rate,
            "force_one": self.force_one,
            "seed": self.seed,
            **({"normalize": True} if self.normalize else {}),
        }
        return {**super().get_config(), **config}


def _forced_shifts(rate: float, margins: np.ndarray, on_scores: np.ndarray) -> np.ndarray:
    # Coordinate descent: with the other shifts fixed, a sample has one threshold above which this switch is on, open or
    # forced. Setting one shift changes the rates of the others, so sweeps repeat until none changes.
    shifts = np.zeros(margins.shape[1])
    for _ in range(_SWEEPS):
        before = shifts.copy()
        for n in range(len(shifts)):
            others = np.delete(np.arange(len(shifts)), n)
            none_open = (margins[:, others] + shifts[others] <= 0).all(axis=1)
            forced = on_scores[:, n] - (on_scores[:, others] + shifts[others]).max(axis=1)
            reached = np.where(none_open, np.maximum(margins[:, n], forced), margins[:, n])
            shifts[n] = shift_for_rate(rate, reached)
        if np.allclose(before, shifts, rtol=0, atol=1e-9):
            break
    return shifts
