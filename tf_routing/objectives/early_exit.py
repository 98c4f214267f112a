"""Base class of the objectives of early-exit networks: errors at exits, cost, kernel decay, temperature and TALR."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import keras
from keras import ops

from tf_routing import exit_tree
from tf_routing.core.replicas import mean_over_replicas
from tf_routing.core.tensors import Array
from tf_routing.objectives.labels import class_distributions
from tf_routing.objectives.objective import Objective
from tf_routing.objectives.reach import hard_reach, soft_reach
from tf_routing.support.validation import not_negative, positive_number

# Share of the probabilities that all classes divide evenly, as in the authors' public code: bounds the cross-entropy.
_FLOOR = 1e-6


class EarlyExit(Objective):
    """Terms that early-exit networks share, however their junctions are trained (base class).

    These are the cross-entropy at the exits, the cost of computation, the decay of kernels, and the factors of
    gradients by which layers that few samples reach learn as fast as others: throughput-adjusted learning rates (TALR).

    Equation:
        c_inf = c_err + c_cpt                                             (Eq. 1)
        c_cpt = k_cpt n_ops                                               (Eq. 2)
        p_sink = p_j softmax(s_j / tau)_i                                 (Eq. 4)
        tau = tau_0 2^(-t / T)                                            (section 4.7)
        delta_l = - alpha_l lambda sum_B p_l g_l                          (Eq. 12)
        alpha_l = 1 / sqrt(mean_B(p_l^2))                                 (Eq. 16)

        with c_err the cross-entropy of `labels` at an exit and n_ops the `macs` of the layers on a route; k_cpt =
        `computation_cost`; p_l (B,) the probability of a sample to reach layer l, 1 at the root, and p_sink that of the
        i-th sink of junction j, whose scores s_j (B, sinks) are in `outputs`; tau_0 = `temperature`, t the step and T =
        `temperature_half_life`. delta_l is the step of layer l with gradients g_l at the learning rate lambda; alpha_l
        multiplies gradients with `talr`. At evaluation p is 0 or 1, by the junctions' decisions.

        The paper samples decisions in training; here the expectation over all routes is computed exactly. It prints
        alpha_l = 1 / |p_l| in Eq. 16, because Eq. 15 has a factor of the batch size on its left side that |p_l|^2, a
        sum over the batch, already contains. Without it alpha_l is one over the root mean square, and 1 for a layer
        that all samples reach. The probability of every exit has a floor (soft_reach), which the paper
        does not mention.

    Args:
        tree: The tree of columns and exits, an `exit_tree.Stage` or its `exit_tree.to_config`.
        macs: Dict from layer name to multiply-accumulates per sample.
        computation_cost: Float, the cost of a multiply-accumulate, or a list of costs for a model that is conditioned
            on a per-image cost: training draws from the list.
        kernel_decay: Float, weight of the squared kernels.
        talr: Boolean, whether gradients are multiplied by alpha_l.
        temperature: Float, the initial temperature.
        temperature_half_life: Float, the number of steps in which the temperature halves; `None` for a constant one.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        McGill and Perona (2017), *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*,
        arXiv:1703.06217, sections 3.2, 4.1, 4.5 and 4.7, Eq. 1, 2, 4, 12, 15 and 16.
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
    ) -> None:
        self.tree: Any = exit_tree.from_config(tree)
        self.macs = {name: int(count) for name, count in macs.items()}
        self.computation_cost = _check_costs(computation_cost)
        self.kernel_decay, self.talr = not_negative("kernel_decay", kernel_decay), bool(talr)
        self.temperature = positive_number("temperature", temperature)
        self.temperature_half_life = (
            None if temperature_half_life is None else positive_number("temperature_half_life", temperature_half_life)
        )
        self.exits = [leaf.layer for leaf in exit_tree.exits(self.tree)]
        self.hard = False
        self.steps: Any = None

    def build(self, outputs: dict[str, Any]) -> None:
        """Creates the step counter; `compile` called again keeps it."""
        if self.steps is None:
            # All replicas count the same steps, so the value of one is that of all.
            self.steps = keras.Variable(
                0, dtype="int32", trainable=False, aggregation="only_first_replica", name="steps"
            )

    @property
    def reads_classes(self) -> bool:
        """True: labels must be class indices or distributions over classes."""
        return True

    @property
    def state(self) -> list[Any]:
        """The step counter, from which the temperature is computed."""
        return [] if self.steps is None else [self.steps]

    @property
    def starting_point(self) -> dict[str, Any]:
        """The initial temperature and its half-life, which give the step counter its meaning."""
        return {"temperature": self.temperature, "temperature_half_life": self.temperature_half_life}

    def end_step(self) -> None:
        """Counts a training step, which lowers the temperature."""
        if self.steps is not None:
            self.steps.assign(self.steps + 1)

    @property
    def drawn_inputs(self) -> dict[str, tuple[float, ...]]:
        """The costs to draw from, if the model is conditioned on a per-image cost."""
        return {"cost": self.computation_cost} if isinstance(self.computation_cost, tuple) else {}

    @property
    def decayed_layers(self) -> tuple[str, ...]:
        """All layers of the tree, whose kernels decay by their reach."""
        return tuple(self.macs)

    @property
    def measured_names(self) -> tuple[str, ...]:
        """`executed_macs`, and with several exits the share of samples that leave by them, `{exit}_share`."""
        return ("executed_macs", *(f"{leaf}_share" for leaf in self.exits if len(self.exits) > 1))

    def measures(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns the mean number of multiply-accumulates, and the shares of samples by exit."""
        reach = self.reach(outputs)
        shares = {f"{leaf}_share": ops.mean(reach[leaf]) for leaf in self.exits}
        values = {"executed_macs": ops.mean(self._executed(reach)), **shares}
        return {name: values[name] for name in self.measured_names}

    def at_evaluation(self) -> "EarlyExit":
        """Returns this objective for hard decisions, which shares the step counter."""
        hard = type(self)(**self.get_config())
        hard.hard, hard.steps = True, self.steps
        return hard

    def reach(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns the probabilities p_l of samples to reach layers, `(batch,)` by layer name."""
        if self.hard:
            return hard_reach(self.tree, outputs)
        return soft_reach(self.tree, self.scores(outputs), self.current_temperature())

    def scores(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns the junctions' scores `(batch, sinks)` in float32."""
        return {name: ops.cast(outputs[f"{name}_scores"], "float32") for name in exit_tree.junctions(self.tree)}

    def current_temperature(self) -> Any:
        """Returns the temperature after the steps so far."""
        if self.steps is None or self.temperature_half_life is None:
            return self.temperature
        halvings = ops.cast(ops.convert_to_tensor(self.steps), "float32") / self.temperature_half_life
        return self.temperature * ops.power(0.5, halvings)

    def gradient_factors(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns alpha_l by layer name; nothing if there is one exit, where alpha_l is 1."""
        if not self.talr or len(self.exits) == 1:
            return {}
        reach = self.reach(outputs)
        # The root of the mean over the whole batch is not the mean of the roots over its parts on replicas.
        return {name: ops.rsqrt(mean_over_replicas(ops.mean(ops.square(reach[name])))) for name in self.macs}

    def errors(self, labels: Array, outputs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Returns per-sample cross-entropies, and 1 where the prediction is wrong and 0 elsewhere, both by exit."""
        logits = self._logits(outputs)
        targets = ops.expand_dims(class_distributions(labels, logits[:, 0]), 1)
        probabilities = _FLOOR / logits.shape[-1] + (1 - _FLOOR) * ops.softmax(logits)
        entropies = -ops.sum(targets * ops.log(probabilities), axis=-1)
        wrong = ops.cast(ops.argmax(logits, axis=-1) != ops.argmax(targets, axis=-1), "float32")
        # `argmax` finds a class in NaN too: predictions and labels that are NaN are neither right nor wrong.
        wrong = ops.where(ops.isnan(entropies), entropies, wrong)
        numbered = list(enumerate(self.exits))
        return {leaf: entropies[:, n] for n, leaf in numbered}, {leaf: wrong[:, n] for n, leaf in numbered}

    def _logits(self, outputs: dict[str, Any]) -> Any:
        found = [logits for name, logits in outputs.items() if name.endswith("_exit_logits")]
        # A network with a single exit has no mixture of exits, but plain logits.
        return ops.cast(found[0] if found else ops.expand_dims(outputs["logits"], 1), "float32")

    def cost_per_mac(self, outputs: dict[str, Any]) -> Any:
        """Returns the cost of a multiply-accumulate k_cpt, a number, or per image a tensor `(batch,)`."""
        if not isinstance(self.computation_cost, tuple):
            return self.computation_cost
        return ops.reshape(ops.cast(outputs["cost"], "float32"), (-1,))

    def _executed(self, reach: Mapping[str, Any]) -> Any:
        return sum(reach[name] * float(macs) for name, macs in self.macs.items())

    def expected_cost(self, reach: Mapping[str, Any], outputs: dict[str, Any]) -> Any:
        """Returns the mean cost of computation (Eq. 2), whose gradient passes through the reach."""
        return ops.mean(self.cost_per_mac(outputs) * self._executed(reach))

    def decay(self, reach: Mapping[str, Any], outputs: dict[str, Any]) -> Any:
        """Returns the weighted sum of squared kernels, with layers weighted by their mean reach (Eq. 9)."""
        squares = {name: ops.cast(outputs[f"{name}_squares"], "float32") for name in self.macs}
        return self.kernel_decay * sum(ops.mean(reach[name]) * squares[name] for name in self.macs)

    def get_config(self) -> dict[str, Any]:
        return {
            "tree": exit_tree.to_config(self.tree),
            "macs": self.macs,
            "computation_cost": self.computation_cost,
            "kernel_decay": self.kernel_decay,
            "talr": self.talr,
            "temperature": self.temperature,
            "temperature_half_life": self.temperature_half_life,
        }

    def changed(self, **arguments: Any) -> Self:
        """Returns this objective with some arguments changed, without its state."""
        return type(self)(**{**self.get_config(), **arguments})


def _check_costs(computation_cost: Any) -> float | tuple[float, ...]:
    if isinstance(computation_cost, (list, tuple)):
        if not computation_cost:
            raise ValueError("`computation_cost` must hold at least one value. Received: none")
        return tuple(not_negative("computation_cost", cost) for cost in computation_cost)
    return not_negative("computation_cost", computation_cost)
