"""How networks that leave early learn: the strategy of their junctions, and the weights of their objective.

McGill and Perona (2017), *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*, arXiv:1703.06217,
section 4: 4.1 to 4.3 (strategies), 4.4 (regularisation), 4.5 (learning rates), 4.6 (changing costs), 4.7 (values).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tf_routing import cost, exit_tree
from tf_routing.models import RoutedModel
from tf_routing.objectives import Actor, Critic
from tf_routing.support.validation import one_of
from tf_routing.zoo.arguments.idle_arguments import Condition, needs_top
from tf_routing.zoo.builders import exit_trees

STRATEGIES = ("actor", "pragmatic_critic", "optimistic_critic")
COSTS = (0.0, 1e-9, 2e-9, 4e-9, 8e-9, 1.6e-8, 3.2e-8, 6.4e-8)
"""What a multiply-accumulate costs in the paper's experiments."""

_CRITICS = STRATEGIES[1:]
_OF_ACTORS, _OF_CRITICS = ("decisiveness_cost", "regularize_policy"), ("critic_error", "regression_weight")
_NO_TREE = exit_tree.Stage((), None, (exit_tree.Exit("none"),))
_OF_JUNCTIONS = ("strategy", "computation_cost", "talr", "temperature", "hidden", *_OF_ACTORS, *_OF_CRITICS)


@dataclass(frozen=True)
class ExitLearning:
    """How junctions learn, and what is weighed against right answers; see `objectives.Actor` and `objectives.Critic`.

    Args:
        strategy: How junctions learn: `"actor"`, `"pragmatic_critic"` or `"optimistic_critic"`.
        computation_cost: Float, what a multiply-accumulate costs; 8e-9 by default, nothing without junctions. With
            `dynamic_cost` a list of values, the paper's eight by default.
        dynamic_cost: Boolean, whether the cost is a second input `cost` of the network, on which decisions are
            conditioned.
        talr: Boolean, whether gradients are multiplied by one over the root mean square of the layer's reach.
        decisiveness_cost: Float, for actors, weight of the squared scores.
        regularize_policy: Boolean, for actors, whether what is regularised changes decisions too.
        critic_error: `"cross_entropy"` or `"classification"`, for critics, the error that scores predict.
        regression_weight: Float, for critics, weight of the regression.
        kernel_decay: Float, weight of the squared kernels.
        temperature: Float, the first temperature; 1 for actors and 0.1 for critics by default.
        temperature_half_life: Float, steps in which it halves; `None` keeps it.

    Raises:
        ValueError: If a value is not possible.
    """

    CONDITIONS: ClassVar[tuple[Condition, ...]] = (
        needs_top(
            *_OF_JUNCTIONS, "dynamic_cost", "kernel_decay", "temperature_half_life", about="where there are exits"
        ),
        # Not the half-life: recipes set it for all networks of a comparison, static ones among them.
        Condition(
            _OF_JUNCTIONS, lambda values: exit_trees.has_junctions(values["tree"]), "where the tree has junctions"
        ),
        Condition(_OF_ACTORS, lambda values: values["strategy"] == "actor", "with strategy='actor'"),
        Condition(
            _OF_CRITICS, lambda values: values["strategy"] in _CRITICS, f"with strategy={_CRITICS[0]!r} or another"
        ),
    )

    strategy: str = "actor"
    computation_cost: float | Sequence[float] | None = None
    dynamic_cost: bool = False
    talr: bool = True
    decisiveness_cost: float = 0.01
    regularize_policy: bool = False
    critic_error: str = "cross_entropy"
    regression_weight: float = 0.001
    kernel_decay: float = 1e-4
    temperature: float | None = None
    temperature_half_life: float | None = 10_000

    def __post_init__(self) -> None:
        one_of("strategy", self.strategy, STRATEGIES)
        several = isinstance(self.computation_cost, (list, tuple))
        if self.computation_cost is not None and several != self.dynamic_cost:
            accepted = "a list of numbers with" if self.dynamic_cost else "a number without"
            raise ValueError(
                f"`computation_cost` must be {accepted} dynamic_cost=True. "
                f"Received: computation_cost={self.computation_cost!r}"
            )
        # Refuses what is not possible before anything is built.
        self._create(_NO_TREE, {}, has_junctions=True)

    def check_tree(self, shape: exit_tree.Stage) -> None:
        """Raises a `ValueError` if decisions are to be conditioned on a cost where there are none."""
        if self.dynamic_cost and not exit_tree.junctions(shape):
            raise ValueError("`dynamic_cost` must be False where nothing is decided. Received: dynamic_cost=True")

    def set_default(self, model: RoutedModel, shape: exit_tree.Stage) -> RoutedModel:
        """Gives a model the strategy's objective as its default, and returns the model.

        Args:
            model: A model that classifies.
            shape: The tree of its layers.
        """
        macs = {row.layer: row.macs for row in cost.layer_costs(model)}
        in_tree = [layer for part in exit_tree.parts(shape) for layer in part.layers]
        objective = self._create(shape, {layer: macs[layer] for layer in in_tree}, bool(exit_tree.junctions(shape)))
        model.set_default_objective(objective)
        return model

    def _create(self, shape: exit_tree.Stage, macs: Mapping[str, int], has_junctions: bool) -> Actor | Critic:
        shared: dict[str, Any] = {
            "computation_cost": self._choose_cost(has_junctions),
            "kernel_decay": self.kernel_decay,
            "talr": self.talr,
            "temperature_half_life": self.temperature_half_life,
        }
        # The two strategies have first temperatures of their own.
        if self.temperature is not None:
            shared["temperature"] = self.temperature
        if self.strategy == "actor":
            return Actor(
                shape,
                macs,
                decisiveness_cost=self.decisiveness_cost,
                regularize_policy=self.regularize_policy,
                **shared,
            )
        return Critic(
            shape,
            macs,
            optimistic=self.strategy == "optimistic_critic",
            error=self.critic_error,
            regression_weight=self.regression_weight,
            **shared,
        )

    def _choose_cost(self, has_junctions: bool) -> float | Sequence[float]:
        if self.computation_cost is not None:
            return self.computation_cost
        if self.dynamic_cost:
            return COSTS
        return COSTS[4] if has_junctions else 0.0
