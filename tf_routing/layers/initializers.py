"""Initializers for weights that stand side by side."""

from typing import Any


def distinct_copy(initializer: Any, index: int) -> Any:
    """Returns a copy that draws other values than the copies with other indices, repeatably where a seed was given."""
    if not hasattr(initializer, "get_config"):
        return initializer
    config = initializer.get_config()
    if isinstance(config.get("seed"), int):
        config["seed"] += index
    return type(initializer).from_config(config)


def distinct_seed(seed: int | None, index: int) -> int | None:
    """Returns a seed of its own for the part with this index, or `None` where there is no seed."""
    # Not the sum: neighbouring seeds would share all but one of their parts' seeds.
    return None if seed is None else (seed * 1_000_003 + index) % 2**31
