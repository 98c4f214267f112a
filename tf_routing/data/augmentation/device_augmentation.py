"""Cuts shifted and mirrored images out of a whole set that lies in a device's memory, within compiled steps."""

from typing import Any

from keras import ops


def take_moved(images: Any, colours: Any, indices: Any, offsets: Any, mirrored: Any, shift: int) -> Any:
    """Takes images of a set as `array_augmentation.shift_and_mirror` makes them, bit for bit.

    Each pixel is read once, from where it lies in the set: no image is padded or copied first.

    Args:
        images: Tensor `(count, height, width, channels)`, uint8, the whole set.
        colours: Tensor `(count, 1, 1, channels)`, uint8, what moves in, see `fill_colours`.
        indices: Integers `(batch,)`, the images of the batch.
        offsets: Integers `(2, batch, 1)`, and
        mirrored: Booleans `(batch,)`, see `Moves`.
        shift: Integer, the most that an image moves along each axis.

    Returns:
        Tensor `(batch, height, width, channels)`, uint8.
    """
    height, width = images.shape[1:3]
    rows, columns = ops.arange(height)[None, :], ops.arange(width)[None, :]
    # Mirrored last, so that it is the place in the moved image that is counted from the other side.
    columns = ops.where(mirrored[:, None], width - 1 - columns, columns)
    if not shift:
        return images[indices[:, None, None], rows[:, :, None], columns[:, None, :]]
    rows, columns = rows + offsets[0] - shift, columns + offsets[1] - shift
    inside = _inside(rows, height)[:, :, None, None] & _inside(columns, width)[:, None, :, None]
    rows, columns = ops.clip(rows, 0, height - 1), ops.clip(columns, 0, width - 1)
    return ops.where(inside, images[indices[:, None, None], rows[:, :, None], columns[:, None, :]], colours[indices])


def _inside(places: Any, size: int) -> Any:
    return (places >= 0) & (places < size)
