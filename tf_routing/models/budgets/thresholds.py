"""The thresholds of a model's routers: which weights hold them, and how they are shifted together and put back."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from tf_routing.core.protocols import HasThresholds


class TrainedThresholds(NamedTuple):
    """The thresholds of one router as they were trained.

    Args:
        choices: Integer, how many shifts the router takes.
        values: Numbers of the weights that hold its thresholds, by their index among the router's weights.
    """

    choices: int
    values: Mapping[int, Any]


def find_routers(model: Any) -> dict[str, Any]:
    """Returns the routers with thresholds in a model, by their name, with those of the models that hold them before it.

    Args:
        model: A functional model.

    Example:

    >>> from tf_routing import zoo
    >>> list(find_routers(zoo.get("drn_resnet32", width_multiplier=0.125)))[:2]
    ['router_1', 'router_2']
    """
    return dict(_walk(model, ""))


def _walk(model: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for operation in getattr(model, "operations", []):
        name = prefix + operation.name
        if isinstance(operation, HasThresholds):
            yield name, operation
        else:
            yield from _walk(operation, f"{name}/")


def read_thresholds(router: Any, choices: int) -> TrainedThresholds:
    """Returns the thresholds of a router: what changes among its weights when it is asked to shift them.

    Args:
        router: A router with thresholds; it stays as it is.
        choices: Integer, how many shifts it takes.

    Raises:
        ValueError: If it does not decide by thresholds that are weights.
    """
    before = router.get_weights()
    router.shift_thresholds(np.ones(choices))
    moved = [number for number, weight in enumerate(router.get_weights()) if not np.array_equal(weight, before[number])]
    router.set_weights(before)
    if not moved:
        raise ValueError(f"Router {router.name!r} must keep its thresholds in weights: shifting them changes none.")
    # As float64, which holds every narrower float exactly, in JSON too.
    return TrainedThresholds(choices, {n: np.asarray(before[n], "float64").tolist() for n in moved})


def apply_offset(routers: Mapping[str, Any], trained: Mapping[str, TrainedThresholds], offset: float) -> None:
    """Sets the thresholds of all routers to the trained ones, shifted by one number; with 0 bit for bit the trained.

    Args:
        routers: Routers by name.
        trained: Their trained thresholds, by the same names.
        offset: Float, what is added to every score.
    """
    for name, thresholds in trained.items():
        router = routers[name]
        for number, values in thresholds.values.items():
            router.weights[number].assign(np.asarray(values, router.weights[number].dtype))
        if offset:
            router.shift_thresholds(np.full(thresholds.choices, offset))


def threshold_weights(routers: Mapping[str, Any], trained: Mapping[str, TrainedThresholds]) -> list[Any]:
    """Returns the variables that hold the thresholds of routers, in the order of their trained ones."""
    return [routers[name].weights[number] for name, thresholds in trained.items() for number in thresholds.values]
