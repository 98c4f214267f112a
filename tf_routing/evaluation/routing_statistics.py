"""Statistics of the decisions of a gated network: executed cost, execution rates, distinct routes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tf_routing import cost, execution
from tf_routing.analysis import hard_routes
from tf_routing.exit_tree import find_mixture
from tf_routing.models import RoutedModel


def routing_statistics(model: RoutedModel, routes: dict[str, np.ndarray]) -> dict[str, Any]:
    """Returns executed cost, execution rates and the number of different routes.

    Args:
        model: A gated network.
        routes: Its decisions for a test set.

    Returns:
        Dict of `executed_macs` (mean, deviation, least, most), `execution_rate` (mean over all sub-blocks; none of
        networks that leave early, whose junctions always choose one way), `execution_rates` by decision, and
        `distinct_routes`.
    """
    switches = np.concatenate(list(routes.values()), axis=1)
    executed = cost.executed_macs(model, routes, len(switches))
    rate = {} if find_mixture(model) is not None else {"execution_rate": float(switches.mean())}
    return {
        "executed_macs": {
            "mean": float(executed.mean()),
            "deviation": float(executed.std()),
            "least": int(executed.min()),
            "most": int(executed.max()),
        },
        **rate,
        "execution_rates": {name: decisions.mean(axis=0).tolist() for name, decisions in routes.items()},
        "distinct_routes": distinct_routes(routes),
    }


def distinct_routes(routes: dict[str, np.ndarray]) -> int:
    """Returns how many different rows the decisions of all layers make together."""
    return len(np.unique(hard_routes(routes), axis=0))


def rates_by_category(
    routes: dict[str, np.ndarray], labels: np.ndarray, categories: Sequence[int], names: Sequence[str]
) -> dict[str, dict[str, list[float]]]:
    """Returns the execution rate of every sub-block among each category's images, by category and decision."""
    table = np.asarray(categories)
    return rates_by_group(routes, labels, {name: np.flatnonzero(table == each) for each, name in enumerate(names)})


def rates_by_group(
    routes: dict[str, np.ndarray], labels: np.ndarray, groups: Mapping[str, Sequence[int] | np.ndarray]
) -> dict[str, dict[str, list[float]]]:
    """Returns the execution rate of every sub-block among the images of groups of classes, by group and decision.

    Args:
        routes: Decisions of a test set.
        labels: Its class indices.
        groups: Dict from a group's name to its classes; a class may be in several.
    """
    members = {name: np.isin(labels, classes) for name, classes in groups.items()}
    return {
        name: {decision: switches[own].mean(axis=0).tolist() for decision, switches in routes.items()}
        for name, own in members.items()
    }


def is_gated(model: RoutedModel) -> bool:
    """Returns whether a network has parts that images can skip."""
    return bool(execution.gated_blocks(model))
