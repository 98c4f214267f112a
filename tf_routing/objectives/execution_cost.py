"""The objective of SkipNet's supervised stage: classification, and a reward for every block that is skipped."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tf_routing.core.tensors import Array, Tensor
from tf_routing.objectives.classifying_objective import ClassifyingObjective
from tf_routing.support.validation import not_negative


@keras.saving.register_keras_serializable(package="tf_routing")
class ExecutionCost(ClassifyingObjective):
    """Classification, and a cost of every block that runs.

    Terms are logged as they enter the sum, together with `execution_rate`, the share of blocks that run.

    Equation:
        R_i = (1 - g_i) C_i,  C_i = 1
        L = L_cls - alpha / N sum_i mean_B(R_i) + alpha = L_cls + alpha / N sum_i mean_B(g_i)

        with g_i (B, 1) the gates of block i = 1..N in `outputs`, by the names in `decisions`; alpha = `cost_weight`;
        and L_cls the cross-entropy of `labels` with `label_smoothing`. The constant alpha changes no gradient.

        This is the hybrid loss of the paper **without its stage of reinforcement learning**: there the gradient of the
        rewards is estimated by policy gradients, on samples of the gates; here it passes through the gates, straight
        through or relaxed, as that of the classification does in the paper's supervised pre-training. That has no
        rewards, which is `cost_weight` 0.

    Args:
        decisions: Names of the decisions.
        cost_weight: Float alpha, weight of the share of blocks that run.
        label_smoothing: Float in [0, 1), as for `Classification`.

    Raises:
        ValueError: If no decision is named, or the weight is negative.

    Example:

    >>> objective = ExecutionCost(["router_1", "router_2"], cost_weight=0.1)
    >>> gates = {"router_1": keras.ops.ones((2, 1)), "router_2": keras.ops.array([[1.0], [0.0]])}
    >>> terms = objective(keras.ops.array([0, 3]), {"logits": keras.ops.zeros((2, 4)), **gates})
    >>> {name: round(float(term), 4) for name, term in terms.items()}
    {'classification_loss': 1.3863, 'execution_loss': 0.075}

    Reference:
        Wang, Yu, Dou, Darrell and Gonzalez (2017), *SkipNet: Learning Dynamic Routing in Convolutional Networks*,
        arXiv:1711.09485, section 3, and the authors' public code.
    """

    def __init__(self, decisions: Sequence[str], cost_weight: float = 0.1, label_smoothing: float = 0.0) -> None:
        if not decisions:
            raise ValueError("`decisions` must name one at least. Received: none")
        self.decisions = list(decisions)
        self.cost_weight = not_negative("cost_weight", cost_weight)
        super().__init__(label_smoothing)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the terms: classification and execution losses."""
        return ("classification_loss", "execution_loss")

    @property
    def measured_names(self) -> tuple[str, ...]:
        """The name of the measure, `execution_rate`."""
        return ("execution_rate",)

    def __call__(
        self, labels: Array, outputs: dict[str, Tensor], sample_weight: Array | None = None
    ) -> dict[str, Tensor]:
        return {
            **self.classification(labels, outputs, sample_weight),
            "execution_loss": self.cost_weight * ops.mean(self._gates(outputs)),
        }

    def measures(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns the share of blocks that hard decisions run."""
        return {"execution_rate": ops.mean(ops.cast(self._gates(outputs) >= 0.5, "float32"))}

    def _gates(self, outputs: dict[str, Any]) -> Any:
        return ops.concatenate([ops.cast(outputs[name], "float32") for name in self.decisions], axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {
            "decisions": self.decisions,
            "cost_weight": self.cost_weight,
            **super().get_config(),
        }
