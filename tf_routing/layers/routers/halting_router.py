"""The router of networks whose stages end early: how much a unit says to its stage's output, and who needs another."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tf_routing.core.tensors import Tensor
from tf_routing.execution.run import Run
from tf_routing.layers.channels_last import check_channels_last
from tf_routing.layers.parts import decision_policy, float_part
from tf_routing.layers.pooling import channel_means
from tf_routing.layers.routers.router import Router, shift_for_rate
from tf_routing.support.validation import is_number, plain

_MOMENTUM, _EPSILON = 0.9, 1e-5
# Keeps logits finite.
_LEAST = 1e-6


@keras.saving.register_keras_serializable(package="tf_routing")
class HaltingRouter(Router):
    """Scores the output of a unit, and halts the samples, or the positions, whose scores have come up to one.

    There is one behind every unit of a stage but the last. A stage's output is the mean of its units' outputs
    (`HaltingMean`), and what a sample has left of that mean goes from router to router.

    Equation:
        h = sigmoid(W1 GAP(X) + b)                  for samples
        h = sigmoid(W2 * X + W1 GAP(X) + b)         for positions, where `spatial`
        p = h if r - h > eps else r
        r' = r - p
        d = 1 if r' > 0 for the sample, or for any of its positions, else 0

        with X = `inputs`, (B, H, W, C), the output of a unit; r = `remaining`, which is 1 where not given; and eps =
        `tolerance`. W1: C -> 1, W2 a 3x3 convolution to one channel. p is the weight of X in the mean, r' what is left
        for units to come, and d (B, 1) the decision whether the next one runs; h, p and r are (B, 1), or (B, H, W, 1)
        where `spatial`. b starts at `init_bias`. With `normalize` X and GAP(X) are normalised over the batch first.

        The paper writes sums: N = min{n: h_1 + ... + h_n >= 1 - eps} is the unit that halts, R = 1 - (h_1 + ... +
        h_(N-1)) its weight, h_n those of the units before, and 0 those behind. Here r is one less the sum so far, and 0
        where it halted, so that the last unit's weight is r. Comparisons have no gradient. The authors' public code
        normalises, and on CIFAR-10 puts a leaky ReLU behind the normalisation, which the paper does not have.

    Args:
        spatial: Boolean, whether positions halt, each by itself, or samples.
        tolerance: Float in (0, 1), what of the weight may be left where a sample halts, so that it can at once.
        init_bias: Float, the bias that scores start with.
        normalize: Boolean, whether what is scored is normalised over the batch.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, height, width, channels)`, a unit's output.
        remaining: Tensor `(batch, 1)`, or `(batch, height, width, 1)` where `spatial`, what the router before left;
            `None` behind the first unit.
        training: Boolean.
        run: What a model hands to its layers at inference; left out by users.

    Returns:
        Triple of the decision `(batch, 1)`, 0 or 1, and the weight and what remains, of the shape of `remaining`.

    Raises:
        ValueError: If an argument is out of range, or `inputs` are no maps.

    Example:

    >>> router = HaltingRouter(init_bias=0.0)
    >>> decision, weight, remaining = router(keras.ops.zeros((1, 8, 8, 4)))
    >>> float(decision[0, 0]), float(weight[0, 0]), float(remaining[0, 0])
    (1.0, 0.5, 0.5)
    >>> decision, weight, remaining = router(keras.ops.zeros((1, 8, 8, 4)), remaining)
    >>> float(decision[0, 0]), float(weight[0, 0]), float(remaining[0, 0])
    (0.0, 0.5, 0.0)

    Reference:
        Figurnov et al. (2016), *Spatially Adaptive Computation Time for Residual Networks*, arXiv:1612.02297, section
        2, and the authors' public code; for samples after Graves (2016), *Adaptive Computation Time for Recurrent
        Neural Networks*, arXiv:1603.08983, section 2.
    """

    takes_run = True

    def __init__(
        self,
        spatial: bool = False,
        tolerance: float = 0.01,
        init_bias: float = -3.0,
        normalize: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not (is_number(tolerance) and 0 < tolerance < 1):
            raise ValueError(f"`tolerance` must be in (0, 1). Received: tolerance={tolerance!r}")
        if not (is_number(init_bias) and np.isfinite(init_bias)):
            raise ValueError(f"`init_bias` must be a finite number. Received: init_bias={init_bias!r}")
        self.spatial, self.normalize = bool(spatial), bool(normalize)
        self.tolerance, self.init_bias = plain(tolerance), plain(init_bias)
        self.score_layer = float_part(
            keras.layers.Dense(
                1, bias_initializer=keras.initializers.Constant(self.init_bias), **self._options("score", "he_normal")
            )
        )
        self.local_layer: Any = None
        if self.spatial:
            self.local_layer = keras.layers.Conv2D(
                1, 3, padding="same", use_bias=False, **self._options("local", "he_normal")
            )
        self.normalization = self._add_normalization("normalization", self.normalize)
        self.local_normalization = self._add_normalization("local_normalization", self.normalize and self.spatial)

    def _options(self, name: str, initializer: str | None = None) -> dict[str, Any]:
        # `trainable` too: a network that was saved with frozen routers must load with as many trainable weights.
        options = {"dtype": decision_policy(self), "trainable": self.trainable, "name": name}
        return options if initializer is None else {**options, "kernel_initializer": initializer}

    def _add_normalization(self, name: str, is_wanted: bool) -> Any:
        if not is_wanted:
            return None
        return keras.layers.BatchNormalization(momentum=_MOMENTUM, epsilon=_EPSILON, **self._options(name))

    def build(self, inputs_shape: Any, remaining_shape: Any = None) -> None:
        if len(inputs_shape) != 4:
            raise ValueError(
                f"HaltingRouter takes maps (batch, height, width, channels). "
                f"Received: inputs.shape={tuple(inputs_shape)}"
            )
        check_channels_last("HaltingRouter")
        pooled = (None, inputs_shape[-1])
        self.score_layer.build(pooled)
        if self.normalization is not None:
            self.normalization.build(pooled)
        if self.local_layer is not None:
            self.local_layer.build(inputs_shape)
        if self.local_normalization is not None:
            self.local_normalization.build(inputs_shape)

    def call(
        self, inputs: Tensor, remaining: Tensor | None = None, training: bool | None = None, run: Run | None = None
    ) -> tuple[Any, Any, Any]:
        score = ops.sigmoid(self._logits(inputs, training, run))
        before = self._before(score, remaining)
        goes_on = before - score > self.tolerance
        weight = ops.where(goes_on, score, before)
        # Exactly zero where it halted, by which it is known from then on.
        return ops.cast(self._anywhere(goes_on), self.compute_dtype), weight, before - weight

    def _logits(self, inputs: Any, training: bool | None, run: Run | None = None) -> Any:
        """Returns the logit of the score, `(batch, 1)`, or `(batch, height, width, 1)` where positions halt."""
        means = channel_means(inputs, run)
        if self.normalization is not None:
            means = self.normalization(means, training=training)
        logits = self.score_layer(means)
        if self.local_layer is None:
            return logits
        maps = inputs
        if self.local_normalization is not None:
            maps = self.local_normalization(maps, training=training)
        return self.local_layer(maps) + ops.reshape(logits, (-1, 1, 1, 1))

    def _before(self, scores: Any, remaining: Any) -> Any:
        return ops.ones_like(scores) if remaining is None else ops.cast(remaining, scores.dtype)

    def _anywhere(self, flags: Any) -> Any:
        """Returns which samples have a flag, at any position where there are some, `(batch, 1)`."""
        return ops.any(flags, axis=(1, 2)) if self.spatial else flags

    def compute_output_spec(
        self, inputs: Any, remaining: Any = None, training: bool | None = None, run: Run | None = None
    ) -> tuple[Any, Any, Any]:
        shape = (*inputs.shape[:3], 1) if self.spatial else (inputs.shape[0], 1)
        share = keras.KerasTensor(shape, dtype=self.score_layer.compute_dtype)
        decision = keras.KerasTensor((inputs.shape[0], 1), dtype=self.compute_dtype)
        return decision, share, keras.KerasTensor(shape, dtype=self.score_layer.compute_dtype)

    def observed(self, outputs: Sequence[Any]) -> dict[str, Any]:
        """Returns the weight and what remains, which the objective and the account of positions read."""
        return {"weight": outputs[1], "remaining": outputs[2]}

    def decided(self, outputs: Sequence[Any], is_open: bool) -> list[Any]:
        """Returns this layer's `outputs` with the next unit run by all samples, or by none.

        Who halted has no weight left for further units. Who does not go on leaves all of it with this one.
        """
        decision, weight, remaining = outputs
        if is_open:
            return [ops.ones_like(decision), weight, remaining]
        return [ops.zeros_like(decision), weight + remaining, ops.zeros_like(remaining)]

    def margins(self, *inputs: Any) -> Tensor:
        """Returns by how much the logit of the score lies below that with which a sample halts, `(batch, 1)`.

        Where positions halt, it is that of the position that would go on for longest. It is below zero for a sample
        that halted before, which no shift of this threshold brings back.
        """
        logits = self._logits(inputs[0], training=False)
        before = self._before(logits, inputs[1] if len(inputs) > 1 else None)
        edge = ops.clip(before - self.tolerance, _LEAST, 1 - _LEAST)
        margins = ops.log(edge) - ops.log(1 - edge) - logits
        margins = ops.where(before > self.tolerance, margins, -ops.abs(margins) - 1)
        return ops.max(margins, axis=(1, 2)) if self.spatial else margins

    def shift_thresholds(self, shifts: np.ndarray) -> None:
        """Subtracts `shifts` `(1,)` from the bias of the scores."""
        self.score_layer.bias.assign(np.asarray(self.score_layer.bias) - np.asarray(shifts, "float32"))

    def shifts_for_rate(self, rate: float, *inputs: Any) -> np.ndarray:
        """Returns the shift with which a share `rate` of the inputs goes on; at most those that did not halt before."""
        margins = np.asarray(self.margins(*inputs), "float64")[:, 0]
        comes = np.ones(len(margins), bool)
        if len(inputs) > 1 and inputs[1] is not None:
            before = np.asarray(ops.cast(inputs[1], "float32")) > self.tolerance
            comes = before.reshape(len(margins), -1).any(axis=1)
        if not comes.any():
            return np.zeros(1)
        return np.array([shift_for_rate(min(1.0, rate * len(comes) / comes.sum()), margins[comes])])

    def macs(self, input_shape: Any) -> int:
        """Returns the multiply-accumulates per sample for inputs of these shapes, batch included."""
        shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        _, height, width, channels = shape
        return channels * (1 + 9 * height * width) if self.spatial else channels

    def get_config(self) -> dict[str, Any]:
        config = {
            "spatial": self.spatial,
            "tolerance": self.tolerance,
            "init_bias": self.init_bias,
            "normalize": self.normalize,
        }
        return {**super().get_config(), **config}
