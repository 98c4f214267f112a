"""Imports packages of an extra of this package, or raises an error that names the extra."""

import importlib
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
        raise ImportError(f"{purpose} needs {module}: pip install 'tf_routing[{extra}]' ({error})") from error
