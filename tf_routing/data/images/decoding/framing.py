"""Which part of an image a network sees, and at which size. Imports no TensorFlow."""

import dataclasses
from typing import Any

from tf_routing.support.validation import is_number

PHOTOGRAPH_CROP = 224 / 256
"""The share of height and width that is usually seen of photographs."""


@dataclasses.dataclass(frozen=True)
class Framing:
    """How pictures of any size become images of one.

    Args:
        height: Integer, of an image.
        width: Integer, of an image.
        crop: Number in (0, 1]. A picture keeps its aspect ratio and is resized to the smallest size of which an image
            is this share of height and width, or less.
        resize: Integer, height and width that a picture is resized to instead, whatever its aspect ratio.

    Example:

    >>> Framing(224, 224, crop=0.875).least_sides
    (256, 256)
    """

    height: int
    width: int
    crop: float = 1.0
    resize: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of an image."""
        return self.height, self.width

    @property
    def least_sides(self) -> tuple[int, int]:
        """Height and width that a picture is resized to, or one of them where it keeps its aspect ratio."""
        if self.resize is not None:
            return self.resize, self.resize
        return round(self.height / self.crop), round(self.width / self.crop)


def check_crop(crop: Any) -> float:
    """Returns the share of pictures that is seen, or raises a `ValueError`.

    Example:

    >>> check_crop(1)
    1.0
    """
    if not is_number(crop) or not 0 < crop <= 1:
        raise ValueError(f"`crop` must be a number above 0 and at most 1. Received: crop={crop!r}")
    return float(crop)
