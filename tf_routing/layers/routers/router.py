"""Base class of routers: decisions by thresholds, which calibration shifts to a wanted rate."""

import math
from typing import Any

import keras
import numpy as np

from tf_routing.core.tensors import Tensor
from tf_routing.support.validation import is_number, plain


class Router(keras.layers.Layer):
    """Decides by thresholds which parts run for each sample (base class).

    The decision is an ordinary tensor `(batch, choices)` of 0 and 1 in the functional graph; `decision` picks it among
    the layer's outputs. A choice is made by the sign of its score, and `shift_thresholds` moves the threshold of the
    score: so `tf_routing.calibrate` sets the share of samples for which a part runs.

    Scores are computed and compared in float32 where the layer's policy has half precision; decisions have the compute
    dtype of the layer.

    Args:
        **kwargs: As for every `keras.layers.Layer`.
    """

    def __init__(self, **kwargs: Any) -> None:
        # No autocast: inputs and weights keep their dtype, and the parts cast them by `decision_policy`.
        super().__init__(autocast=False, **kwargs)

    def decision(self, outputs: Any) -> Tensor:
        """Returns the 0/1 switches among this layer's `outputs` (a flat list)."""
        return outputs[0]

    def decided(self, outputs: Any, is_open: bool) -> list[Any]:
        """Returns this layer's `outputs` (a flat list) with every choice taken for all samples, or none."""
        decision = self.decision(outputs)
        given = keras.ops.ones_like(decision) if is_open else keras.ops.zeros_like(decision)
        return [given if each is decision else each for each in outputs]

    def margins(self, *inputs: Any) -> Tensor:
        """Returns scores at inference, `(batch, choices)`: a choice is taken where its score is positive."""
        raise NotImplementedError

    @property
    def least_rate(self) -> float:
        """The least share of samples for which a choice can be taken."""
        return 0.0

    def comes(self, *inputs: Any) -> np.ndarray:
        """Returns which samples reach this router, a boolean array `(batch,)`: all of them, unless some can leave."""
        return np.ones(len(inputs[0]), dtype=bool)

    def taken(self, outputs: Any) -> np.ndarray:
        """Returns which choices with a movable threshold are taken, an array `(batch, choices)` of 0 and 1."""
        return np.asarray(keras.ops.cast(self.decision(outputs), "float32"))

    def shift_thresholds(self, shifts: np.ndarray) -> None:
        """Adds `shifts` `(choices,)` to all that `margins` returns from now on."""
        raise NotImplementedError

    def shifts_for_rate(self, rate: float, *inputs: Any) -> np.ndarray:
        """Returns the shifts with which every choice is taken for a share `rate` of the given inputs.

        Args:
            rate: Float in [0, 1].
            *inputs: The router's call arguments, for a batch of samples.

        Returns:
            Array `(choices,)`. Thresholds end up half way between the scores of two samples; where scores are equal,
            the share is the nearest possible.
        """
        margins = np.asarray(self.margins(*inputs), "float64")
        return np.array([shift_for_rate(rate, column) for column in margins.T])


def shift_for_rate(rate: float, margins: np.ndarray) -> float:
    """Returns the number that, added to `margins`, makes a share `rate` of them positive."""
    ordered = np.sort(margins)[::-1]
    positive = round(rate * len(ordered))
    if 0 < positive < len(ordered) and ordered[positive - 1] == ordered[positive]:
        # Equal scores cannot be separated: the threshold goes to the nearer end of the run of equal ones.
        before, after = int((ordered > ordered[positive]).sum()), int((ordered >= ordered[positive]).sum())
        positive = before if positive - before <= after - positive else after
    if positive == 0:
        return float(-ordered[0] - _beyond(ordered))
    if positive == len(ordered):
        return float(-ordered[-1] + _beyond(ordered))
    return float(-(ordered[positive - 1] + ordered[positive]) / 2)


def _beyond(ordered: np.ndarray) -> float:
    # Well past the last score: masked and sparse execution differ in the last digits, and must decide alike.
    return float(max(ordered[0] - ordered[-1], 1e-3))


def check_open_rate(rate: float | None) -> float | None:
    """Returns `rate` if it is `None` or in (0, 1), else raises a `ValueError` that names `init_open_rate`."""
    if rate is not None and not (is_number(rate) and 0 < rate < 1):
        raise ValueError(f"`init_open_rate` must be in (0, 1). Received: init_open_rate={rate!r}")
    return plain(rate)


def open_score(rate: float | None) -> float:
    """Returns by how much the score for "on" exceeds that for "off" at this probability of "on" (its logit)."""
    return 0.0 if rate is None else math.log(rate / (1 - rate))
