"""Turns the flat arguments of `zoo.get` into those of a builder, which takes what belongs together as one object.

Such an object is a frozen dataclass. A parameter of a builder whose annotation is one stands for its fields.
"""

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

REQUIRED = inspect.Parameter.empty
"""Stands for the default of an argument that has none."""


def list_builder_arguments(build: Callable[..., Any]) -> dict[str, Any]:
    """Returns the arguments of a builder by name, flat, with their defaults (`REQUIRED` where there is none).

    Args:
        build: A builder.

    Raises:
        TypeError: If two parameters of the builder bring an argument of the same name.

    Example:

    >>> from tf_routing.zoo.builders.mobilenetv2 import build
    >>> list(list_builder_arguments(build))[:4]
    ['classes', 'include_top', 'pooling', 'classifier_activation']
    """
    found: dict[str, Any] = {}
    for parameter in inspect.signature(build).parameters.values():
        for name, default in _list_arguments(parameter):
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
    single, grouped = dict(arguments), {}
    for parameter in inspect.signature(build).parameters.values():
        options = _find_options(parameter)
        if options is not None:
            names = [field.name for field in dataclasses.fields(options) if field.name in single]
            grouped[parameter.name] = options(**{name: single.pop(name) for name in names})
    return build(**grouped, **single)


def list_option_classes(build: Callable[..., Any]) -> list[type[Any]]:
    """Returns the dataclasses that a builder takes arguments in."""
    found = (_find_options(parameter) for parameter in inspect.signature(build).parameters.values())
    return [options for options in found if options is not None]


def _find_options(parameter: inspect.Parameter) -> type[Any] | None:
    annotation = parameter.annotation
    return annotation if isinstance(annotation, type) and dataclasses.is_dataclass(annotation) else None


def _list_arguments(parameter: inspect.Parameter) -> Iterator[tuple[str, Any]]:
    options = _find_options(parameter)
    if options is None:
        yield parameter.name, parameter.default
        return
    for field in dataclasses.fields(options):
        yield field.name, REQUIRED if field.default is dataclasses.MISSING else field.default
