"""Reads the orientation that a camera wrote into EXIF metadata, and turns images upright by it."""

from typing import Any

import tensorflow as tf

from tf_routing.data.images.decoding.file_content import FileContent, as_number, part, spells

PREFIX = b"Exif\0\0"
"""What introduces a block in a JPEG file, and by some writers in others."""

_ORIENTATION = 0x0112
_ENTRY = 12
# Bytes of a value by its type; an orientation of any other type is none.
_SIZES = ((1, 1), (3, 2), (4, 4))
UPRIGHT = 1
"""The orientation of an image that stays as it is stored."""

# As JPEG, PNG and WebP files spell it; any byte may stand around it.
_NAMED = r"\C*(Exif|eXIf|EXIF)\C*"

# By orientation: whether axes of the stored image are swapped, and columns and rows then reversed.
_SWAPPED, _MIRRORED, _FLIPPED = (5, 6, 7, 8), (2, 3, 6, 7), (3, 4, 7, 8)


def may_hold_exif(encoded: Any) -> Any:
    """Returns whether a file may hold an EXIF block: whether one of its names stands anywhere.

    One pass over the bytes, where looking for the block takes an operation or ten for each part of a file.

    Args:
        encoded: String tensor of shape (), the file.

    Example:

    >>> bool(may_hold_exif(tf.constant(b"\\xff\\xd8Exif")))
    True
    """
    return tf.strings.regex_full_match(encoded, _NAMED)


def read_orientation(content: FileContent, start: Any) -> Any:
    """Returns the orientation that an EXIF block states.

    Args:
        content: The file's bytes.
        start: Integer tensor of 64 bits, where the block begins; negative where there is none.

    Returns:
        Integer tensor, 1 to 8. It is 1, upright, where there is no block, or one that is damaged.
    """
    start = tf.where(start < 0, content.size, start)
    start += len(PREFIX) * tf.cast(spells(content, start, PREFIX), tf.int64)
    header = part(content, start, 8)
    little = _are(header[:4], b"II*\0")
    directory = start + as_number(header[4:], little)
    table = _entries(content, directory + 2, as_number(part(content, directory, 2), little))
    tags, kinds, counts = (as_number(table[:, a:b], little) for a, b in ((0, 2), (2, 4), (4, 8)))
    values = [as_number(table[:, 8 : 8 + size], little) * tf.cast(kinds == kind, tf.int64) for kind, size in _SIZES]
    found = tf.where((tags == _ORIENTATION) & (counts == 1), tf.add_n(values), 0)
    value = tf.reduce_max(tf.concat([found, [0]], axis=0))
    known = (little | _are(header[:4], b"MM\0*")) & (value >= 1) & (value <= 8)
    return tf.cast(tf.where(known, value, UPRIGHT), tf.int32)


def _are(digits: Any, word: bytes) -> Any:
    return tf.reduce_all(digits == tf.constant(list(word), tf.int64))


def _entries(content: FileContent, start: Any, count: Any) -> Any:
    """The rows of a directory, as many as there are; integers of 64 bits, `(count, 12)`."""
    start = tf.minimum(start, content.size)
    count = tf.minimum(count, (content.size - start) // _ENTRY)
    return tf.cast(tf.reshape(content.padded[start : start + _ENTRY * count], (-1, _ENTRY)), tf.int64)


def swaps_sides(orientation: Any) -> Any:
    """Returns whether height and width of the upright image are width and height of the stored one."""
    return _among(orientation, _SWAPPED)


def turn_upright(image: Any, orientation: Any) -> Any:
    """Returns a stored image upright.

    Args:
        image: Tensor `(height, width, channels)`.
        orientation: Integer tensor, its orientation; see `read_orientation`.

    Example:

    >>> turn_upright(tf.zeros((2, 5, 3)), tf.constant(6)).shape
    TensorShape([5, 2, 3])
    """

    def _swap_and_reverse_axes() -> Any:
        axes = tf.where(swaps_sides(orientation), (1, 0, 2), (0, 1, 2))
        reversed_axes = tf.reshape(tf.where(_reversed_axes(orientation)), (-1,))
        return tf.reverse(tf.transpose(image, axes), reversed_axes)

    # Nearly all images are upright, and stay as they are without a copy.
    return tf.cond(orientation == UPRIGHT, lambda: image, _swap_and_reverse_axes)


def stored_box(box: Any, sides: Any, orientation: Any) -> Any:
    """Returns where a box of the upright image lies in the stored one.

    Args:
        box: Integer tensor: top, left, height and width.
        sides: Integer tensor: height and width of the upright image.
        orientation: Integer tensor, the orientation of the stored one.

    Example:

    >>> stored_box(tf.constant([0, 1, 2, 3]), tf.constant([8, 9]), tf.constant(3)).numpy().tolist()
    [6, 5, 2, 3]
    """
    corner, part_sides = box[:2], box[2:]
    corner = tf.where(_reversed_axes(orientation), sides - corner - part_sides, corner)
    upright_box = tf.stack([corner, part_sides])
    return tf.reshape(tf.where(swaps_sides(orientation), upright_box[:, ::-1], upright_box), (4,))


def _reversed_axes(orientation: Any) -> Any:
    return tf.stack([_among(orientation, _FLIPPED), _among(orientation, _MIRRORED)])


def _among(value: Any, accepted: tuple[int, ...]) -> Any:
    return tf.reduce_any(value == tf.constant(accepted, value.dtype))
