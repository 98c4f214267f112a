"""Argument checks whose errors name the argument, the value received and the values accepted."""

import difflib
import math
import numbers
import operator
from collections.abc import Iterable, Sequence
from typing import Any

# So many names are read at a glance.
_FEW = 12


def unknown(kind: str, name: object, known: Iterable[str], see: str = "") -> str:
    """The message for a name that is not known: close ones, else all where they are few.

    Args:
        kind: What the name should have been one of, for example `"recipe"`.
        name: The name.
        known: Those that there are.
        see: What shows all of them, for the message where they are many and none is close.

    Example:

    >>> unknown("recipe", "quik", ["quick", "drn_cifar"])
    "Unknown recipe 'quik'. Did you mean: quick?"
    """
    known = sorted(known)
    close = _close(str(name), known)
    if close:
        return f"Unknown {kind} {name!r}. Did you mean: {', '.join(close)}?"
    if len(known) > _FEW:
        return f"Unknown {kind} {name!r}, and none of the {len(known)} known is close.{f' {see}' if see else ''}"
    return f"Unknown {kind} {name!r}. Known: {', '.join(known) or 'none'}."


def _close(name: str, known: Sequence[str]) -> list[str]:
    close = difflib.get_close_matches(name, known, n=5, cutoff=0.5)
    # A word that stands in a longer name is close too, however long that is.
    within = [each for each in known if len(name) > 2 and name in each] if not close else []
    return close or within[:5]


def first_few(names: Sequence[str], count: int = 5) -> str:
    """The first of many names for a message, and how many more there are."""
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more if names else "nothing"


def one_of(argument: str, value: Any, accepted: Iterable[Any]) -> Any:
    """Returns `value` if it is among `accepted`, else raises a `ValueError` that names the argument."""
    accepted = tuple(accepted)
    if value not in accepted:
        raise ValueError(
            f"`{argument}` must be one of {', '.join(map(repr, accepted))}. Received: {argument}={value!r}"
        )
    return value


def is_integer(value: Any) -> bool:
    """Whether `value` counts as an integer: Python's, NumPy's and those of zero-dimensional arrays, but no boolean."""
    if isinstance(value, bool):
        return False
    try:
        operator.index(value)
    except TypeError:
        return False
    return True


def is_number(value: Any) -> bool:
    """Whether `value` counts as a number: Python's and NumPy's integers and floats, but no boolean."""
    return is_integer(value) or (isinstance(value, numbers.Real) and not isinstance(value, bool))


def plain(value: Any) -> Any:
    """Returns `value` with NumPy's numbers, also inside lists, tuples and dicts, as the Python numbers they stand for.

    What is saved as JSON, or compared with what was, holds Python's.

    Example:

    >>> import numpy as np
    >>> plain({"widths": (np.int64(8), 16), "rate": np.float32(0.5)})
    {'widths': (8, 16), 'rate': 0.5}
    """
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(map(plain, value))
    if type(value) is dict:
        return {key: plain(each) for key, each in value.items()}
    # NumPy's numbers and arrays know what they are in Python; nothing else has both.
    return value.tolist() if hasattr(value, "tolist") and hasattr(value, "dtype") else value


def positive_integer(argument: str, value: Any) -> int:
    """Returns `value` if it is an integer of at least one, else raises a `ValueError` that names the argument."""
    if not is_integer(value) or value < 1:
        raise ValueError(f"`{argument}` must be a positive integer. Received: {argument}={value!r}")
    return operator.index(value)


def positive_number(argument: str, value: Any) -> float:
    """Returns `value` if it is a finite number above zero, else raises a `ValueError` that names the argument."""
    if not is_number(value) or not value > 0:
        raise ValueError(f"`{argument}` must be a positive number. Received: {argument}={value!r}")
    return _finite(argument, value)


def part_of_one(argument: str, value: Any) -> float:
    """Returns `value` if it is a number between 0 and 1, else raises a `ValueError` that names the argument."""
    if not is_number(value) or not 0 < value < 1:
        raise ValueError(f"`{argument}` must be between 0 and 1. Received: {argument}={value!r}")
    return plain(value)


def not_negative(argument: str, value: Any) -> float:
    """Returns `value` if it is a finite number of at least zero, else raises a `ValueError` that names the argument."""
    if not is_number(value) or not value >= 0:
        raise ValueError(f"`{argument}` must be a number of at least zero. Received: {argument}={value!r}")
    return _finite(argument, value)


def _finite(argument: str, value: Any) -> float:
    # Compared, not `math.isfinite`, which makes a float of an integer and cannot of every one.
    if not value < math.inf:
        raise ValueError(f"`{argument}` must be finite. Received: {argument}={value!r}")
    return plain(value)


def seed_or_none(seed: Any) -> int | None:
    """Returns `seed` if it is `None` or an integer, else raises a `ValueError`."""
    if seed is not None and not is_integer(seed):
        raise ValueError(f"`seed` must be None or an integer. Received: seed={seed!r}")
    return None if seed is None else operator.index(seed)


def not_negative_integer(argument: str, value: Any) -> int:
    """Returns `value` if it is an integer of at least zero, else raises a `ValueError` that names the argument."""
    if not is_integer(value) or value < 0:
        raise ValueError(f"`{argument}` must be an integer of at least zero. Received: {argument}={value!r}")
    return operator.index(value)
