"""Names the folders of runs that belong together, by what differs between them."""

from collections.abc import Mapping
from typing import Any


def folder_name(changes: Mapping[str, Any]) -> str:
    """Returns the name of a run's folder: what differs in it, or `default`.

    Example:

    >>> folder_name({"decision": "first", "keep": 12})
    'decision_first_keep_12'
    """
    values = {key: f"{value:.4g}" if _is_small(value) else _round(value) for key, value in changes.items()}
    return "_".join(f"{key}_{value}" for key, value in values.items()) or "default"


def _is_small(value: Any) -> bool:
    return isinstance(value, float) and 0 < abs(value) < 1e-3


def _round(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value
