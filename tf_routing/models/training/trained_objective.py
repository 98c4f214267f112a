"""The objective that a model trains on, from one `compile` to the next, and its part in a training step."""

import warnings
from collections.abc import Mapping
from typing import Any

import keras

from tf_routing.core.replicas import replicas_in_sync
from tf_routing.models.layer_paths import layer_at
from tf_routing.models.training.squared_kernels import squared_kernels
from tf_routing.models.training.term_means import TermMeans, in_one_sum
from tf_routing.objectives.classification import Classification
from tf_routing.objectives.objective import Objective


class TrainedObjective:
    """Holds the objective of one model: the default, and what the model was compiled with.

    Deliberately not a Keras object: a model must not track the objective's variables as its weights.

    Args:
        model: The `RoutedModel` that owns it.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.default: Objective = Classification()
        self.terms: TermMeans | None = None
        self._has_learnt = False

    @property
    def objective(self) -> Objective | None:
        """What the model was compiled with; `None` before, and where a Keras loss trains."""
        return None if self.terms is None else self.terms.objective

    @property
    def variables(self) -> list[Any]:
        """The objective's weights, which train with the model and are no part of it."""
        return [] if self.objective is None else self.objective.variables

    @property
    def state(self) -> list[Any]:
        """What the objective adapts; nothing trains it."""
        return [] if self.objective is None else self.objective.state

    @property
    def metrics(self) -> list[Any]:
        """One running mean per loss term, and per number that the objective measures besides."""
        return [] if self.terms is None else list(self.terms.means.values())

    def replace(self, objective: Objective | None) -> Objective | None:
        """Takes the objective of a new `compile`, and returns the one before.

        Call it while the model has the optimizer of the last `compile`, which tells whether anything was learnt.
        """
        before = self.objective
        self._has_learnt = self._has_learnt or _has_stepped(self.model)
        self.terms = None if objective is None else TermMeans(objective)
        return before

    def build(self, before: Objective | None) -> None:
        """Creates the objective's parts, going on from those of the one before; parts that are there already stay.

        Args:
            before: What `replace` returned.
        """
        objective = self.objective
        if objective is None:
            return
        is_new = not objective.variables and not objective.state
        objective.build(self.model.symbolic_outputs())
        # What it is built on tells it which terms it has.
        self.terms = TermMeans(objective)
        if before is None or not is_new or objective is before:
            return
        changed = objective.go_on_from(before)
        if changed and self._has_learnt:
            warnings.warn(
                f"What {type(objective).__name__} learnt or adapted begins anew: it is compiled with another "
                f"{' and '.join(f'`{name}`' for name in changed)} than before. With the same it goes on.",
                stacklevel=3,
            )

    def compute_loss(self, labels: Any, outputs: dict[str, Any], sample_weight: Any, training: bool) -> Any:
        """Returns one replica's share of the loss, and adds each term to its mean.

        Args:
            labels: As `Objective.__call__` reads them.
            outputs: What the model returns with `return_outputs=True`.
            sample_weight: Weights `(batch,)` or `None`.
            training: Boolean; the objective may log other terms at evaluation.
        """
        if self.terms is None:
            raise ValueError("The model is compiled with a Keras loss, which computes the loss itself.")
        outputs = {**outputs, **squared_kernels(self.model, self.terms.objective.decayed_layers)}
        loss = self.terms.total(labels, outputs, sample_weight, training)
        # Regularisation that users put on layers counts once per step, whatever the number of replicas.
        return in_one_sum([loss, *self.model.losses]) / replicas_in_sync()

    def gradient_factors(self, outputs: dict[str, Any]) -> dict[int, Any]:
        """Returns by what the objective multiplies gradients, by `id` of the variable; all others stay as they are.

        Args:
            outputs: What the objective read.
        """
        factors = {} if self.objective is None else self.objective.gradient_factors(outputs)
        # By `id`: Keras variables cannot be hashed.
        return {
            id(weight): factor
            for name, factor in factors.items()
            for weight in layer_at(self.model, name).trainable_weights
        }

    def end_step(self) -> None:
        """Lets the objective adapt after a training step."""
        if self.objective is not None:
            self.objective.end_step()

    def end_epoch(self, logs: Mapping[str, float]) -> None:
        """Lets the objective adapt to the logs of an epoch."""
        if self.objective is not None:
            self.objective.end_epoch(logs)


def _has_stepped(model: keras.Model) -> bool:
    optimizer = getattr(model, "optimizer", None)
    return optimizer is not None and int(keras.ops.convert_to_numpy(optimizer.iterations)) > 0
