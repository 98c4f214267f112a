"""Warnings that point to the line of the user's code instead of a line of this package."""

import inspect
import warnings

_PASSED = ("keras", "tf_routing", "tensorflow")


def warn(message: str) -> None:
    """Warns of something that the caller of this library did.

    Args:
        message: What the warning says.
    """
    frame, level = inspect.currentframe(), 0
    while frame and frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _PASSED:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level + 1)
