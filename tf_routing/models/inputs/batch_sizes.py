"""Lets the function that `predict` runs be traced once for batches of all sizes. TensorFlow only."""

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

import keras
import numpy as np

_PATIENCE = 3


class AnySize:
    """A predict function of Keras that is traced for a batch of unknown size, and not for each size anew.

    Keras traces for the shape of the first batch, and again for all shapes when a second one comes. Tracing is most of
    what a first call takes.

    Args:
        make: Makes a predict function: each has traces of its own.
        needs_size: Whether batches of so many samples run in a way of their own, for which a function must know them.
    """

    def __init__(self, make: Callable[[], Any], needs_size: Callable[[int], bool]) -> None:
        self._make, self._needs_size = make, needs_size
        self._functions: dict[Hashable, Any] = {}
        self._traced: set[str] = set()
        self._odd_batches: Counter[Hashable] = Counter()

    def __call__(self, data: Any) -> Any:
        """Returns the answers for what Keras hands to a predict function: a list of batches."""
        import tensorflow as tf

        data = tf.nest.map_structure(lambda leaf: tf.constant(leaf) if isinstance(leaf, np.ndarray) else leaf, data)
        # `predict_on_batch` hands over images in a tuple of one, `predict` by themselves: to a step they are the same.
        data = [each[0] if isinstance(each, tuple) and len(each) == 1 else each for each in data]
        leaves = keras.tree.flatten(data)
        # Not the parts of a batch that replicas share, nor what is ragged or sparse.
        if not all(isinstance(leaf, tf.Tensor) for leaf in leaves):
            return self._function("as it is")(data)
        counts = {leaf.shape[0] for leaf in leaves if leaf.shape.rank}
        own = tuple(sorted(count for count in counts if self._needs_size(count)))
        # First what costs nothing: a server of single images comes here for each.
        if own and own in self._functions:
            return self._functions[own](data)
        specs = _any_size(data)
        if own and not self._waits(own, specs):
            return self._function(*own)(data)
        function = self._function()
        if hasattr(function, "get_concrete_function") and repr(specs) not in self._traced:
            # Called after this, it runs what was traced.
            function.get_concrete_function(specs)
            self._traced.add(repr(specs))
        return function(data)

    def _function(self, *key: Hashable) -> Any:
        if key not in self._functions:
            self._functions[key] = self._make()
        return self._functions[key]

    def _waits(self, own: Hashable, specs: Any) -> bool:
        """Whether a function of its own has not paid yet, and that for any size is there: for the rest of a dataset."""
        self._odd_batches[own] += 1
        return repr(specs) in self._traced and self._odd_batches[own] <= _PATIENCE


def _any_size(data: Any) -> Any:
    """Returns the types of batches like this one, of any size."""
    import tensorflow as tf

    return tf.nest.map_structure(
        lambda leaf: tf.TensorSpec((None, *leaf.shape[1:]) if leaf.shape.rank else (), leaf.dtype), data
    )
