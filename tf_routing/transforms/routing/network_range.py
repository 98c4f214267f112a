"""Finds out which values a network made elsewhere takes as images, from the layer that reads them first."""

from typing import Any

import keras
import numpy as np

from tf_routing.models.inputs.input_range import BYTES, check_range
from tf_routing.support.notices import warn
from tf_routing.transforms.routing.flat_calls import FlatGraph

# A factor, or a mean, that only values up to 255 have.
_OF_BYTES, _MEAN_OF_BYTES = 1 / 64, 2.0


def find_range(graph: FlatGraph, given: tuple[float, float] | None) -> tuple[float, float]:
    """Returns the range of the values that a network takes.

    Where nothing says so, neither the user nor a layer that rescales or standardises bytes, bytes are assumed, and a
    warning says that.

    Args:
        graph: The network.
        given: What the user says of it.

    Raises:
        ValueError: If that is no range.

    Example:

    >>> from tf_routing.transforms.routing.flat_calls import list_calls
    >>> image = keras.Input((8, 8, 3))
    >>> find_range(list_calls(keras.Model(image, keras.layers.Rescaling(1 / 255)(image))), None)
    (0.0, 255.0)
    """
    if given is not None:
        return check_range("input_range", given)
    readers = graph.readers().get(graph.image, [])
    if len(readers) != 1 or not _reads_bytes(readers[0].operation):
        warn(
            "Nothing in the network says which values it takes as images: bytes are assumed, 0 to 255, left as they "
            "are. Say so with `input_range=(0, 255)`, or which others: (0, 1), or (-1, 1)."
        )
    return BYTES


def _reads_bytes(layer: Any) -> bool:
    if isinstance(layer, keras.layers.Rescaling):
        return bool(np.max(layer.scale) <= _OF_BYTES)
    if isinstance(layer, keras.layers.Normalization):
        return bool(np.max(np.asarray(layer.mean)) > _MEAN_OF_BYTES)
    return False
