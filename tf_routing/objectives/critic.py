"""The critic objectives of early-exit networks: junctions learn to predict the cost of their sinks."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from tf_routing.core.tensors import Array, Tensor
from tf_routing.exit_tree import Exit, Stage
from tf_routing.objectives.early_exit import EarlyExit
from tf_routing.objectives.sample_weights import weighted_mean
from tf_routing.support.validation import not_negative, one_of

ERRORS = ("cross_entropy", "classification")


@keras.saving.register_keras_serializable(package="tf_routing")
class Critic(EarlyExit):
    """Junctions trained as critics: their scores predict the negative cost of the sinks, by regression.

    Equation:
        L_cr = mean_B [sum_l p_l c_l + sum_j p_j k_ure |s_j - u_j|^2] + c_mod        (Eq. 5 and 6)
        u_ji = - C(sink i of j)                                                      (Eq. 7 and 8)
        C(v) = c_v + k_cpt n_v + C(sink of v)
        c_mod = mean_B sum_l p_l k_L2 |w_l|^2                                        (Eq. 9)

        with p_l (B,) the probability of a sample to reach layer l; c_l the cross-entropy of `labels` if l is an exit,
        else 0; n_l its `macs` and w_l its kernels; s_j (B, sinks) the scores of junction j, in `outputs`. C(v) is the
        cost of column v and all that follows; its sink is that with the largest score (Eq. 7, pragmatic), or with
        `optimistic` the one of the least cost (Eq. 8). k_cpt = `computation_cost`, k_L2 = `kernel_decay`, k_ure =
        `regression_weight`. With `error` "classification" c_v in u is 1 for a wrong prediction and 0 for a right one. p
        follows softmax(s_j / tau), where tau starts at `temperature` and halves every `temperature_half_life` steps.

        p and u are constants to the optimizer, so scores learn from the regression only. Eq. 5 also has the cost of
        computation, which then has no gradient and is left out.

    Args:
        tree: The tree of columns and exits, an `exit_tree.Stage` or its `exit_tree.to_config`.
        macs: Dict from layer name to multiply-accumulates per sample.
        computation_cost: Float, the cost of a multiply-accumulate, or a list of costs for a model that is conditioned
            on a per-image cost: training draws from the list.
        kernel_decay: Float, weight of the squared kernels.
        talr: Boolean, whether gradients are multiplied by alpha_l of `EarlyExit`.
        temperature: Float, the initial temperature.
        temperature_half_life: Float, the number of steps in which the temperature halves; `None` for a constant one.
        optimistic: Boolean, whether costs are those of the cheapest route, instead of the one that junctions choose.
        error: Cost of an error in the targets of scores: `"cross_entropy"`, or `"classification"`, 1 if the prediction
            is wrong.
        regression_weight: Float, weight of the regression.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> exits = [{"exit": "exit_1"}, {"exit": "exit_2"}]
    >>> tree = {"columns": ["column_1"], "junction": "junction_1", "sinks": exits}
    >>> critic = Critic(tree, {"column_1": 100, "junction_1": 10, "exit_1": 5, "exit_2": 5}, error="classification")
    >>> logits = keras.ops.array([[[1.0, 0.0], [0.0, 1.0]]])
    >>> outputs = {"mixture_exit_logits": logits, "junction_1_scores": keras.ops.zeros((1, 2))}
    >>> outputs |= {f"{layer}_squares": keras.ops.ones(()) for layer in critic.macs}
    >>> round(float(critic(keras.ops.array([0]), outputs)["regression_loss"]), 6)
    0.001

    Reference:
        McGill and Perona (2017), *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*,
        arXiv:1703.06217, sections 4.2 to 4.4, Eq. 5 to 9.
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
        """`classification_loss`, `regression_loss` and `kernel_loss`."""
        return ("classification_loss", "regression_loss", "kernel_loss")

    def __call__(
        self, labels: Array, outputs: dict[str, Tensor], sample_weight: Array | None = None
    ) -> dict[str, Tensor]:
        # The routes as constants: the scores learn from the regression only.
        given = {name: ops.stop_gradient(share) for name, share in self.reach(outputs).items()}
        entropies, wrong = self.errors(labels, outputs)
        scores, costs = self.scores(outputs), self.costs(entropies if self.error == "cross_entropy" else wrong, outputs)
        regression = sum(
            weighted_mean(
                given[name] * ops.sum(ops.square(score + ops.stop_gradient(costs[name])), axis=-1), sample_weight
            )
            for name, score in scores.items()
        )
        return {
            "classification_loss": weighted_mean(
                sum(given[leaf] * entropies[leaf] for leaf in self.exits), sample_weight
            ),
            "regression_loss": self.regression_weight * ops.convert_to_tensor(regression, "float32"),
            "kernel_loss": self.decay(given, outputs),
        }

    def costs(self, errors: Mapping[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns the costs C of the sinks, `(batch, sinks)` by junction (-u of Eq. 7 or 8).

        Args:
            errors: Tensors `(batch,)` by exit.
            outputs: The outputs that `__call__` reads.
        """
        per_mac, scores, found = self.cost_per_mac(outputs), self.scores(outputs), {}

        def cost(part: Stage | Exit) -> Any:
            """Returns the cost of a part of the tree, from its first layer to the prediction; notes those of sinks."""
            computation = per_mac * float(sum(self.macs[name] for name in part.layers))
            if isinstance(part, Exit):
                return errors[part.layer] + computation
            if part.junction is None:
                return computation + cost(part.sinks[0])
            found[part.junction] = ops.stack([cost(sink) for sink in part.sinks], axis=-1)
            return computation + self._taken(scores[part.junction], found[part.junction])

        cost(self.tree)
        return found

    def _taken(self, scores: Any, costs: Any) -> Any:
        if self.optimistic:
            return ops.min(costs, axis=-1)
        # `argmax` takes the first of equal scores, as junctions do at inference.
        chosen = ops.one_hot(ops.argmax(scores, axis=-1), costs.shape[-1], dtype=costs.dtype)
        return ops.sum(chosen * costs, axis=-1)

    def get_config(self) -> dict[str, Any]:
        options = {"optimistic": self.optimistic, "error": self.error, "regression_weight": self.regression_weight}
        return {**super().get_config(), **options}
