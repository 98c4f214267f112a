"""Shifts and mirrors whole batches of images as `tensor_augmentation` does, in NumPy."""

from typing import Any, NamedTuple

import numpy as np

_GAMMA = 2.2
# Images whose light is computed at once: as numbers of 64 bits they take eight times their memory.
_AT_ONCE = 1024


class Moves(NamedTuple):
    """What was drawn for a batch of images.

    Args:
        offsets: Integers `(2, batch, 1)`, from which row and column of its padded image each one is cut.
        mirrored: Booleans `(batch,)`.
    """

    offsets: np.ndarray
    mirrored: np.ndarray


def draw_moves(count: int, shift: int, mirror: Any, random: np.random.Generator) -> Moves:
    """Draws how each image of a batch is shifted, and whether it is mirrored.

    Args:
        count: Integer, images in the batch.
        shift: Integer, the most that an image moves along each axis.
        mirror: Boolean, whether to flip images left to right with probability one half; or booleans `(count,)`, which
            say it of each image.
        random: What is drawn from.

    Returns:
        The `Moves`.

    Example:

    >>> draw_moves(3, 2, False, np.random.default_rng(0)).mirrored.tolist()
    [False, False, False]
    """
    # Drawn whether needed or not, so that one setting does not change what another draws: of a range of one number
    # NumPy would draw nothing.
    offsets = random.integers(0, 2 * max(shift, 1) + 1, (2, count, 1))
    return Moves(offsets, (random.random(count) < 0.5) & mirror)


def shift_and_mirror(
    images: np.ndarray, shift: int, mirror: Any, random: np.random.Generator, fill: str = "zero"
) -> np.ndarray:
    """Shifts each image by up to `shift` pixels each way, and mirrors half of them.

    Args:
        images: Array `(batch, height, width, channels)`, uint8.
        shift: Integer, the most that an image moves along each axis.
        mirror: As for `draw_moves`.
        random: What is drawn from.
        fill: What moves in: `"zero"`, or `"mean_light"`, the colour whose light is the mean of the image's.

    Returns:
        Array of the input's shape and type.

    Example:

    >>> batch = np.ones((2, 4, 4, 1), "uint8")
    >>> shift_and_mirror(batch, 0, True, np.random.default_rng(0)).shape
    (2, 4, 4, 1)
    """
    return move(images, shift, draw_moves(len(images), shift, mirror, random), fill)


def move(images: np.ndarray, shift: int, moves: Moves, fill: str = "zero") -> np.ndarray:
    """Shifts and mirrors images as was drawn for them; see `shift_and_mirror`."""
    if shift:
        images = _shift(images, shift, moves.offsets, fill)
    return mirror_chosen(images, moves.mirrored)


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
    return np.where(inside, moved, fill_colours(images, fill))


def _inside(places: np.ndarray, shift: int, size: int) -> np.ndarray:
    """Returns whether places along a padded axis lie within the image."""
    return (places >= shift) & (places < size + shift)


def fill_colours(images: np.ndarray, fill: str) -> np.ndarray:
    """Returns the colour that moves in where an image is shifted.

    Args:
        images: Array `(batch, height, width, channels)`, uint8.
        fill: As for `shift_and_mirror`.

    Returns:
        Array `(batch, 1, 1, channels)`, uint8.

    Example:

    >>> fill_colours(np.full((2, 4, 4, 1), 7, "uint8"), "mean_light").ravel().tolist()
    [7, 7]
    """
    if fill == "zero":
        return np.zeros((len(images), 1, 1, images.shape[-1]), images.dtype)
    pieces = range(0, max(len(images), 1), _AT_ONCE)
    return np.concatenate([_mean_light(images[first : first + _AT_ONCE]) for first in pieces])


def _mean_light(images: np.ndarray) -> np.ndarray:
    """Returns the colour of each image's mean light, as bytes `(batch, 1, 1, channels)`."""
    light = ((np.arange(256) / 255) ** _GAMMA)[images]
    means = light.mean(axis=(1, 2), keepdims=True)
    return np.round(255 * means ** (1 / _GAMMA)).astype(images.dtype)
