"""What a network that leaves early does with a test set: who leaves where, and rightly or not."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_routing import cost, exit_tree
from tf_routing.core.protocols import HasExitTree
from tf_routing.data.batching.batches import add_constant_inputs
from tf_routing.evaluation.accuracies import are_right
from tf_routing.models import RoutedModel


def leaves_early(model: RoutedModel) -> bool:
    """Whether images can leave a network at several exits."""
    return any(isinstance(layer, HasExitTree) for layer in model.layers)


def _tree(model: RoutedModel) -> exit_tree.Stage:
    return next(layer.tree for layer in model.layers if isinstance(layer, HasExitTree))


def exit_statistics(
    model: RoutedModel, probabilities: np.ndarray, routes: Mapping[str, np.ndarray], labels: np.ndarray
) -> dict[str, Any]:
    """Returns who leaves where.

    Args:
        model: A network that leaves early.
        probabilities: Its answers `(count, classes)`.
        routes: Its decisions, as `RoutedModel.routes` returns.
        labels: Class indices `(count,)`.

    Returns:
        Dict of `error`, the share of wrong answers; `mean_macs` per image; and by name of each exit `exits`, with the
        numbers of images of each class that leave there, `correct` and `incorrect`.
    """
    right, classes = are_right(probabilities, labels), probabilities.shape[-1]
    taken = exits_taken(model, routes)
    exits = {
        leaf: {
            "correct": np.bincount(labels[(taken == leaf) & right], minlength=classes).tolist(),
            "incorrect": np.bincount(labels[(taken == leaf) & ~right], minlength=classes).tolist(),
        }
        for leaf in (each.layer for each in exit_tree.exits(_tree(model)))
    }
    executed = cost.executed_macs(model, routes, len(labels))
    return {"error": float(1 - right.mean()), "mean_macs": float(executed.mean()), "exits": exits}


def measured_exits(
    model: RoutedModel,
    batches: Any,
    probabilities: np.ndarray,
    routes: Mapping[str, np.ndarray],
    labels: np.ndarray,
) -> dict[str, Any]:
    """Returns `exit_statistics` of batches; of a network that is told the cost, for each cost under `by_cost`.

    Args:
        model: A network that leaves early.
        batches: Batches of pairs of images and labels, for networks that are told the cost.
        probabilities: Answers to these batches `(count, classes)`, for all others.
        routes: Decisions on these batches, for all others.
        labels: Class indices `(count,)`.
    """
    told = model.default_objective().drawn_inputs
    if not told:
        return exit_statistics(model, probabilities, routes, labels)

    def measured(cost: float) -> dict[str, Any]:
        """The statistics of one cost."""
        inputs = add_constant_inputs(batches, {"cost": cost})
        return exit_statistics(model, model.predict(inputs, verbose=0), model.routes(inputs), labels)

    return {"by_cost": [{"computation_cost": cost, **measured(cost)} for cost in told["cost"]]}


def exits_taken(model: RoutedModel, routes: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns the name of the exit that each image takes, an array `(count,)`."""
    ways = exit_tree.routes(_tree(model))
    names = np.array([way.exit for way in ways])
    decided = [np.all([routes[name][:, choice] > 0.5 for name, choice in way.choices.items()], axis=0) for way in ways]
    return names[np.argmax(decided, axis=0)]
