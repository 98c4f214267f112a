"""Channel means that are handed on with the maps they summarise.

A router reads nothing of a block's maps but their means. A block that is bypassed leaves maps as they are: of the next
router's means, only those of the rows that ran have to be computed.
"""

from typing import Any

from keras import ops

from tf_routing.core.precision import is_half


class CarriedMeans:
    """The maps that were summarised last in one run of a model, and their means.

    No more than those, since maps that are kept take memory.

    Example:

    >>> maps, means = ops.ones((1, 2, 2, 3)), CarriedMeans()
    >>> means.keep(maps, average_positions(maps))
    >>> means.find(maps).shape, means.find(ops.ones((1, 2, 2, 3)))
    (TensorShape([1, 3]), None)
    """

    def __init__(self) -> None:
        self._maps: Any = None
        self._means: Any = None

    def find(self, maps: Any) -> Any:
        """Returns the channel means of maps if they are known, else `None`."""
        # By identity: other maps may hold the same numbers, and comparing them would cost more than averaging.
        return self._means if maps is self._maps else None

    def keep(self, maps: Any, means: Any) -> None:
        """Keeps the channel means of maps for whoever reads these next."""
        self._maps, self._means = maps, means


def average_positions(maps: Any) -> Any:
    """Returns the means of maps `(batch, height, width, channels)` over their positions, at least in float32."""
    return ops.mean(ops.cast(maps, "float32") if is_half(maps.dtype) else maps, axis=(1, 2))
