"""Initializers and seeds that differ between parallel weights, and repeat from run to run."""

from typing import Any


def distinct_copy(initializer: Any, index: int) -> Any:
    """Returns a copy that draws other values than copies with another index, and the same in every run if seeded."""
    if not hasattr(initializer, "get_config"):
        return initializer
    config = initializer.get_config()
    if isinstance(config.get("seed"), int):
        config["seed"] += index
    return type(initializer).from_config(config)


def distinct_seed(seed: int | None, index: int) -> int | None:
    """Returns the seed for the part with this index, or `None` where there is no seed."""
    # Not seed + index: runs with seeds 0 and 1 would then give the same seed to part 1 and to part 0.
    return None if seed is None else (seed * 1_000_003 + index) % 2**31
