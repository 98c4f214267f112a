"""GIF files: the first picture of an animation, and its sides."""

from typing import Any

import tensorflow as tf

from tf_routing.data.images.decoding import beginnings
from tf_routing.data.images.decoding.file_content import FileContent, number
from tf_routing.data.images.decoding.formats import Format

_FLAGS, _HEADER = 10, 13
_EXTENSION, _DESCRIPTOR = 0x21, 10
_TRAILER = b";"
# Blocks of 255 bytes: 33 megabytes of one picture.
_MOST_BLOCKS = 2**17


def _sides(encoded: Any, content: FileContent) -> Any:
    # Those of the picture itself, which is what is decoded: the header has those of the canvas.
    picture = _first_picture(content)
    return tf.stack([number(content, picture + 7, 2, True), number(content, picture + 5, 2, True)])


def _decode(encoded: Any, content: FileContent) -> Any:
    # Alone: TensorFlow decodes all pictures of an animation, whatever their number, to return the first.
    picture = _first_picture(content)
    pixels = picture + _DESCRIPTOR + _palette_size(content, picture + 9) + 1
    end = _behind_blocks(content, pixels)
    start, end = tf.constant(0, tf.int64), tf.minimum(end, content.size)
    alone = tf.strings.join([tf.strings.substr(encoded, start, end), _TRAILER])
    return tf.io.decode_image(alone, channels=3, expand_animations=False)


def _palette_size(content: FileContent, flags_place: Any) -> Any:
    flags = number(content, flags_place, 1)
    size = 3 * tf.bitwise.left_shift(tf.constant(2, tf.int64), flags % 8)
    return tf.where(flags >= 128, size, 0)


def _first_picture(content: FileContent) -> Any:
    """Where the first picture's descriptor begins."""

    def goes_on(place: Any) -> Any:
        """Whether an extension stands there."""
        return number(content, place, 1) == _EXTENSION

    start = (_HEADER + _palette_size(content, _FLAGS),)
    return tf.while_loop(goes_on, lambda place: (_behind_blocks(content, place + 2),), start)[0]


def _behind_blocks(content: FileContent, start: Any) -> Any:
    """Where a row of blocks ends: each tells its size first, the last one's is zero."""

    def goes_on(place: Any) -> Any:
        """Whether another block stands there; behind the file's end there are zeros."""
        return number(content, place, 1) > 0

    def block(place: Any) -> tuple[Any]:
        """The place behind a block."""
        return (place + 1 + number(content, place, 1),)

    return tf.while_loop(goes_on, block, (start,), maximum_iterations=_MOST_BLOCKS)[0] + 1


GIF = Format("GIF", beginnings.GIF, _sides, _decode)
