"""Junctions that learn as actors: by the gradient of the expected loss."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from tf_routing import exit_tree
from tf_routing.objectives.early_exit import EarlyExit
from tf_routing.objectives.sample_weights import weighted_mean
from tf_routing.support.validation import not_negative


@keras.saving.register_keras_serializable(package="tf_routing")
class Actor(EarlyExit):
    """The expected cost of an answer, its error and its computation, minimised through the routes' probabilities.

    Args:
        tree: The network's shape, an `exit_tree.Stage` or what `exit_tree.to_config` makes of it.
        macs: Dict from layer to its multiply-accumulates per sample.
        computation_cost: Float, what a multiply-accumulate costs, or a list of values: the model is then told for each
            sample, and training draws from them.
        kernel_decay: Float, weight of the squared kernels.
        talr: Boolean, whether gradients are multiplied by one over the root mean square of the layer's reach.
        temperature: Float, the first temperature.
        temperature_half_life: Float, steps in which the temperature halves; `None` keeps it.
        decisiveness_cost: Float, weight of the squared scores: it keeps junctions from deciding too early.
        regularize_policy: Boolean, whether the squared kernels and scores also train the routes, so that few layers are
            reached. By default they count as if routes were given.

    Raises:
        ValueError: If an argument is not possible.

    Example:

    >>> exits = [{"exit": "exit_1"}, {"exit": "exit_2"}]
    >>> tree = {"columns": ["column_1"], "junction": "junction_1", "sinks": exits}
    >>> actor = Actor(tree, {"column_1": 100, "junction_1": 10, "exit_1": 5, "exit_2": 5}, computation_cost=0.01)
    >>> outputs = {"mixture_exit_logits": keras.ops.zeros((1, 2, 4)), "junction_1_scores": keras.ops.zeros((1, 2))}
    >>> outputs |= {f"{layer}_squares": keras.ops.ones(()) for layer in actor.macs}
    >>> {name: round(float(term), 4) for name, term in actor(keras.ops.array([0]), outputs).items()}
    {'classification_loss': 1.3863, 'computation_loss': 1.15, 'kernel_loss': 0.0003, 'decisiveness_loss': 0.0}

    Reference: McGill and Perona, *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*, Eq. 3, 4, 10.
    """

    def __init__(
        self,
        tree: exit_tree.Stage | Mapping[str, Any],
        macs: Mapping[str, int],
        computation_cost: float | Sequence[float] = 0.0,
        kernel_decay: float = 1e-4,
        talr: bool = True,
        temperature: float = 1.0,
        temperature_half_life: float | None = 10_000,
        decisiveness_cost: float = 0.01,
        regularize_policy: bool = False,
    ) -> None:
        super().__init__(tree, macs, computation_cost, kernel_decay, talr, temperature, temperature_half_life)
        self.decisiveness_cost = not_negative("decisiveness_cost", decisiveness_cost)
        self.regularize_policy = bool(regularize_policy)

    @property
    def names(self) -> tuple[str, ...]:
        """The terms."""
        return ("classification_loss", "computation_loss", "kernel_loss", "decisiveness_loss")

    def __call__(self, labels: Any, outputs: dict[str, Any], sample_weight: Any = None) -> dict[str, Any]:
        reach = self.reach(outputs)
        errors, _ = self.errors(labels, outputs)
        expected = sum(reach[leaf] * errors[leaf] for leaf in self.exits)
        given = reach if self.regularize_policy else {name: ops.stop_gradient(each) for name, each in reach.items()}
        decided = sum(
            ops.mean(given[name] * ops.sum(ops.square(each), axis=-1)) for name, each in self.scores(outputs).items()
        )
        return {
            "classification_loss": weighted_mean(expected, sample_weight),
            "computation_loss": self.expected_cost(reach, outputs),
            "kernel_loss": self.decay(given, outputs),
            "decisiveness_loss": self.decisiveness_cost * ops.convert_to_tensor(decided, "float32"),
        }

    def get_config(self) -> dict[str, Any]:
        own = {"decisiveness_cost": self.decisiveness_cost, "regularize_policy": self.regularize_policy}
        return {**super().get_config(), **own}
