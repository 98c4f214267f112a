"""The flat arguments of `zoo.get` and the objects in which builders take them."""

import inspect
from dataclasses import dataclass, fields
from typing import Any

import pytest

from tf_routing.objectives import Actor, Critic, DiverseRoutes
from tf_routing.zoo.architectures import ARCHITECTURES
from tf_routing.zoo.arguments.builder_arguments import REQUIRED, call_builder, list_builder_arguments
from tf_routing.zoo.arguments.common_arguments import CommonArguments
from tf_routing.zoo.arguments.idle_arguments import Condition, refuse_idle
from tf_routing.zoo.builders.parts.exit_learning import ExitLearning
from tf_routing.zoo.builders.parts.skipping import RouteObjective
from tf_routing.zoo.registry import list_arguments

BUILDERS = {line.import_builder.__name__: line for line in ARCHITECTURES.values()}


@dataclass(frozen=True)
class Size:
    height: int
    width: int = 2

    CONDITIONS = (Condition(("width",), lambda values: values["height"] > 1, "with height > 1"),)


@dataclass(frozen=True)
class Colour:
    red: float = 0.5


def build(*, name: str, size: Size, deep: bool = True, colour: Colour) -> tuple[Any, ...]:
    return name, size, deep, colour


def twice(*, size: Size, width: int = 1) -> None:
    """A builder whose `width` could be either."""


def test_arguments_are_listed_flat_in_the_order_of_the_signature() -> None:
    expected = {"name": REQUIRED, "height": REQUIRED, "width": 2, "deep": True, "red": 0.5}
    found = list_builder_arguments(build)
    assert found == expected and list(found) == list(expected)


def test_flat_arguments_go_into_the_objects_that_take_them() -> None:
    assert call_builder(build, {"red": 0.1, "height": 3, "name": "n"}) == ("n", Size(3, 2), True, Colour(0.1))
    assert call_builder(build, {"deep": False, "width": 5, "height": 3, "name": "n"})[1:3] == (Size(3, 5), False)


@pytest.mark.parametrize(("arguments", "named"), [({"height": 1}, "name"), ({"name": "n"}, "height")])
def test_a_missing_argument_is_named(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(TypeError, match=named):
        call_builder(build, arguments)


def test_an_unknown_argument_is_named() -> None:
    with pytest.raises(TypeError, match="depth"):
        call_builder(build, {"name": "n", "height": 1, "depth": 2})


def test_one_name_for_two_arguments_is_refused() -> None:
    with pytest.raises(TypeError, match="'width' twice"):
        list_builder_arguments(twice)


def test_conditions_of_options_are_those_of_their_builder() -> None:
    defaults = {"width": 2}
    refuse_idle(build, {"height": 2, "width": 3}, {"width": 3}, defaults)
    refuse_idle(build, {"height": 1, "width": 2}, {"width": 2}, defaults)
    with pytest.raises(ValueError, match="`width` counts only with height > 1. Received: width=3"):
        refuse_idle(build, {"height": 1, "width": 3}, {"width": 3}, defaults)


@pytest.mark.parametrize("builder", BUILDERS)
def test_every_builder_takes_the_common_arguments_and_what_its_lines_give(builder: str) -> None:
    line = BUILDERS[builder]
    known = list_builder_arguments(line.import_builder())
    assert {field.name for field in fields(CommonArguments)} <= known.keys()
    lines = [each for each in ARCHITECTURES.values() if each.import_builder is line.import_builder]
    for each in lines:
        assert {*each.arguments, *each.defaults} <= known.keys()
        # What neither the line nor the user gives has a default.
        left = known.keys() - each.arguments.keys() - each.defaults.keys() - {"name"}
        assert not [name for name in left if known[name] is REQUIRED]


def test_arguments_of_an_architecture_are_those_of_its_builder() -> None:
    known = list_arguments("drn_resnet32")
    assert known["stage_blocks"] is REQUIRED and known["diversity_weight"] == 0.2
    with pytest.raises(ValueError, match="Did you mean: .*drn_resnet32"):
        list_arguments("drn_resnet3")


def _defaults(function: Any) -> dict[str, Any]:
    return {name: each.default for name, each in inspect.signature(function).parameters.items()}


@pytest.mark.parametrize(
    ("options", "objective", "left_out"),
    [
        (RouteObjective, DiverseRoutes, set()),
        # Without junctions nothing costs, and the strategies differ in their first temperature.
        (ExitLearning, Actor, {"computation_cost", "temperature"}),
        (ExitLearning, Critic, {"computation_cost", "temperature"}),
    ],
)
def test_options_have_the_defaults_of_the_objective(options: Any, objective: Any, left_out: set[str]) -> None:
    own, theirs = _defaults(options), _defaults(objective)
    shared = own.keys() & theirs.keys() - left_out
    assert len(shared) >= 4
    assert {name: own[name] for name in shared} == {name: theirs[name] for name in shared}
