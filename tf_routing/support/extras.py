"""Imports packages of an extra of this package, or says which extra brings them."""

import importlib
import importlib.util
from typing import Any


def import_extra(module: str, extra: str, purpose: str) -> Any:
    """Returns a module that is not among the requirements of the package.

    Args:
        module: Name of the module.
        extra: The extra of `tf_routing` that installs it.
        purpose: What needs it, for the message.

    Raises:
        ImportError: If the module, or one that it imports, is not installed.

    Example:

    >>> import_extra("json", "serving", "The client").dumps([])
    '[]'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{_name_extra(module, extra, purpose)} ({error})") from error


def describe_missing(module: str, extra: str, purpose: str) -> str:
    """Returns what to install for something that is left out without it, in one line; empty if it is there.

    Args:
        module: Name of a module, without a dot.
        extra: The extra of `tf_routing` that installs it.
        purpose: What needs it.

    Example:

    >>> describe_missing("json", "serving", "The client")
    ''
    >>> describe_missing("not_there", "serving", "The client")
    "The client needs not_there: pip install 'tf_routing[serving]'"
    """
    return "" if importlib.util.find_spec(module) else _name_extra(module, extra, purpose)


def _name_extra(module: str, extra: str, purpose: str) -> str:
    return f"{purpose} needs {module}: pip install 'tf_routing[{extra}]'"
