"""Statistics of early-exit networks: which exits images leave at, and how many of them are classified rightly."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_routing import cost, exit_tree
from tf_routing.data.batching.batches import add_constant_inputs
from tf_routing.evaluation.accuracies import are_right
from tf_routing.models import RoutedModel


def leaves_early(model: RoutedModel) -> bool:
    """Returns whether images can leave a network at several exits."""
    return exit_tree.find_tree(model) is not None


def _require_tree(model: RoutedModel) -> exit_tree.Stage:
    tree = exit_tree.find_tree(model)
    if tree is None:
        raise ValueError(
            f"`model` must be an early-exit network. Received: {model.name!r}, which has no exits to choose"
        )
    return tree


def exit_statistics(
    model: RoutedModel, probabilities: np.ndarray, routes: Mapping[str, np.ndarray], labels: np.ndarray
) -> dict[str, Any]:
    """Returns how many images leave at each exit.

    Args:
        model: An early-exit network.
        probabilities: Its predictions `(count, classes)`.
        routes: Its decisions, as `RoutedModel.routes` returns.
        labels: Class indices `(count,)`.

    Returns:
        Dict of `error`, the share of wrong predictions; `mean_macs` per image; and `exits`, by name of the exit the
        numbers of images of each class that leave there, `correct` and `incorrect`.
    """
    right, classes = are_right(probabilities, labels), probabilities.shape[-1]
    taken = find_exits(model, routes)
    exits = {
        leaf: {
            "correct": np.bincount(labels[(taken == leaf) & right], minlength=classes).tolist(),
            "incorrect": np.bincount(labels[(taken == leaf) & ~right], minlength=classes).tolist(),
        }
        for leaf in (leaf.layer for leaf in exit_tree.exits(_require_tree(model)))
    }
    executed = cost.executed_macs(model, routes, len(labels))
    return {"error": float(1 - right.mean()), "mean_macs": float(executed.mean()), "exits": exits}


def measure_exits(
    model: RoutedModel,
    batches: Any,
    probabilities: np.ndarray,
    routes: Mapping[str, np.ndarray],
    labels: np.ndarray,
) -> dict[str, Any]:
    """Returns `exit_statistics` of batches; of a network conditioned on the cost, for each cost under `by_cost`.

    Args:
        model: An early-exit network.
        batches: Batches of pairs of images and labels, for networks conditioned on the cost.
        probabilities: Predictions for these batches `(count, classes)`, for all others.
        routes: Decisions on these batches, for all others.
        labels: Class indices `(count,)`.
    """
    drawn = model.default_objective().drawn_inputs
    if not drawn:
        return exit_statistics(model, probabilities, routes, labels)

    def measure(cost: float) -> dict[str, Any]:
        """Returns the statistics where every image has this cost."""
        inputs = add_constant_inputs(batches, {"cost": cost})
        return exit_statistics(model, model.predict(inputs, verbose=0), model.routes(inputs), labels)

    return {"by_cost": [{"computation_cost": cost, **measure(cost)} for cost in drawn["cost"]]}


def find_exits(model: RoutedModel, routes: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns the name of the exit that each image takes, an array `(count,)`."""
    ways = exit_tree.routes(_require_tree(model))
    names = np.array([way.exit for way in ways])
    decided = [np.all([routes[name][:, choice] > 0.5 for name, choice in way.choices.items()], axis=0) for way in ways]
    return names[np.argmax(decided, axis=0)]
