"""What training networks that leave early has in common, whatever trains their junctions."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import keras
from keras import ops

from tf_routing import exit_tree
from tf_routing.core.replicas import mean_over_replicas
from tf_routing.objectives.labels import class_distributions
from tf_routing.objectives.objective import Objective
from tf_routing.objectives.reach import hard_reach, soft_reach
from tf_routing.support.validation import not_negative, positive_number

_FLOOR = 1e-6


class EarlyExit(Objective):
    """Classification at every exit, weighted by how surely it is reached, and kernels kept small (base class).

    In training a sample reaches each layer with the probability that the junctions' scores over a temperature give; the
    expectation over all routes is computed, none is drawn. The temperature halves every `temperature_half_life` steps.
    At evaluation decisions are hard.

    Gradients of a layer that few samples reach are multiplied by one over the root mean square of its reach (TALR): the
    variance of its steps is then that of a layer which all samples reach, whose factor is one. (Eq. 16 is one over the
    norm: Eq. 15 has the batch size on its left side too, where the norm contains it already.)

    Args:
        tree: The network's shape, an `exit_tree.Stage` or what `exit_tree.to_config` makes of it.
        macs: Dict from layer to its multiply-accumulates per sample.
        computation_cost: Float, what a multiply-accumulate costs, or a list of values: the model is then told for each
            sample, and training draws from them.
        kernel_decay: Float, weight of the squared kernels.
        talr: Boolean, whether gradients are multiplied as above.
        temperature: Float, the first temperature.
        temperature_half_life: Float, steps in which the temperature halves; `None` keeps it.

    Raises:
        ValueError: If an argument is not possible.

    Reference: McGill and Perona, *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*, sections 3
    and 4, Eq. 11 to 16.
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
        self.tree: Any = exit_tree.from_config(tree) if isinstance(tree, Mapping) else tree
        self.macs = {name: int(each) for name, each in macs.items()}
        self.computation_cost = _costs(computation_cost)
        self.kernel_decay, self.talr = not_negative("kernel_decay", kernel_decay), bool(talr)
        self.temperature = positive_number("temperature", temperature)
        self.temperature_half_life = (
            None if temperature_half_life is None else positive_number("temperature_half_life", temperature_half_life)
        )
        self.exits = [leaf.layer for leaf in exit_tree.exits(self.tree)]
        self.hard = False
        self.steps: Any = None

    def build(self, outputs: dict[str, Any]) -> None:
        """Creates the counter of steps; one that there is stays."""
        if self.steps is None:
            # Replicas count the same steps.
            self.steps = keras.Variable(
                0, dtype="int32", trainable=False, aggregation="only_first_replica", name="steps"
            )

    @property
    def reads_classes(self) -> bool:
        """Whether labels are classes: they are."""
        return True

    @property
    def state(self) -> list[Any]:
        """The counter of training steps, which the temperature follows."""
        return [] if self.steps is None else [self.steps]

    @property
    def starting_point(self) -> dict[str, Any]:
        """The temperature, and how it falls."""
        return {"temperature": self.temperature, "temperature_half_life": self.temperature_half_life}

    def end_step(self) -> None:
        """Counts a training step."""
        if self.steps is not None:
            self.steps.assign(self.steps + 1)

    @property
    def drawn_inputs(self) -> dict[str, tuple[float, ...]]:
        """The cost of computation, where the model is told."""
        return {"cost": self.computation_cost} if isinstance(self.computation_cost, tuple) else {}

    @property
    def decayed_layers(self) -> tuple[str, ...]:
        """All layers of the tree."""
        return tuple(self.macs)

    @property
    def measured_names(self) -> tuple[str, ...]:
        """The mean cost, and the share of samples that leaves by each exit."""
        return ("executed_macs", *(f"{leaf}_share" for leaf in self.exits if len(self.exits) > 1))

    def measures(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns the mean multiply-accumulates, and the share of samples that leaves by each exit."""
        reach = self.reach(outputs)
        shares = {f"{leaf}_share": ops.mean(reach[leaf]) for leaf in self.exits}
        values = {"executed_macs": ops.mean(self._executed(reach)), **shares}
        return {name: values[name] for name in self.measured_names}

    def at_evaluation(self) -> "EarlyExit":
        """Returns this objective, its state shared, for hard decisions."""
        hard = type(self)(**self.get_config())
        hard.hard, hard.steps = True, self.steps
        return hard

    def reach(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns the probability with which each sample reaches each layer, by layer."""
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
        """Returns one over the root mean square of each layer's reach; nothing where every sample takes one way."""
        if not self.talr or len(self.exits) == 1:
            return {}
        reach = self.reach(outputs)
        # Over the whole batch, before the root: replicas each see a part of it.
        return {name: ops.rsqrt(mean_over_replicas(ops.mean(ops.square(reach[name])))) for name in self.macs}

    def errors(self, labels: Any, outputs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Returns by exit the cross-entropy of each sample, and whether its largest logit is not the label's."""
        logits = self._logits(outputs)
        targets = ops.expand_dims(class_distributions(labels, logits[:, 0]), 1)
        probabilities = _FLOOR / logits.shape[-1] + (1 - _FLOOR) * ops.softmax(logits)
        entropies = -ops.sum(targets * ops.log(probabilities), axis=-1)
        wrong = ops.cast(ops.argmax(logits, axis=-1) != ops.argmax(targets, axis=-1), "float32")
        # NaN is no answer and no label, though `argmax` finds one.
        wrong = ops.where(ops.isnan(entropies), entropies, wrong)
        numbered = list(enumerate(self.exits))
        return {leaf: entropies[:, n] for n, leaf in numbered}, {leaf: wrong[:, n] for n, leaf in numbered}

    def _logits(self, outputs: dict[str, Any]) -> Any:
        found = [each for name, each in outputs.items() if name.endswith("_exit_logits")]
        # A network with one exit has logits as every network does.
        return ops.cast(found[0] if found else ops.expand_dims(outputs["logits"], 1), "float32")

    def cost_per_mac(self, outputs: dict[str, Any]) -> Any:
        """Returns what a multiply-accumulate costs: a number, or a tensor `(batch,)`."""
        if not isinstance(self.computation_cost, tuple):
            return self.computation_cost
        return ops.reshape(ops.cast(outputs["cost"], "float32"), (-1,))

    def _executed(self, reach: Mapping[str, Any]) -> Any:
        return sum(reach[name] * float(macs) for name, macs in self.macs.items())

    def expected_cost(self, reach: Mapping[str, Any], outputs: dict[str, Any]) -> Any:
        """Returns what computation costs on average, differentiable through the reach."""
        return ops.mean(self.cost_per_mac(outputs) * self._executed(reach))

    def decay(self, reach: Mapping[str, Any], outputs: dict[str, Any]) -> Any:
        """Returns the weighted sum of squared kernels, each layer's counted by its reach."""
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
        """Returns this objective with other arguments."""
        return type(self)(**{**self.get_config(), **arguments})


def _costs(computation_cost: Any) -> float | tuple[float, ...]:
    if isinstance(computation_cost, (list, tuple)):
        if not computation_cost:
            raise ValueError("`computation_cost` must hold at least one value. Received: none")
        return tuple(not_negative("computation_cost", each) for each in computation_cost)
    return not_negative("computation_cost", computation_cost)
