"""The actor objective of early-exit networks: junctions learn by the gradient of the expected cost of inference."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from tf_routing import exit_tree
from tf_routing.core.tensors import Array, Tensor
from tf_routing.objectives.early_exit import EarlyExit
from tf_routing.objectives.sample_weights import weighted_mean
from tf_routing.support.validation import not_negative


@keras.saving.register_keras_serializable(package="tf_routing")
class Actor(EarlyExit):
    """Junctions trained as actors: the expected cost of inference, minimised through the probabilities of routes.

    Equation:
        L_ac = mean_B sum_l p_l (c_l + k_cpt n_l) + c_mod                             (Eq. 1 to 3)
        p_sink = p_j softmax(s_j / tau)_i                                             (Eq. 4)
        c_mod = mean_B [sum_l p_l k_L2 |w_l|^2 + sum_j p_j k_dec |s_j|^2]             (Eq. 10)

        with p_l (B,) the probability of a sample to reach layer l; c_l the cross-entropy of `labels` if l is an exit,
        else 0; n_l its `macs` and w_l its kernels; s_j (B, sinks) the scores of junction j, in `outputs`. k_cpt =
        `computation_cost`, k_L2 = `kernel_decay`, k_dec = `decisiveness_cost`, and tau starts at `temperature` and
        halves every `temperature_half_life` steps.

        p is constant in c_mod, as in the paper "unless stated otherwise", and not with `regularize_policy`. The paper
        samples decisions; here the expectation over routes is computed exactly.

    Args:
        tree: The tree of columns and exits, an `exit_tree.Stage` or its `exit_tree.to_config`.
        macs: Dict from layer name to multiply-accumulates per sample.
        computation_cost: Float, the cost of a multiply-accumulate, or a list of costs for a model that is conditioned
            on a per-image cost: training draws from the list.
        kernel_decay: Float, weight of the squared kernels.
        talr: Boolean, whether gradients are multiplied by alpha_l of `EarlyExit`.
        temperature: Float, the initial temperature.
        temperature_half_life: Float, the number of steps in which the temperature halves; `None` for a constant one.
        decisiveness_cost: Float, weight of the squared scores, which keeps junctions from deciding too early.
        regularize_policy: Boolean, whether c_mod also trains the policy, by gradients through p, which makes it avoid
            layers.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> exits = [{"exit": "exit_1"}, {"exit": "exit_2"}]
    >>> tree = {"columns": ["column_1"], "junction": "junction_1", "sinks": exits}
    >>> actor = Actor(tree, {"column_1": 100, "junction_1": 10, "exit_1": 5, "exit_2": 5}, computation_cost=0.01)
    >>> outputs = {"mixture_exit_logits": keras.ops.zeros((1, 2, 4)), "junction_1_scores": keras.ops.zeros((1, 2))}
    >>> outputs |= {f"{layer}_squares": keras.ops.ones(()) for layer in actor.macs}
    >>> {name: round(float(term), 4) for name, term in actor(keras.ops.array([0]), outputs).items()}
    {'classification_loss': 1.3863, 'computation_loss': 1.15, 'kernel_loss': 0.0003, 'decisiveness_loss': 0.0}

    Reference:
        McGill and Perona (2017), *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*,
        arXiv:1703.06217, sections 3.2, 4.1 and 4.4, Eq. 1 to 4 and 10.
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
        """`classification_loss`, `computation_loss`, `kernel_loss` and `decisiveness_loss`."""
        return ("classification_loss", "computation_loss", "kernel_loss", "decisiveness_loss")

    def __call__(
        self, labels: Array, outputs: dict[str, Tensor], sample_weight: Array | None = None
    ) -> dict[str, Tensor]:
        reach = self.reach(outputs)
        errors, _ = self.errors(labels, outputs)
        expected = sum(reach[leaf] * errors[leaf] for leaf in self.exits)
        # The routes as constants, so that decay does not teach junctions to avoid layers with large kernels.
        given = reach if self.regularize_policy else {name: ops.stop_gradient(share) for name, share in reach.items()}
        decided = sum(
            ops.mean(given[name] * ops.sum(ops.square(score), axis=-1)) for name, score in self.scores(outputs).items()
        )
        return {
            "classification_loss": weighted_mean(expected, sample_weight),
            "computation_loss": self.expected_cost(reach, outputs),
            "kernel_loss": self.decay(given, outputs),
            "decisiveness_loss": self.decisiveness_cost * ops.convert_to_tensor(decided, "float32"),
        }

    def get_config(self) -> dict[str, Any]:
        options = {"decisiveness_cost": self.decisiveness_cost, "regularize_policy": self.regularize_policy}
        return {**super().get_config(), **options}
