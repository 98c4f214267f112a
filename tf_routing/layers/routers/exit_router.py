"""Base class of junctions: at inference the sink of the largest score, in training a share of each."""

from typing import Any

import keras
import numpy as np
from keras import ops

from tf_routing.core.tensors import Tensor
from tf_routing.layers.parts import decision_policy
from tf_routing.layers.routers.router import Router, shift_for_rate


class ExitRouter(Router):
    """Chooses one of several sinks for every sample that reaches it (base class).

    Equation:
        d = one_hot(argmax(s))       at inference
        d = softmax(s)               in training
        D = p d

        with s (B, `sinks`) the scores, the first one that for leaving, and p (B, 1) the probability of reaching the
        junction, `reach`. Of equal scores the first is chosen.

    Args:
        sinks: Integer, the number of sinks.
        **kwargs: As for every `keras.layers.Layer`.
    """

    def __init__(self, sinks: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sinks = sinks

    def scores(self, inputs: Tensor, cost: Tensor | None = None, training: bool | None = None) -> Tensor:
        """Returns only the scores of the sinks, `(batch, sinks)`."""
        raise NotImplementedError

    @property
    def score_dtype(self) -> str:
        """The precision in which scores are computed and compared."""
        return decision_policy(self).compute_dtype

    def call(
        self, inputs: Tensor, reach: Tensor | None = None, cost: Tensor | None = None, training: bool | None = None
    ) -> tuple[Any, ...]:
        scores = self.scores(inputs, cost, training)
        decision = ops.cast(ops.softmax(scores) if training else _first_largest(scores), self.compute_dtype)
        if reach is not None:
            decision = decision * ops.cast(reach, decision.dtype)
        return decision, scores, *(decision[:, n : n + 1] for n in range(self.sinks))

    def compute_output_spec(
        self, inputs: Any, reach: Any = None, cost: Any = None, training: bool | None = None
    ) -> tuple[Any, ...]:
        decision, score = self.compute_dtype, self.score_dtype
        columns = [(self.sinks, decision), (self.sinks, score), *((1, decision),) * self.sinks]
        return tuple(keras.KerasTensor((inputs.shape[0], width), dtype=dtype) for width, dtype in columns)

    def decided(self, outputs: Any, is_open: bool) -> list[Any]:
        """Returns this layer's `outputs` (a flat list) with all samples sent to the last sink, or leaving here."""
        _, scores, *columns = outputs
        chosen = len(columns) - 1 if is_open else 0
        sent = [ops.ones_like(each) if n == chosen else ops.zeros_like(each) for n, each in enumerate(columns)]
        return [ops.concatenate(sent, axis=-1), scores, *sent]

    def observed(self, outputs: Any) -> dict[str, Any]:
        """Returns the scores among this layer's `outputs` (a flat list), which objectives read."""
        return {"scores": outputs[1]}

    def margins(self, *inputs: Any) -> Tensor:
        """Returns by how much the best score for going on exceeds the score of the first sink, `(batch, 1)`."""
        scores = self.scores(inputs[0], inputs[2] if len(inputs) > 2 else None, training=False)
        return ops.max(scores[:, 1:], axis=-1, keepdims=True) - scores[:, :1]

    def shifts_for_rate(self, rate: float, *inputs: Any) -> np.ndarray:
        """Returns the shift with which a share `rate` of the samples that reach the junction goes on."""
        margins, come = np.asarray(self.margins(*inputs), "float64")[:, 0], self.comes(*inputs)
        # If no sample reaches the junction, the rate is that of all samples, as if they did.
        return np.array([shift_for_rate(rate, margins[come] if come.any() else margins)])

    def comes(self, *inputs: Any) -> np.ndarray:
        """Returns which samples reach the junction, a boolean array `(batch,)`: those that did not leave before it."""
        if len(inputs) < 2 or inputs[1] is None:
            return super().comes(*inputs)
        return np.asarray(ops.cast(inputs[1], "float32"))[:, 0] > 0.5

    def taken(self, outputs: Any) -> np.ndarray:
        """Returns which samples go on, an array `(batch, 1)` of 0 and 1."""
        return super().taken(outputs)[:, 1:].sum(axis=1, keepdims=True)


def _first_largest(scores: Any) -> Any:
    # A comparison: `argmax` of floats exports as Bitcast, which ONNX and TensorFlow Lite converters reject.
    largest = scores >= ops.max(scores, axis=-1, keepdims=True)
    return ops.logical_and(largest, ops.cumsum(ops.cast(largest, "int32"), axis=-1) == 1)
