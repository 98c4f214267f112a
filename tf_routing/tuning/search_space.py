"""Chooses the parameters to search for a network: those declared for its family that it has and are not fixed."""

import tomllib
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from tf_routing.models import RoutedModel
from tf_routing.support.package_files import read_package_file
from tf_routing.support.validation import one_of
from tf_routing.zoo.registry import find, list_arguments

PARTS = ("recipe", "network", "objective")


class Parameter(NamedTuple):
    """A number to search.

    Args:
        name: Name of the field or argument.
        part: What it belongs to, one of `PARTS`.
        low: Float, the least value.
        high: Float, the greatest value.
        sampling: `"linear"`, or `"log"` for even draws of the logarithm.
        needs: For objectives: another argument that must be set for this one to mean something, or `None`.
    """

    name: str
    part: str
    low: float
    high: float
    sampling: str
    needs: str | None = None


def read_parameters(family: str) -> list[Parameter]:
    """Returns the parameters that are declared for a family.

    Args:
        family: Name of a family of the zoo.

    Example:

    >>> [parameter.name for parameter in read_parameters("multipath")]
    ['learning_rate', 'kernel_decay', 'label_smoothing']
    """
    tables = tomllib.loads(read_package_file("tf_routing.tuning", "search_spaces.toml"))
    return [Parameter(**row) for row in tables[one_of("family", family, tables)]]


def search_space(architecture: str, model: RoutedModel, fixed: Collection[str] = ()) -> list[Parameter]:
    """Returns what is searched for a network.

    Args:
        architecture: Its name in the zoo.
        model: The network, as built with the arguments that stay.
        fixed: Names of arguments that the user gave, which stay as they are.

    Returns:
        List of `Parameter`.

    Raises:
        ValueError: If the architecture is not known, or nothing is left to search.
    """
    family, known = find(architecture).family, list_arguments(architecture)
    objective = model.default_objective().get_config()

    def has(parameter: Parameter) -> bool:
        """Returns whether the network, its objective or the recipe has the parameter."""
        if parameter.part == "objective":
            return parameter.name in objective and (parameter.needs is None or bool(objective[parameter.needs]))
        return parameter.part == "recipe" or parameter.name in known

    space = [parameter for parameter in read_parameters(family) if parameter.name not in fixed and has(parameter)]
    if not space:
        raise ValueError(f"Nothing is left to search for {architecture} beside what is given: {', '.join(fixed)}.")
    return space


def select_part(part: str, space: Collection[Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values that belong to one of `PARTS`, by name."""
    return {
        parameter.name: values[parameter.name] for parameter in space if parameter.part == one_of("part", part, PARTS)
    }


def set_objective_values(model: RoutedModel, values: Mapping[str, Any]) -> RoutedModel:
    """Changes arguments of a model's default objective, and returns the model."""
    objective = model.default_objective()
    if values:
        model.set_default_objective(type(objective).from_config({**objective.get_config(), **values}))
    return model
