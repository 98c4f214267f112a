"""Decodes the first frame of a GIF file, and reads its sides from the header."""

from typing import Any

import tensorflow as tf

from tf_routing.data.images.decoding import file_signatures
from tf_routing.data.images.decoding.file_content import FileContent, number
from tf_routing.data.images.decoding.formats import Format

_FLAGS, _HEADER = 10, 13
_EXTENSION, _DESCRIPTOR = 0x21, 10
_TRAILER = b";"
# Blocks of 255 bytes: 33 megabytes of one frame.
_MOST_BLOCKS = 2**17


def _sides(encoded: Any, content: FileContent) -> Any:
    # Those of the frame, which is what is decoded: the header has those of the canvas.
    frame = _first_frame(content)
    return tf.stack([number(content, frame + 7, 2, True), number(content, frame + 5, 2, True)])


def _decode(encoded: Any, content: FileContent) -> Any:
    # Cut out of the file: TensorFlow decodes all frames of an animation, whatever their number, to return the first.
    frame = _first_frame(content)
    pixels = frame + _DESCRIPTOR + _palette_size(content, frame + 9) + 1
    end = _behind_blocks(content, pixels)
    start, end = tf.constant(0, tf.int64), tf.minimum(end, content.size)
    alone = tf.strings.join([tf.strings.substr(encoded, start, end), _TRAILER])
    return tf.io.decode_image(alone, channels=3, expand_animations=False)


def _palette_size(content: FileContent, flags_place: Any) -> Any:
    flags = number(content, flags_place, 1)
    size = 3 * tf.bitwise.left_shift(tf.constant(2, tf.int64), flags % 8)
    return tf.where(flags >= 128, size, 0)


def _first_frame(content: FileContent) -> Any:
    """Returns where the first frame's descriptor begins."""

    def _goes_on(place: Any) -> Any:
        return number(content, place, 1) == _EXTENSION

    start = (_HEADER + _palette_size(content, _FLAGS),)
    return tf.while_loop(_goes_on, lambda place: (_behind_blocks(content, place + 2),), start)[0]


def _behind_blocks(content: FileContent, start: Any) -> Any:
    """Returns where a row of blocks ends: each begins with its size, the last one's is zero."""

    def _goes_on(place: Any) -> Any:
        return number(content, place, 1) > 0

    def _block(place: Any) -> tuple[Any]:
        return (place + 1 + number(content, place, 1),)

    return tf.while_loop(_goes_on, _block, (start,), maximum_iterations=_MOST_BLOCKS)[0] + 1


GIF = Format("GIF", file_signatures.GIF, _sides, _decode)
