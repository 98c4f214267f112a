"""The class names of an export, checked against the classes of the network."""

from collections.abc import Sequence
from typing import Any


def validate_names(class_names: Any, classes: int) -> list[str]:
    """Returns names by class index as a list, else raises a `ValueError` that says what is wrong with them.

    Args:
        class_names: A sequence of names.
        classes: Integer, how many there must be.

    Example:

    >>> from tf_routing.exporting.assets.class_names import validate_names
    >>> validate_names(("cat", "dog"), 2)
    ['cat', 'dog']
    """
    if isinstance(class_names, (str, bytes)) or not _is_sequence(class_names):
        raise ValueError(f"`class_names` must be a list of names. Received: class_names={class_names!r}")
    if len(class_names) != classes:
        raise ValueError(f"`class_names` must hold {classes} names. Received: {len(class_names)} names")
    for index, name in enumerate(class_names):
        if not isinstance(name, str) or len(name.splitlines()) != 1 or not _can_be_written(name):
            raise ValueError(f"`class_names` must hold one line each. Received: {name!r}, class {index}")
    return [str(name) for name in class_names]


def _is_sequence(value: Any) -> bool:
    # Arrays of names are no `Sequence` to Python.
    return isinstance(value, Sequence) or getattr(value, "ndim", None) == 1


def _can_be_written(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    # What ends in a line break is one line to `splitlines`, and two in a file of lines.
    return name == name.splitlines()[0]
