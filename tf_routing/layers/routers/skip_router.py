"""The router of networks that skip: a per-image decision whether a residual block runs or is bypassed."""

import math
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
from tf_routing.layers.routers.router import Router, check_open_rate, open_score
from tf_routing.support.validation import one_of, plain, positive_integer, positive_number, seed_or_none

CHANNELS = "channels"
ACTIVATIONS = ("relu", "linear")
KINDS = ("linear", "conv", "recurrent")
DECISIONS = ("threshold", "bernoulli", "given")
RELAXATIONS = ("soft", "straight_through", "sampled")


@keras.saving.register_keras_serializable(package="tf_routing")
class SkipRouter(Router):
    """Decides for each sample whether a block runs or is bypassed.

    Equation:
        R = W2 ReLU(W1 GAP(X) + b1) + b2                              (Fig. 2b)
        p = softmax(R)
        r = softmax(beta p)[0] = sigmoid(beta (p[0] - p[1]))          (Eq. 3)
        d = r                            in training
        d = 1 if r >= 0.5 else 0         at inference                 (Eq. 11)

        with X = `inputs`, (B, H, W, C); W1: C -> `hidden`, W2: `hidden` -> 2; p[0] the probability of running the
        block, p[1] of bypassing it; and d the output. A frozen router decides in training as at inference. With
        `relaxation` "straight_through" d is 0 or 1 in training as at inference, with the gradient of p[0]; with
        "sampled" it is drawn, 1 with probability p[0], and has no gradient. With `kind`
        "conv" R = W2 GAP(ReLU(BN(W1 * X))) + b2, where W1 is a 3x3 convolution of stride 2 that keeps C; with
        "recurrent" R = X, the scores (B, 2) of a RouterMemory.

        The paper gives neither `beta`, on which d at inference does not depend, nor `hidden`, nor a nonlinearity
        between the two layers, which without one would be a single layer.

    Args:
        kind: `"linear"`, two dense layers on channel means; `"conv"`, a 3x3 convolution, channel means and one dense
            layer; or `"recurrent"`, without weights: the scores come from a `RouterMemory` that all blocks share.
        hidden: Integer, hidden units of a `"linear"` router, or `"channels"` for as many as the input has channels.
        hidden_activation: Activation of the hidden units; `"linear"` makes the two layers one.
        relaxation: How to decide in training: `"soft"`, by a share in [0, 1]; `"straight_through"`, hard, with the
            gradient of the probability; or `"sampled"`, at random, for an objective that reads the probability itself.
        beta: Float, steepness of the soft decision in training; counts with `relaxation="soft"`.
        decision: How to decide at inference: `"threshold"` as above; `"bernoulli"` at random with probability p[0]; or
            `"given"`, by the second call argument, in training too, so that no weight of the router is read.
        init_open_rate: Float in (0, 1), the probability of running that the biases start with; `None` is 0.5. With
            `"recurrent"` an argument of the memory instead.
        momentum: Float, momentum of the batch normalisation in a `"conv"` router.
        epsilon: Float, added to the variance in that batch normalisation.
        seed: Integer, seed of `"bernoulli"` and `"sampled"`.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, height, width, channels)`, the block's input; with `"recurrent"` scores `(batch, 2)`.
        switches: With `decision="given"`, a tensor `(batch, 1)` of 0 and 1.
        training: Boolean.
        run: What a model hands to its layers at inference; left out by users.

    Returns:
        Tensor `(batch, 1)`: the share in [0, 1] of the block's output in training, 0 or 1 at inference, and wherever
        `relaxation` is not `"soft"`.

    Raises:
        ValueError: If an argument is unknown or out of range, or `inputs` does not have the rank that `kind` needs.

    Example:

    >>> SkipRouter(init_open_rate=0.9)(keras.ops.zeros((3, 8, 8, 4))).shape
    TensorShape([3, 1])

    Reference:
        Wang et al. (2020), *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*,
        arXiv:2005.14439, sections 3.1, 3.4 and 4.4, Eq. 3 and 11, Fig. 2, Table 5. The kinds `"conv"` and `"recurrent"`
        and the relaxation `"straight_through"` are those of Wang, Yu, Dou, Darrell and Gonzalez (2017), *SkipNet:
        Learning Dynamic Routing in Convolutional Networks*, arXiv:1711.09485, section 3.
    """

    takes_run = True

    def __init__(
        self,
        kind: str = "linear",
        hidden: int | str = 16,
        beta: float = 10.0,
        decision: str = "threshold",
        init_open_rate: float | None = None,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        seed: int | None = None,
        hidden_activation: str = "relu",
        relaxation: str = "soft",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kind = one_of("kind", kind, KINDS)
        self.hidden: int | str = hidden if hidden == CHANNELS else positive_integer("hidden", hidden)
        self.hidden_activation = one_of("hidden_activation", hidden_activation, ACTIVATIONS)
        self.beta = positive_number("beta", beta)
        self.rule = one_of("decision", decision, DECISIONS)
        self.relaxation = one_of("relaxation", relaxation, RELAXATIONS)
        self.init_open_rate = check_open_rate(init_open_rate)
        self.momentum, self.epsilon, self.seed = plain(momentum), plain(epsilon), seed_or_none(seed)
        # Only where it is used: the state of a generator is a weight, and would be saved.
        draws = decision == "bernoulli" or relaxation == "sampled"
        self.draw_seed = keras.random.SeedGenerator(self.seed) if draws else None
        self.hidden_layer: Any = None
        # Of as many units as there are channels: when these are known.
        if isinstance(self.hidden, int):
            self.hidden_layer = self._add_hidden(self.hidden)
        self.scores_layer = self._dense(2, "scores", bias_initializer=self._initial_bias)
        self.conv: Any = None
        self.normalization: Any = None
        self.threshold: Any = None

    def _dense(self, units: int, name: str, activation: str | None = None, **arguments: Any) -> keras.layers.Dense:
        # `trainable` too: a network that was saved with frozen routers must load with as many trainable weights.
        options = {"dtype": decision_policy(self), "trainable": self.trainable}
        return float_part(keras.layers.Dense(units, activation, name=name, **options, **arguments))

    def _add_hidden(self, units: int) -> keras.layers.Dense:
        return self._dense(units, "hidden", self.hidden_activation, kernel_initializer="he_normal")

    def build(self, inputs_shape: Any, switches_shape: Any = None) -> None:
        expected = "scores (batch, 2)" if self.kind == "recurrent" else "maps (batch, height, width, channels)"
        fits = tuple(inputs_shape[1:]) == (2,) if self.kind == "recurrent" else len(inputs_shape) == 4
        if not fits:
            raise ValueError(
                f"SkipRouter of kind {self.kind!r} takes {expected}. Received: inputs.shape={tuple(inputs_shape)}"
            )
        if self.kind == "recurrent":
            # The scores are shared by all blocks, the threshold is not; calibration moves it, training does not.
            self.threshold = self.add_weight(
                shape=(1,), initializer="zeros", trainable=False, autocast=False, name="threshold"
            )
            return
        check_channels_last("SkipRouter")
        channels = inputs_shape[-1]
        if self.kind == "conv":
            self._build_conv(inputs_shape)
        else:
            if self.hidden_layer is None:
                self.hidden_layer = self._add_hidden(channels)
            self.hidden_layer.build((None, channels))
        self.scores_layer.build((None, channels if self.kind == "conv" else self._count_hidden(channels)))

    def _count_hidden(self, channels: int) -> int:
        return channels if self.hidden == CHANNELS else int(self.hidden)

    def _build_conv(self, inputs_shape: Any) -> None:
        options = {"dtype": decision_policy(self), "trainable": self.trainable}
        self.conv = keras.layers.Conv2D(
            inputs_shape[-1], 3, 2, "same", use_bias=False, kernel_initializer="he_normal", name="conv", **options
        )
        self.normalization = keras.layers.BatchNormalization(
            momentum=self.momentum, epsilon=self.epsilon, name="normalization", **options
        )
        self.conv.build(inputs_shape)
        self.normalization.build(self.conv.compute_output_shape(inputs_shape))

    def _initial_bias(self, shape: Any, dtype: Any = None) -> Any:
        return ops.convert_to_tensor([open_score(self.init_open_rate), 0.0], dtype=dtype)

    def call(
        self, inputs: Tensor, switches: Tensor | None = None, training: bool | None = None, run: Run | None = None
    ) -> Tensor:
        if self.rule == "given":
            if switches is None:
                raise ValueError("SkipRouter with decision='given' needs its second call argument, `switches`.")
            return ops.cast(switches, self.compute_dtype)
        margins = self._margins(inputs, training, run)
        # Frozen routers decide as at inference, so that the second phase of training tunes the rest to that.
        if training and self.trainable:
            return ops.cast(self._relax(margins), self.compute_dtype)
        return ops.cast(self._is_open(margins, training), self.compute_dtype)

    def _relax(self, margins: Any) -> Any:
        if self.relaxation == "soft":
            return ops.sigmoid(self.beta * _probability_margin(margins))
        if self.relaxation == "sampled":
            return ops.cast(self._draw(margins), "float32")
        probability = ops.sigmoid(margins)
        # Straight through: the value is that of the 0/1 decision, the gradient that of the probability.
        return probability + ops.stop_gradient(ops.cast(margins >= 0, probability.dtype) - probability)

    def _is_open(self, margins: Any, training: bool | None) -> Any:
        return self._draw(margins) if self.rule == "bernoulli" and not training else margins >= 0

    def _draw(self, margins: Any) -> Any:
        # The sigmoid of the margin is p[0], not r: beta does not sharpen what is sampled.
        drawn = uniform_rows(ops.shape(margins), seed=self.draw_seed)
        return drawn < ops.cast(ops.sigmoid(margins), "float32")

    def _margins(self, inputs: Any, training: bool | None, run: Run | None = None) -> Any:
        if self.kind == "recurrent":
            # The objective of what is sampled knows the scores, not the threshold.
            drawn = training and self.trainable and self.relaxation == "sampled"
            return _difference(inputs) + (0 if drawn else ops.cast(self.threshold, inputs.dtype))
        features = self._features(inputs, training, run)
        # Under mixed precision Keras casts a kernel that is read outside of its layer to half precision.
        apart = training or self.scores_layer.compute_dtype != self.compute_dtype
        return _difference(self.scores_layer(features)) if apart else self._margins_at_once(features)

    def _features(self, inputs: Any, training: bool | None, run: Run | None) -> Any:
        if self.kind == "linear":
            return self.hidden_layer(channel_means(inputs, run))
        maps = ops.relu(self.normalization(self.conv(inputs), training=training))
        return channel_means(maps)

    def _margins_at_once(self, features: Any) -> Any:
        # The difference of two scores as one product with the difference of their kernels: with a router per block,
        # the number of small operations decides the time of a batch of one image.
        kernel, bias = self.scores_layer.kernel, self.scores_layer.bias
        vector, constant = _difference(kernel), bias[:1] - bias[1:]
        return ops.add(ops.matmul(features, ops.cast(vector, features.dtype)), ops.cast(constant, features.dtype))

    def compute_output_spec(
        self, inputs: Any, switches: Any = None, training: bool | None = None, run: Run | None = None
    ) -> Any:
        return keras.KerasTensor((inputs.shape[0], 1), dtype=self.compute_dtype)

    def margins(self, *inputs: Any) -> Tensor:
        """Returns how much the score for running exceeds that for bypassing, `(batch, 1)`."""
        return self._margins(inputs[0], training=False)

    def shift_thresholds(self, shifts: np.ndarray) -> None:
        """Adds `shifts` `(1,)` to the score for running.

        Raises:
            ValueError: If the router does not decide by a threshold.
        """
        self._require_threshold()
        if self.threshold is not None:
            self.threshold.assign(np.asarray(self.threshold) + shifts)
            return
        self.scores_layer.bias.assign(np.asarray(self.scores_layer.bias) + np.array([shifts[0], 0.0], "float32"))

    def shifts_for_rate(self, rate: float, *inputs: Any) -> np.ndarray:
        """Returns the shift with which the block runs for a share `rate` of the inputs.

        Raises:
            ValueError: If the router does not decide by a threshold.
        """
        self._require_threshold()
        return super().shifts_for_rate(rate, *inputs)

    def _require_threshold(self) -> None:
        if self.rule != "threshold":
            raise ValueError(
                f"Router {self.name!r} decides by {self.rule!r}, not by a threshold that could be shifted: build the "
                "network with decision='threshold'."
            )

    def macs(self, input_shape: Any) -> int:
        """Returns the multiply-accumulates per sample; none where decisions are given or scores come from a memory."""
        if self.rule == "given" or self.kind == "recurrent":
            return 0
        shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        _, height, width, channels = shape
        if self.kind == "linear":
            return self._count_hidden(channels) * (channels + 2)
        return 9 * channels**2 * math.ceil(height / 2) * math.ceil(width / 2) + 2 * channels

    def get_config(self) -> dict[str, Any]:
        config = {
            "kind": self.kind,
            "hidden": self.hidden,
            "beta": self.beta,
            "decision": self.rule,
            "init_open_rate": self.init_open_rate,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "seed": self.seed,
            "hidden_activation": self.hidden_activation,
            **({} if self.relaxation == "soft" else {"relaxation": self.relaxation}),
        }
        return {**super().get_config(), **config}


def _difference(scores: Any) -> Any:
    return scores[:, :1] - scores[:, 1:]


def _probability_margin(margins: Any) -> Any:
    # p[0] - p[1] for p = softmax(R), given R[0] - R[1].
    return ops.tanh(margins / 2)
