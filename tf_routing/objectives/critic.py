"""Junctions that learn as critics: each score predicts what following its sink will cost."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from tf_routing.exit_tree import Exit, Stage
from tf_routing.objectives.early_exit import EarlyExit
from tf_routing.objectives.sample_weights import weighted_mean
from tf_routing.support.validation import not_negative, one_of

ERRORS = ("cross_entropy", "classification")


@keras.saving.register_keras_serializable(package="tf_routing")
class Critic(EarlyExit):
    """Classification, and regression of the junctions' scores on the negative cost of what follows.

    The cost of a part is its computation, the error of the answer at its end, and between them what is taken at
    junctions: for a pragmatic critic the sinks of the largest scores, for an optimistic one the cheapest.

    Args:
        tree: The network's shape, an `exit_tree.Stage` or what `exit_tree.to_config` makes of it.
        macs: Dict from layer to its multiply-accumulates per sample.
        computation_cost: Float, what a multiply-accumulate costs, or a list of values: the model is then told for each
            sample, and training draws from them.
        kernel_decay: Float, weight of the squared kernels.
        talr: Boolean, whether gradients are multiplied by one over the root mean square of the layer's reach.
        temperature: Float, the first temperature.
        temperature_half_life: Float, steps in which the temperature halves; `None` keeps it.
        optimistic: Boolean, whether the cheapest sink counts, rather than the one that would be taken.
        error: `"cross_entropy"`, or `"classification"`: in what scores predict, a wrong answer costs 1 and a right one
            nothing.
        regression_weight: Float, weight of the regression.

    Raises:
        ValueError: If an argument is not possible.

    Example:

    >>> exits = [{"exit": "exit_1"}, {"exit": "exit_2"}]
    >>> tree = {"columns": ["column_1"], "junction": "junction_1", "sinks": exits}
    >>> critic = Critic(tree, {"column_1": 100, "junction_1": 10, "exit_1": 5, "exit_2": 5}, error="classification")
    >>> logits = keras.ops.array([[[1.0, 0.0], [0.0, 1.0]]])
    >>> outputs = {"mixture_exit_logits": logits, "junction_1_scores": keras.ops.zeros((1, 2))}
    >>> outputs |= {f"{layer}_squares": keras.ops.ones(()) for layer in critic.macs}
    >>> round(float(critic(keras.ops.array([0]), outputs)["regression_loss"]), 6)
    0.001

    Reference: McGill and Perona, *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*, Eq. 5-9.
    """

    def __init__(
        self,
        tree: Stage | Mapping[str, Any],
        macs: Mapping[str, int],
        computation_cost: float | Sequence[float] = 0.0,
        kernel_decay: float = 1e-4,
        talr: bool = True,
        temperature: float = 0.1,
        temperature_half_life: float | None = 10_000,
        optimistic: bool = False,
        error: str = "cross_entropy",
        regression_weight: float = 0.001,
    ) -> None:
        super().__init__(tree, macs, computation_cost, kernel_decay, talr, temperature, temperature_half_life)
        self.optimistic, self.error = bool(optimistic), one_of("error", error, ERRORS)
        self.regression_weight = not_negative("regression_weight", regression_weight)

    @property
    def names(self) -> tuple[str, ...]:
        """The terms."""
        return ("classification_loss", "regression_loss", "kernel_loss")

    def __call__(self, labels: Any, outputs: dict[str, Any], sample_weight: Any = None) -> dict[str, Any]:
        # The scores learn from the regression alone.
        given = {name: ops.stop_gradient(each) for name, each in self.reach(outputs).items()}
        entropies, wrong = self.errors(labels, outputs)
        scores, costs = self.scores(outputs), self.costs(entropies if self.error == "cross_entropy" else wrong, outputs)
        regression = sum(
            weighted_mean(
                given[name] * ops.sum(ops.square(each + ops.stop_gradient(costs[name])), axis=-1), sample_weight
            )
            for name, each in scores.items()
        )
        return {
            "classification_loss": weighted_mean(
                sum(given[leaf] * entropies[leaf] for leaf in self.exits), sample_weight
            ),
            "regression_loss": self.regression_weight * ops.convert_to_tensor(regression, "float32"),
            "kernel_loss": self.decay(given, outputs),
        }

    def costs(self, errors: Mapping[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns what following each sink will cost, `(batch, sinks)` by junction.

        Args:
            errors: Tensors `(batch,)` by exit.
            outputs: What the objective reads.
        """
        per_mac, scores, found = self.cost_per_mac(outputs), self.scores(outputs), {}

        def cost(part: Stage | Exit) -> Any:
            """The cost of a part, from its first layer to the answer."""
            own = per_mac * float(sum(self.macs[name] for name in part.layers))
            if isinstance(part, Exit):
                return errors[part.layer] + own
            if part.junction is None:
                return own + cost(part.sinks[0])
            found[part.junction] = ops.stack([cost(sink) for sink in part.sinks], axis=-1)
            return own + self._taken(scores[part.junction], found[part.junction])

        cost(self.tree)
        return found

    def _taken(self, scores: Any, costs: Any) -> Any:
        if self.optimistic:
            return ops.min(costs, axis=-1)
        chosen = ops.one_hot(ops.argmax(scores, axis=-1), costs.shape[-1], dtype=costs.dtype)
        return ops.sum(chosen * costs, axis=-1)

    def get_config(self) -> dict[str, Any]:
        own = {"optimistic": self.optimistic, "error": self.error, "regression_weight": self.regression_weight}
        return {**super().get_config(), **own}
