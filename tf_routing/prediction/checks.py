"""Checks what kinds of networks have in common: images of one size, nothing else to be given, names of classes."""

from collections.abc import Sequence
from typing import Any

_CHANNELS = (1, 3)


def check_image_shape(path: str, shape: Sequence[Any]) -> tuple[int, int, int]:
    """Returns the shape `(height, width, channels)` of a network's images, if pictures can be brought to it.

    Raises:
        ValueError: If it is open, or has other channels than pictures.

    Example:

    >>> check_image_shape("net.keras", (32, 32, 3))
    (32, 32, 3)
    """
    if len(shape) != 3 or not all(isinstance(side, int) for side in shape):
        raise ValueError(f"{path} must take images of one size, height, width and channels. It takes {tuple(shape)}.")
    if shape[-1] not in _CHANNELS:
        raise ValueError(f"{path} must take images of 1 or 3 channels, as pictures have. It takes {shape[-1]}.")
    height, width, channels = shape
    return height, width, channels


def refuse_other_inputs(path: str, names: Sequence[str]) -> None:
    """Raises a `ValueError` if a network needs more than images."""
    if names:
        raise ValueError(
            f"{path} takes {', '.join(names)} beside images, which pictures do not hold: call the network from "
            "Python, with a dict of arrays."
        )


def name_classes(names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    """Returns the names of classes, or their numbers where nobody knows names.

    Example:

    >>> name_classes(None, 3)
    ('0', '1', '2')
    """
    return tuple(map(str, range(count))) if names is None else tuple(names)
