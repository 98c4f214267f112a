"""The range of the values that a network takes as images: what black and white are to it."""

from typing import Any

import keras

from tf_routing.core.pixel_values import LARGEST_BYTE, UNIT
from tf_routing.models.inputs.batches import image_input
from tf_routing.support.validation import is_number, plain

BYTES = (0.0, float(LARGEST_BYTE))
"""Bytes as they are, as floats."""


def check_range(argument: str, value: Any) -> tuple[float, float]:
    """Returns a range as a pair of floats, or raises a `ValueError` that names the argument."""
    pair = tuple(plain(each) for each in value) if isinstance(value, (tuple, list)) else ()
    if len(pair) != 2 or not all(is_number(each) for each in pair) or not pair[0] < pair[1]:
        raise ValueError(
            f"`{argument}` must be two numbers, what black and white are to the network, such as (0, 255). "
            f"Received: {argument}={value!r}"
        )
    return float(pair[0]), float(pair[1])


def input_range(model: keras.Model) -> tuple[float, float]:
    """Returns the range of the values that a model takes as images.

    It is noted on the symbolic tensor of the images, so that all models over the same graph have it.

    Args:
        model: The model, or another one that reads the same symbolic tensor.

    Example:

    >>> from tf_routing import zoo
    >>> input_range(zoo.get("basecnn", width_multiplier=0.25))
    (0.0, 1.0)
    """
    return getattr(image_input(model), "routed_input_range", UNIT)


def note_range(model: keras.Model, value: tuple[float, float]) -> None:
    """Notes the range of the values that a model takes as images.

    Args:
        model: The model.
        value: Pair of floats.
    """
    image_input(model).routed_input_range = value


def range_in_words(value: tuple[float, float]) -> str:
    """Returns a range as errors and cards write it.

    Example:

    >>> range_in_words((0.0, 255.0))
    '[0, 255]'
    """
    return f"[{value[0]:g}, {value[1]:g}]"


def bytes_in_words(value: tuple[float, float]) -> str:
    """Returns what becomes of bytes that a network of this range is given.

    Example:

    >>> bytes_in_words((0.0, 1.0)), bytes_in_words((-1.0, 1.0))
    ('divided by 255', 'brought to that range')
    """
    if value == BYTES:
        return "taken as they are"
    return f"divided by {LARGEST_BYTE}" if value == UNIT else "brought to that range"
