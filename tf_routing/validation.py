"""Argument checks that name the argument, show what it got and say what it accepts."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """The message for a name that is not known: close matches first, else all that is known."""
    known = sorted(known)
    close = difflib.get_close_matches(str(name), known, n=5, cutoff=0.5)
    if close:
        return f"Unknown {kind} {name!r}. Did you mean: {', '.join(close)}?"
    return f"Unknown {kind} {name!r}. Known: {', '.join(known) or 'none'}."


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


def positive_integer(argument: str, value: Any) -> int:
    """Returns `value` if it is an integer of at least one, else raises a `ValueError` that names the argument."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"`{argument}` must be a positive integer. Received: {argument}={value!r}")
    return value


def positive_number(argument: str, value: Any) -> float:
    """Returns `value` if it is a number above zero, else raises a `ValueError` that names the argument."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise ValueError(f"`{argument}` must be a positive number. Received: {argument}={value!r}")
    return value


def not_negative(argument: str, value: Any) -> float:
    """Returns `value` if it is a number of at least zero, else raises a `ValueError` that names the argument."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise ValueError(f"`{argument}` must be a number of at least zero. Received: {argument}={value!r}")
    return value


def not_negative_integer(argument: str, value: Any) -> int:
    """Returns `value` if it is an integer of at least zero, else raises a `ValueError` that names the argument."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"`{argument}` must be an integer of at least zero. Received: {argument}={value!r}")
    return value
