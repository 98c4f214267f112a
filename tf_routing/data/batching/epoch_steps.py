"""Counts the steps of an epoch, and checks that images fill a batch."""

from typing import Any

from tf_routing.support.validation import positive_integer


def steps_per_epoch(image_set: Any, batch_size: int, copies: int = 1) -> int:
    """Returns the number of full batches in an epoch, which shows each image once, in `copies` copies.

    Args:
        image_set: Images and labels, in memory or in files.
        batch_size: Integer, rows of a batch: a multiple of `copies`.
        copies: Integer, copies of each image.

    Returns:
        Integer.

    Raises:
        ValueError: If an argument is not possible.

    Example:

    >>> from tf_routing import data
    >>> steps_per_epoch(data.load("digits").train, batch_size=128)
    10
    """
    positive_integer("batch_size", batch_size)
    positive_integer("copies", copies)
    if batch_size % copies:
        raise ValueError(f"`batch_size` must be a multiple of copies={copies}. Received: batch_size={batch_size}")
    return image_set.image_count // (batch_size // copies)


def check_fills_a_batch(image_set: Any, batch_size: int, copies: int) -> None:
    """Raises a `ValueError` that names `batch_size` if there are too few images for one batch."""
    if steps_per_epoch(image_set, batch_size, copies) == 0:
        most = image_set.image_count * copies
        raise ValueError(f"`batch_size` must be at most {most} for the images there are. Received: {batch_size}")
