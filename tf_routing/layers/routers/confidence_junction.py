"""The junction of cascades: who is classified with confidence leaves, all others go on."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from tf_routing.core.tensors import Tensor
from tf_routing.layers.parts import decision_policy
from tf_routing.layers.routers.exit_router import ExitRouter
from tf_routing.support.validation import is_number, plain

# Of a probability that is 1 in float32 the log-odds are infinite: no more than about 14 are told apart.
LEAST_DOUBT = 1e-6


@keras.saving.register_keras_serializable(package="tf_routing")
class ConfidenceJunction(ExitRouter):
    """Lets a sample leave where its most probable class is probable enough, and go on where it is not.

    Equation:
        c = max softmax(z)
        s = [0, theta - log(c / (1 - c))]
        d = one_hot(argmax(s))       at inference: leaves if c >= 1 / (1 + exp(-theta))
        d = softmax(s)               in training
        D = p d

        with z (B, K) the logits of K classes, `inputs`; theta the threshold of the log-odds of c, which starts at those
        of `confidence`; p (B, 1) the probability of reaching the junction, `reach`; and D (B, 2) that of leaving and
        of going on. 1 - c counts as 1e-6 at least.

        The order of log-odds is that of c, so that a threshold of one is a threshold of the other. Log-odds tell apart
        what is nearly certain, and one number added to the thresholds of several junctions means the same at all.

    Args:
        confidence: Float in (0, 1), the least probability of the most probable class with which a sample leaves.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, classes)`, logits.
        reach: Tensor `(batch, 1)`, the probability of a sample to reach the junction; 1 where not given.
        training: Boolean.

    Returns:
        Tuple of the decision `(batch, 2)`, the scores `(batch, 2)`, and the columns of the decision, `(batch, 1)`, as
        of a `Junction`.

    Raises:
        ValueError: If `confidence` is out of range, or the inputs are no logits of several classes.

    Example:

    >>> import numpy as np
    >>> junction = ConfidenceJunction(confidence=0.75)
    >>> decision, *_ = junction(keras.ops.log(np.array([[0.8, 0.2], [0.6, 0.4]], "float32")))
    >>> decision.numpy().tolist()
    [[1.0, 0.0], [0.0, 1.0]]

    Reference:
        McGill and Perona (2017), *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*,
        arXiv:1703.06217, section 3, for junctions; the threshold is that of Wang et al. (2017), *IDK Cascades: Fast
        Deep Learning by Learning not to Overthink*, arXiv:1706.00885.
    """

    def __init__(self, confidence: float = 0.9, **kwargs: Any) -> None:
        super().__init__(2, **kwargs)
        if not (is_number(confidence) and 0 < confidence < 1):
            raise ValueError(f"`confidence` must be in (0, 1). Received: confidence={confidence!r}")
        self.confidence = plain(confidence)
        self.threshold: Any = None

    def build(self, inputs_shape: Any, reach_shape: Any = None) -> None:
        if len(inputs_shape) != 2 or inputs_shape[-1] is None or inputs_shape[-1] < 2:
            raise ValueError(
                f"ConfidenceJunction takes logits (batch, classes) of two classes at least. Received: {inputs_shape}"
            )
        start = keras.initializers.Constant(math.log(self.confidence / (1 - self.confidence)))
        policy = decision_policy(self)
        self.threshold = self.add_weight((1,), start, policy.variable_dtype, name="threshold")

    def scores(self, inputs: Tensor, cost: Tensor | None = None, training: bool | None = None) -> Tensor:
        """Returns only the scores for leaving and for going on, `(batch, 2)`."""
        margin = self.threshold - log_odds(ops.cast(inputs, self.score_dtype))
        return ops.concatenate([ops.zeros_like(margin), margin], axis=-1)

    def shift_thresholds(self, shifts: np.ndarray) -> None:
        """Adds `shifts` `(1,)` to the margin for going on."""
        self.threshold.assign_add(np.asarray(shifts, "float32"))

    def macs(self, input_shape: Any) -> int:
        """Returns the multiply-accumulates per sample, which are none."""
        return 0

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "confidence": self.confidence}


def log_odds(logits: Tensor) -> Any:
    """Returns the log-odds of the most probable class, `(batch, 1)`, 13.8 at most.

    Example:

    >>> import numpy as np
    >>> float(log_odds(keras.ops.log(np.array([[0.75, 0.2, 0.05]])))[0, 0])  # log(0.75 / 0.25)
    1.09...
    """
    # As exp(0) is 1, the others' sum is that of all, less one.
    relative = ops.exp(logits - ops.max(logits, axis=-1, keepdims=True))
    return -ops.log(ops.maximum(ops.sum(relative, axis=-1, keepdims=True) - 1, LEAST_DOUBT))
