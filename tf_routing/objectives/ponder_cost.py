"""The objective of adaptive computation time: classification, and a cost of units that run before a stage halts."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
from keras import ops

from tf_routing.core.tensors import Array, Tensor
from tf_routing.objectives.classifying_objective import ClassifyingObjective
from tf_routing.support.validation import not_negative


@keras.saving.register_keras_serializable(package="tf_routing")
class PonderCost(ClassifyingObjective):
    """Classification, and the ponder cost: how many units run before a stage halts, and the weight of the last.

    Terms are logged as they enter the sum, together with `ponder_cost`, the cost before it is weighted, and
    `execution_rate`, the share of decisions by which a unit runs.

    Equation:
        rho_k = N_k + R_k = 2 + sum_n d_n (1 - p_n)
        L = L_cls + tau sum_k mean(rho_k)

        with p_n the weight of unit n of stage k, of those that have a router behind them, by the names in `stages`, and
        d_n whether what remains then is above zero, both from `outputs`; N_k the number of units that run; R_k the
        weight of the last of them; tau = `ponder_weight`; and L_cls the cross-entropy of `labels` with
        `label_smoothing`. The mean is over samples, and over positions where these halt.

        N_k has no gradient, so that it is that of R_k: -1 for the score of every unit before the last that runs. The
        constant 2 is N_k = 1 and R_k = 1 of a stage that halts at once.

    Args:
        stages: Names of the routers, a list per stage.
        ponder_weight: Float tau, weight of the ponder cost.
        label_smoothing: Float in [0, 1), as for `Classification`.

    Raises:
        ValueError: If no router is named, or the weight is negative.

    Example:

    >>> objective = PonderCost([["router_1", "router_2"]], ponder_weight=0.1)
    >>> outputs = {"router_1_weight": keras.ops.array([[0.25]]), "router_1_remaining": keras.ops.array([[0.75]])}
    >>> outputs |= {"router_2_weight": keras.ops.array([[0.75]]), "router_2_remaining": keras.ops.array([[0.0]])}
    >>> terms = objective(keras.ops.array([3]), {"logits": keras.ops.zeros((1, 4)), **outputs})
    >>> {name: round(float(term), 4) for name, term in terms.items()}
    {'classification_loss': 1.3863, 'ponder_loss': 0.275}

    Reference:
        Figurnov et al. (2016), *Spatially Adaptive Computation Time for Residual Networks*, arXiv:1612.02297, section
        2, after Graves (2016), *Adaptive Computation Time for Recurrent Neural Networks*, arXiv:1603.08983, section 2.
    """

    def __init__(
        self, stages: Sequence[Sequence[str]], ponder_weight: float = 0.01, label_smoothing: float = 0.0
    ) -> None:
        self.stages = [list(routers) for routers in stages]
        if not any(self.stages):
            raise ValueError("`stages` must name one router at least. Received: none")
        self.ponder_weight = not_negative("ponder_weight", ponder_weight)
        super().__init__(label_smoothing)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the terms: classification and ponder losses."""
        return ("classification_loss", "ponder_loss")

    @property
    def measured_names(self) -> tuple[str, ...]:
        """The names of the measures, `ponder_cost` and `execution_rate`."""
        return ("ponder_cost", "execution_rate")

    def __call__(
        self, labels: Array, outputs: dict[str, Tensor], sample_weight: Array | None = None
    ) -> dict[str, Tensor]:
        return {
            **self.classification(labels, outputs, sample_weight),
            "ponder_loss": self.ponder_weight * self._ponder_cost(outputs),
        }

    def measures(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns the ponder cost, and the share of decisions by which a unit runs."""
        runs = [ops.mean(ops.cast(self._runs_on(outputs, name), "float32")) for name in self._names()]
        return {"ponder_cost": self._ponder_cost(outputs), "execution_rate": sum(runs[1:], start=runs[0]) / len(runs)}

    def _ponder_cost(self, outputs: dict[str, Any]) -> Any:
        total = ops.convert_to_tensor(2.0 * len(self.stages), "float32")
        for name in self._names():
            goes_on = ops.cast(ops.cast(outputs[f"{name}_remaining"], "float32") > 0, "float32")
            total = total + ops.mean(goes_on * (1 - ops.cast(outputs[f"{name}_weight"], "float32")))
        return total

    def _runs_on(self, outputs: dict[str, Any], name: str) -> Any:
        """Returns for which samples a unit runs, for one of its positions at least, `(batch,)`."""
        remaining = ops.cast(outputs[f"{name}_remaining"], "float32") > 0
        return ops.any(remaining, axis=tuple(range(1, len(remaining.shape))))

    def _names(self) -> Iterator[str]:
        return (name for routers in self.stages for name in routers)

    def get_config(self) -> dict[str, Any]:
        return {
            "stages": self.stages,
            "ponder_weight": self.ponder_weight,
            **super().get_config(),
        }
