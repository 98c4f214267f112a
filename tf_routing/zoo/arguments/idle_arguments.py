"""Refuses arguments that would do nothing, since they count only with certain values of others."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tf_routing.zoo.arguments.builder_arguments import list_option_classes


class Condition(NamedTuple):
    """When arguments count; the options of builders declare them as `CONDITIONS`.

    Args:
        arguments: Their names.
        holds: Function of all arguments of the builder.
        text: The condition in words, as the end of a sentence that begins with "counts only".
    """

    arguments: tuple[str, ...]
    holds: Callable[[Mapping[str, Any]], bool]
    text: str


def needs_top(*arguments: str, about: str = "for the objective") -> Condition:
    """Returns the condition of arguments that count only where the network classifies.

    Args:
        *arguments: Their names.
        about: What they count for, in words.

    Example:

    >>> needs_top("rate_weight").text
    'for the objective, with include_top=True'
    """
    return Condition(arguments, lambda values: values["include_top"], f"{about}, with include_top=True")


def refuse_idle(
    build: Callable[..., Any], values: Mapping[str, Any], given: Mapping[str, Any], defaults: Mapping[str, Any]
) -> None:
    """Raises if an argument that the user gave does nothing with the values of the others.

    Args:
        build: The builder.
        values: All of its arguments, by the names of `list_builder_arguments`.
        given: Those that the user gave.
        defaults: What they are by default; what is asked for anyway is no mistake.

    Raises:
        ValueError: If there is one.

    Example:

    >>> from tf_routing.zoo.builders.skip_resnet import build
    >>> refuse_idle(build, {"router": "conv", "decision": "threshold"}, {"hidden": 8}, {"hidden": 16})
    Traceback (most recent call last):
    ValueError: `hidden` counts only with router='linear'. Received: hidden=8
    """
    changed = {name: value for name, value in given.items() if value != defaults[name]}
    conditions = [row for options in list_option_classes(build) for row in getattr(options, "CONDITIONS", ())]
    for condition in conditions:
        for argument in condition.arguments:
            if argument in changed and not condition.holds(values):
                raise ValueError(f"`{argument}` counts only {condition.text}. Received: {argument}={given[argument]!r}")
