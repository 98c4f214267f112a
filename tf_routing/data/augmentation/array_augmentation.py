"""Shifts and mirrors whole batches of images as `tensor_augmentation` does, in NumPy."""

from typing import Any

import numpy as np

_GAMMA = 2.2


def shift_and_mirror(
    images: np.ndarray, shift: int, mirror: Any, random: np.random.Generator, fill: str = "zero"
) -> np.ndarray:
    """Shifts each image by up to `shift` pixels each way, and mirrors half of them.

    Args:
        images: Array `(batch, height, width, channels)`, uint8.
        shift: Integer, the most that an image moves along each axis.
        mirror: Boolean, whether to flip images left to right with probability one half; or booleans `(batch,)`, which
            say it of each image.
        random: What is drawn from.
        fill: What moves in: `"zero"`, or `"mean_light"`, the colour whose light is the mean of the image's.

    Returns:
        Array of the input's shape and type.

    Example:

    >>> batch = np.ones((2, 4, 4, 1), "uint8")
    >>> shift_and_mirror(batch, 0, True, np.random.default_rng(0)).shape
    (2, 4, 4, 1)
    """
    # Drawn whether needed or not, so that one setting does not change what another draws: of a range of one number
    # NumPy would draw nothing.
    offsets = random.integers(0, 2 * max(shift, 1) + 1, (2, len(images), 1))
    chosen = (random.random(len(images)) < 0.5) & mirror
    if shift:
        images = _shift(images, shift, offsets, fill)
    return mirror_chosen(images, chosen)


def mirror_chosen(images: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Flips images `(batch, height, width, channels)` left to right where `chosen` is true, booleans `(batch,)`."""
    return np.where(chosen[:, None, None, None], images[:, :, ::-1], images)


def _shift(images: np.ndarray, shift: int, offsets: np.ndarray, fill: str) -> np.ndarray:
    batch, height, width, _ = images.shape
    padded = np.pad(images, ((0, 0), (shift, shift), (shift, shift), (0, 0)))
    rows, columns = np.arange(height) + offsets[0], np.arange(width) + offsets[1]
    moved = padded[np.arange(batch)[:, None, None], rows[:, :, None], columns[:, None, :]]
    if fill == "zero":
        return moved
    inside = _inside(rows, shift, height)[:, :, None, None] & _inside(columns, shift, width)[:, None, :, None]
    return np.where(inside, moved, _mean_light(images))


def _inside(places: np.ndarray, shift: int, size: int) -> np.ndarray:
    """Returns whether places along a padded axis lie within the image."""
    return (places >= shift) & (places < size + shift)


def _mean_light(images: np.ndarray) -> np.ndarray:
    """Returns the colour of each image's mean light, as bytes `(batch, 1, 1, channels)`."""
    light = ((np.arange(256) / 255) ** _GAMMA)[images]
    means = light.mean(axis=(1, 2), keepdims=True)
    return np.round(255 * means ** (1 / _GAMMA)).astype(images.dtype)
