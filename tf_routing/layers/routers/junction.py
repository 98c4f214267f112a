"""The router of a network that leaves early: classify here, or go on, and where to."""

from collections.abc import Callable
from math import prod
from typing import Any

import keras
import numpy as np
from keras import ops

from tf_routing.layers.initializers import distinct_seed
from tf_routing.layers.parts import decision_policy, float_part
from tf_routing.layers.routers.router import Router, shift_for_rate
from tf_routing.support.validation import plain, positive_integer, seed_or_none


@keras.saving.register_keras_serializable(package="tf_routing")
class Junction(Router):
    """Chooses one of several sinks for each sample, of those that come here.

    Three dense layers score the sinks; the last one starts with zeros, so that an untrained junction is undecided. At
    inference a sample goes to the sink of the largest score, where scores are equal to the first. In training it goes
    to each with the probability that a softmax of the scores gives, at temperature 1: the one that cools is the
    objective's.

    Args:
        sinks: Integer, how many sinks there are.
        hidden: Integer, units of the two hidden layers.
        momentum: Float, momentum of the batch normalisations.
        epsilon: Float, added to the variance there.
        seed: Integer, seed of the kernels.
        normalized: Boolean, whether a batch normalisation follows each hidden layer; `False` once it is folded.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, height, width, channels)` or `(batch, units)`.
        reach: Tensor `(batch, 1)`, the probability with which a sample comes here; 1 where not given.
        cost: Tensor `(batch, 1)`, what computation costs, for networks that are told for each sample.
        training: Boolean.

    Returns:
        Tuple of the decision `(batch, sinks)`, whose rows are `reach` in the column that is chosen (zero in all for a
        sample that does not come here), the scores `(batch, sinks)`, and each column of the decision, `(batch, 1)`,
        which is the reach of that sink.

    Raises:
        ValueError: If an argument is not possible.

    Example:

    >>> decision, scores, leave, go_on = Junction(sinks=2)(keras.ops.ones((1, 4, 4, 16)))
    >>> decision.numpy().tolist(), scores.numpy().tolist()
    ([[1.0, 0.0]], [[0.0, 0.0]])

    Reference: McGill and Perona, *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*, sections 3
    and 4.7, Fig. 2. Its initialisation is called Xavier's; here all but the last kernels are drawn with a variance of
    one over their inputs, as in the authors' public code.
    """

    def __init__(
        self,
        sinks: int,
        hidden: int = 16,
        momentum: float = 0.9,
        epsilon: float = 1e-6,
        seed: int | None = None,
        normalized: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sinks, self.hidden = positive_integer("sinks", sinks), positive_integer("hidden", hidden)
        self.momentum, self.epsilon, self.seed = plain(momentum), plain(epsilon), seed_or_none(seed)
        own = {"dtype": decision_policy(self), "trainable": self.trainable}
        self.hidden_layers = [
            float_part(
                keras.layers.Dense(self.hidden, kernel_initializer=self._initializer(k), name=f"hidden_{k}", **own)
            )
            for k in (1, 2)
        ]
        self.normalizations = [
            keras.layers.BatchNormalization(
                momentum=self.momentum, epsilon=self.epsilon, name=f"normalization_{k}", **own
            )
            for k in (1, 2)
            if normalized
        ]
        self.scores_layer = float_part(keras.layers.Dense(self.sinks, kernel_initializer="zeros", name="scores", **own))

    def _initializer(self, index: int) -> keras.initializers.Initializer:
        seed = distinct_seed(self.seed, index)
        return keras.initializers.VarianceScaling(1.0, "fan_in", "untruncated_normal", seed=seed)

    def build(self, inputs_shape: Any, reach_shape: Any = None, cost_shape: Any = None) -> None:
        units = prod(inputs_shape[1:]) + (cost_shape is not None)
        for dense, size in zip(self.hidden_layers, (units, self.hidden), strict=True):
            dense.build((None, size))
        for normalization in self.normalizations:
            normalization.build((None, self.hidden))
        self.scores_layer.build((None, self.hidden))

    def call(self, inputs: Any, reach: Any = None, cost: Any = None, training: bool | None = None) -> tuple[Any, ...]:
        scores = self.scores(inputs, cost, training)
        decision = ops.cast(ops.softmax(scores) if training else _first_largest(scores), self.compute_dtype)
        if reach is not None:
            decision = decision * ops.cast(reach, decision.dtype)
        return decision, scores, *(decision[:, n : n + 1] for n in range(self.sinks))

    def scores(self, inputs: Any, cost: Any = None, training: bool | None = None) -> Any:
        """Returns the scores of the sinks alone, `(batch, sinks)`."""
        x = ops.cast(ops.reshape(inputs, (-1, prod(inputs.shape[1:]))), self.scores_layer.compute_dtype)
        if cost is not None:
            x = ops.concatenate([x, ops.cast(cost, x.dtype)], axis=-1)
        for number, dense in enumerate(self.hidden_layers):
            x = dense(x)
            if self.normalizations:
                x = self.normalizations[number](x, training=training)
            x = ops.relu(x)
        return self.scores_layer(x)

    def compute_output_spec(
        self, inputs: Any, reach: Any = None, cost: Any = None, training: bool | None = None
    ) -> tuple[Any, ...]:
        decision, score = self.compute_dtype, self.scores_layer.compute_dtype
        columns = [(self.sinks, decision), (self.sinks, score), *((1, decision),) * self.sinks]
        return tuple(keras.KerasTensor((inputs.shape[0], width), dtype=dtype) for width, dtype in columns)

    def observed(self, outputs: Any) -> dict[str, Any]:
        """Returns what objectives read beside the decision, among this layer's `outputs` (a flat list)."""
        return {"scores": outputs[1]}

    def margins(self, *inputs: Any) -> Any:
        """Returns how much the best score for going on exceeds that for the first sink, `(batch, 1)`."""
        scores = self.scores(inputs[0], inputs[2] if len(inputs) > 2 else None, training=False)
        return ops.max(scores[:, 1:], axis=-1, keepdims=True) - scores[:, :1]

    def shift_thresholds(self, shifts: np.ndarray) -> None:
        """Adds `shifts` `(1,)` to the margin for going on."""
        bias = np.array(self.scores_layer.bias)
        bias[0] -= shifts[0]
        self.scores_layer.bias.assign(bias)

    def shifts_for_rate(self, rate: float, *inputs: Any) -> np.ndarray:
        """Returns the shift with which a share `rate` of the samples that come here goes on."""
        margins, come = np.asarray(self.margins(*inputs), "float64")[:, 0], self.comes(*inputs)
        return np.array([shift_for_rate(rate, margins[come] if come.any() else margins)])

    def comes(self, *inputs: Any) -> np.ndarray:
        """Returns which samples did not leave before, a boolean array `(batch,)`."""
        if len(inputs) < 2 or inputs[1] is None:
            return super().comes(*inputs)
        return np.asarray(ops.cast(inputs[1], "float32"))[:, 0] > 0.5

    def taken(self, outputs: Any) -> np.ndarray:
        """Returns which samples go on, an array `(batch, 1)` of 0 and 1."""
        return super().taken(outputs)[:, 1:].sum(axis=1, keepdims=True)

    def without_normalization(self, folded_weights: Callable[[Any, Any], list[np.ndarray]]) -> "Junction":
        """Returns a copy for inference, whose hidden layers have `folded_weights(layer, normalization)`."""
        layer = type(self).from_config({**self.get_config(), "normalized": False})
        layer.build_from_config(self.get_build_config())
        for number, normalization in enumerate(self.normalizations):
            layer.hidden_layers[number].set_weights(folded_weights(self.hidden_layers[number], normalization))
        layer.scores_layer.set_weights(self.scores_layer.get_weights())
        return layer

    def macs(self, input_shape: Any) -> int:
        """Returns the multiply-accumulates per sample for inputs of these shapes, batch included."""
        # What is told beside the input is one more unit; the kernel knows.
        units = self.hidden_layers[0].kernel.shape[0]
        return self.hidden * (units + self.hidden + self.sinks)

    def get_config(self) -> dict[str, Any]:
        config = {
            "sinks": self.sinks,
            "hidden": self.hidden,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "seed": self.seed,
            "normalized": bool(self.normalizations),
        }
        return {**super().get_config(), **config}


def _first_largest(scores: Any) -> Any:
    # Compared, not argmax: its export needs operations that converters refuse.
    largest = scores >= ops.max(scores, axis=-1, keepdims=True)
    return ops.logical_and(largest, ops.cumsum(ops.cast(largest, "int32"), axis=-1) == 1)
