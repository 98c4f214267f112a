"""Turns the flat arguments of `zoo.get` into those of a builder, which takes what belongs together as one object."""

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

REQUIRED = inspect.Parameter.empty
"""Stands for the default of an argument that has none."""


def list_builder_arguments(build: Callable[..., Any]) -> dict[str, Any]:
    """Returns the arguments of a builder by name, flat, with their defaults (`REQUIRED` where there is none).

    A parameter whose annotation is a dataclass stands for the fields of that class.

    Args:
        build: A builder.

    Raises:
        TypeError: If two parameters of the builder bring an argument of the same name.
    """
    found: dict[str, Any] = {}
    for parameter in inspect.signature(build).parameters.values():
        for name, default in _expand(parameter):
            if name in found:
                raise TypeError(f"{build.__module__}.build takes {name!r} twice.")
            found[name] = default
    return found


def call_builder(build: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Calls a builder with flat arguments, and returns the model.

    Args:
        build: A builder.
        arguments: Arguments by the names of `list_builder_arguments`; those that are not given have their defaults.

    Raises:
        TypeError: If an argument is not known or one is missing.
        ValueError: If a value is not possible.
    """
    left, grouped = dict(arguments), {}
    for parameter in inspect.signature(build).parameters.values():
        options = option_class(parameter)
        if options is not None:
            names = [field.name for field in dataclasses.fields(options)]
            grouped[parameter.name] = options(**{name: left.pop(name) for name in names if name in left})
    return build(**grouped, **left)


def option_class(parameter: inspect.Parameter) -> type[Any] | None:
    """Returns the dataclass that a builder takes by this parameter, or `None` where it takes a single value."""
    annotation = parameter.annotation
    return annotation if isinstance(annotation, type) and dataclasses.is_dataclass(annotation) else None


def _expand(parameter: inspect.Parameter) -> Iterator[tuple[str, Any]]:
    options = option_class(parameter)
    if options is None:
        yield parameter.name, parameter.default
        return
    for field in dataclasses.fields(options):
        yield field.name, REQUIRED if field.default is dataclasses.MISSING else field.default
