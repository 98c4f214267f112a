"""The router of early-exit networks: a junction where a sample is classified or goes on to one of several columns."""

from collections.abc import Callable
from math import prod
from typing import Any

import keras
import numpy as np
from keras import ops

from tf_routing.core.tensors import Tensor
from tf_routing.layers.initializers import distinct_seed
from tf_routing.layers.parts import decision_policy, float_part
from tf_routing.layers.pooling import channel_means
from tf_routing.layers.routers.exit_router import ExitRouter
from tf_routing.support.validation import plain, positive_integer, seed_or_none


@keras.saving.register_keras_serializable(package="tf_routing")
class Junction(ExitRouter):
    """Chooses one of several sinks for every sample that reaches it: classify here, or go on to a column.

    Equation:
        x = [flatten(X), k], or [GAP(X), k] with `pooling`
        v = ReLU(BN(W2 ReLU(BN(W1 x + b1)) + b2))
        s = W3 v + b3
        d = one_hot(argmax(s))       at inference       (section 3)
        d = softmax(s)               in training        (Eq. 4)
        D = p d

        with X = `inputs`, (B, H, W, C) or (B, C); k = `cost`, (B, 1), where networks are conditioned on the cost of
        computation; W1 and W2 to `hidden` units, W3: `hidden` -> `sinks`, which starts at zero; BN with `momentum` and
        `epsilon`, absent once it is folded (`normalized`). p = `reach`, (B, 1), is the probability of reaching the
        junction, and the decision D (B, `sinks`) that of reaching its sinks. Of equal scores the first is chosen.

        Eq. 4 divides s by a temperature that falls during training; here it is 1, and the objective, which alone trains
        junctions, applies its temperature to s itself. W1 and W2 start with a variance of one over their inputs, as in
        the authors' public code; the paper calls this the initialisation of Xavier.

    Args:
        sinks: Integer, the number of sinks.
        hidden: Integer, units of the two hidden layers.
        momentum: Float, momentum of the batch normalisations.
        epsilon: Float, added to the variance in them.
        seed: Integer, seed of the kernels.
        normalized: Boolean, whether batch normalisations follow the hidden layers; `False` once they are folded.
        pooling: Boolean, whether maps are averaged over their positions, where they are too large to be flattened.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, height, width, channels)` or `(batch, units)`.
        reach: Tensor `(batch, 1)`, the probability of a sample to reach the junction; 1 where not given.
        cost: Tensor `(batch, 1)`, the per-image cost of computation, for networks that are conditioned on it.
        training: Boolean.

    Returns:
        Tuple of the decision `(batch, sinks)`, at inference with `reach` in the chosen column and zeros elsewhere (a
        row of zeros for a sample that left before), the scores `(batch, sinks)`, and the columns of the decision,
        `(batch, 1)`, which are the reaches of the sinks.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> decision, scores, leave, go_on = Junction(sinks=2)(keras.ops.ones((1, 4, 4, 16)))
    >>> decision.numpy().tolist(), scores.numpy().tolist()
    ([[1.0, 0.0]], [[0.0, 0.0]])

    Reference:
        McGill and Perona (2017), *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*,
        arXiv:1703.06217, sections 3, 4.1, 4.6 and 4.7, Eq. 4, Fig. 2.
    """

    def __init__(
        self,
        sinks: int,
        hidden: int = 16,
        momentum: float = 0.9,
        epsilon: float = 1e-6,
        seed: int | None = None,
        normalized: bool = True,
        pooling: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(positive_integer("sinks", sinks), **kwargs)
        self.hidden = positive_integer("hidden", hidden)
        self.momentum, self.epsilon, self.seed = plain(momentum), plain(epsilon), seed_or_none(seed)
        self.pooling = bool(pooling)
        options = {"dtype": decision_policy(self), "trainable": self.trainable}
        self.hidden_layers = [
            float_part(
                keras.layers.Dense(self.hidden, kernel_initializer=self._initializer(k), name=f"hidden_{k}", **options)
            )
            for k in (1, 2)
        ]
        self.normalizations = [
            keras.layers.BatchNormalization(
                momentum=self.momentum, epsilon=self.epsilon, name=f"normalization_{k}", **options
            )
            for k in (1, 2)
            if normalized
        ]
        self.scores_layer = float_part(
            keras.layers.Dense(self.sinks, kernel_initializer="zeros", name="scores", **options)
        )

    def _initializer(self, index: int) -> keras.initializers.Initializer:
        seed = distinct_seed(self.seed, index)
        return keras.initializers.VarianceScaling(1.0, "fan_in", "untruncated_normal", seed=seed)

    def build(self, inputs_shape: Any, reach_shape: Any = None, cost_shape: Any = None) -> None:
        units = inputs_shape[-1] if self.pooling else prod(inputs_shape[1:])
        units += cost_shape is not None
        for dense, size in zip(self.hidden_layers, (units, self.hidden), strict=True):
            dense.build((None, size))
        for normalization in self.normalizations:
            normalization.build((None, self.hidden))
        self.scores_layer.build((None, self.hidden))

    def scores(self, inputs: Tensor, cost: Tensor | None = None, training: bool | None = None) -> Tensor:
        """Returns only the scores of the sinks, `(batch, sinks)`."""
        # The coarsest maps are so small that the paper flattens them where other routers average.
        x = channel_means(inputs) if self.pooling else ops.reshape(inputs, (-1, prod(inputs.shape[1:])))
        x = ops.cast(x, self.scores_layer.compute_dtype)
        if cost is not None:
            x = ops.concatenate([x, ops.cast(cost, x.dtype)], axis=-1)
        for number, dense in enumerate(self.hidden_layers):
            x = dense(x)
            if self.normalizations:
                x = self.normalizations[number](x, training=training)
            x = ops.relu(x)
        return self.scores_layer(x)

    def shift_thresholds(self, shifts: np.ndarray) -> None:
        """Adds `shifts` `(1,)` to the margin for going on."""
        bias = np.array(self.scores_layer.bias)
        # The margin is the best other score minus the first one, so lowering the first raises it.
        bias[0] -= shifts[0]
        self.scores_layer.bias.assign(bias)

    def without_normalization(self, folded_weights: Callable[[Any, Any], list[np.ndarray]]) -> "Junction":
        """Returns a copy for inference with `folded_weights(layer, normalization)` in its hidden layers."""
        layer = type(self).from_config({**self.get_config(), "normalized": False})
        layer.build_from_config(self.get_build_config())
        for number, normalization in enumerate(self.normalizations):
            layer.hidden_layers[number].set_weights(folded_weights(self.hidden_layers[number], normalization))
        layer.scores_layer.set_weights(self.scores_layer.get_weights())
        return layer

    def macs(self, input_shape: Any) -> int:
        """Returns the multiply-accumulates per sample for inputs of these shapes, batch included."""
        # The kernel also counts the input unit of `cost`, which the shape of the maps does not show.
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
            "pooling": self.pooling,
        }
        return {**super().get_config(), **config}
