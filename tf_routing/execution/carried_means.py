"""Channel means that are handed on beside the maps they summarise.

A router reads nothing of a block's maps but their means. A block that is bypassed leaves maps as they are: of the next
router's means, only those of the rows that ran have to be computed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from keras import ops

from tf_routing.core.precision import is_half

# While a model runs, the maps that were summarised last, and their means. No more than those: kept maps take memory.
_newest: ContextVar[list[Any] | None] = ContextVar("_newest", default=None)


@contextmanager
def carrying() -> Iterator[None]:
    """Lets the blocks of a model hand on means."""
    token = _newest.set([None, None])
    try:
        yield
    finally:
        _newest.reset(token)


def of_positions(maps: Any) -> Any:
    """Returns the means of maps `(batch, height, width, channels)` over their positions, at least in float32."""
    return ops.mean(ops.cast(maps, "float32") if is_half(maps.dtype) else maps, axis=(1, 2))


def means_of(maps: Any) -> Any:
    """Returns the channel means of maps if they are known, else `None`."""
    known, means = _newest.get() or (None, None)
    return means if known is maps else None


def keep(maps: Any, means: Any) -> None:
    """Keeps the channel means of maps for whoever reads these next."""
    newest = _newest.get()
    if newest is not None:
        newest[:] = maps, means
