"""Tables that map classes to coarse categories: built in, from JSON files, or given as lists."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tf_routing.support.package_files import read_package_file
from tf_routing.support.validation import is_integer, unknown

_BUILT_IN = ("cifar100", "imagenet2012")


def load_categories(categories: str | os.PathLike[str] | Sequence[int], classes: int) -> list[int]:
    """Loads a table that holds the category of every class.

    Args:
        categories: `"cifar100"` for its 20 superclasses, `"imagenet2012"` for 58 groups of ImageNet's 1,000 classes,
            the path of a JSON file that holds a list with one integer per class, or such a list. The groups of
            ImageNet are ours, divided by the hypernyms of WordNet 3.0 (Princeton University, 2006).
        classes: Integer, number of classes.

    Returns:
        List of integers counted from 0, one per class.

    Raises:
        ValueError: If the name is not known, or the table does not hold one category per class, counted from 0.
        FileNotFoundError: If a path names no file.

    Example:

    >>> load_categories("cifar100", classes=100)[:5]
    [4, 1, 14, 8, 0]
    """
    table = _read(os.fspath(categories)) if isinstance(categories, (str, os.PathLike)) else list(categories)
    return validate_categories(table, classes)


def validate_categories(categories: Sequence[int], classes: int | None = None) -> list[int]:
    """Checks a table of categories, and returns it as Python's integers.

    Args:
        categories: Category of every class.
        classes: Integer, number of classes, where it is known.

    Raises:
        ValueError: If an entry is no integer of at least zero, or their number is not that of the classes.
    """
    table = list(categories)
    if not all(is_integer(each) and each >= 0 for each in table):
        raise ValueError(f"`categories` must hold integers counted from 0. Received: {table!r}")
    if classes is not None and len(table) != classes:
        raise ValueError(
            f"`categories` must hold one category for each of {classes} classes. Received: {len(table)} categories"
        )
    return list(map(int, table))


def name_categories(categories: Any, table: Sequence[int]) -> list[str]:
    """Returns the names of the categories of a table: those of a built-in one, else their numbers."""
    if isinstance(categories, str) and categories in _BUILT_IN:
        return _built_in(categories)["names"]
    return [str(number) for number in range(max(table) + 1)]


def _read(source: str) -> list[int]:
    if source in _BUILT_IN:
        return _built_in(source)["categories"]
    if not source.endswith(".json"):
        raise ValueError(f"{unknown('table of categories', source, _BUILT_IN)} A path must end in '.json'.")
    if not Path(source).is_file():
        raise FileNotFoundError(f"`categories` names no file: {source}")
    table = json.loads(Path(source).read_text("utf-8"))
    if not isinstance(table, list):
        raise ValueError(f"{source} must hold a list of integers, one per class. Received: {type(table).__name__}")
    return table


def _built_in(name: str) -> dict[str, Any]:
    return json.loads(read_package_file("tf_routing.objectives", f"{name}.json"))
