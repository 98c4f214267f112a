"""Decodes BMP files: those of 24 and 32 bits by TensorFlow, those with a palette here."""

from typing import Any

import tensorflow as tf

from tf_routing.data.images.decoding import file_signatures
from tf_routing.data.images.decoding.file_content import FileContent, number, spells
from tf_routing.data.images.decoding.formats import Format

_PIXELS, _HEADER, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _COLOURS, _MASKS = 10, 14, 18, 22, 28, 30, 46, 54
_SHORTEST_HEADER = 40
_PALETTE_BITS = (1, 4, 8)
# Of red, green and blue, where a header has masks: the order that TensorFlow takes for granted.
_USUAL_MASKS = b"\0\0\xff\0\0\xff\0\0\xff\0\0\0"
_UNCOMPRESSED, _MASKED = 0, 3


def _number(content: FileContent, place: Any, size: int) -> Any:
    return number(content, place, size, little_endian=True)


def _has_palette(content: FileContent) -> Any:
    return tf.reduce_any(_number(content, _BITS, 2) == tf.constant(_PALETTE_BITS, tf.int64))


def _is_supported(content: FileContent) -> Any:
    bits, compression = _number(content, _BITS, 2), _number(content, _COMPRESSION, 4)
    plain = (compression == _UNCOMPRESSED) & (_has_palette(content) | (bits == 24) | (bits == 32))
    masked = (compression == _MASKED) & (bits == 32) & spells(content, _MASKS, _USUAL_MASKS)
    return (_number(content, _HEADER, 4) >= _SHORTEST_HEADER) & (plain | masked)


def _sides(encoded: Any, content: FileContent) -> Any:
    # A negative height says that the first row is the upper one.
    return tf.stack([tf.abs(_signed_height(content)), _number(content, _WIDTH, 4)])


def _signed_height(content: FileContent) -> Any:
    height = _number(content, _HEIGHT, 4)
    return tf.where(height >= 2**31, height - 2**32, height)


def _decode(encoded: Any, content: FileContent) -> Any:
    return tf.cond(
        _has_palette(content),
        lambda: _decode_palette(content),
        lambda: tf.ensure_shape(tf.io.decode_bmp(encoded, channels=0)[..., :3], (None, None, 3)),
    )


def _decode_palette(content: FileContent) -> Any:
    """Returns the colours that a palette has for the numbers in an image, which TensorFlow takes for shades of grey."""
    bits, (height, width) = _number(content, _BITS, 2), tf.unstack(_sides(None, content))
    row = (width * bits + 31) // 32 * 4
    start = _number(content, _PIXELS, 4)
    start = tf.minimum(start, content.size)
    pixels = content.padded[start : tf.minimum(start + height * row, content.size)]
    with tf.control_dependencies([_check_whole(pixels, height * row)]):
        rows = tf.reshape(pixels, tf.stack([height, row]))
    indices = _unpack(rows, tf.cast(bits, tf.int32))[:, :width]
    upper_first = tf.cond(_signed_height(content) < 0, lambda: indices, lambda: indices[::-1])
    return tf.gather(_palette(content), tf.cast(upper_first, tf.int32))


def _check_whole(pixels: Any, size: Any) -> Any:
    return tf.debugging.Assert(
        tf.size(pixels, tf.int64) == size, ["`images` must hold whole BMP files. Pixels of one end early."]
    )


def _unpack(rows: Any, bits: Any) -> Any:
    """Returns numbers of 1, 4 or 8 bits, the upper bits of a byte first."""
    shifts = tf.cast(tf.range(8 - bits, -1, -bits), tf.uint8)
    several = tf.bitwise.right_shift(rows[:, :, None], shifts)
    mask = tf.cast(tf.bitwise.left_shift(1, bits) - 1, tf.uint8)
    return tf.reshape(tf.bitwise.bitwise_and(several, mask), (tf.shape(rows)[0], -1))


def _palette(content: FileContent) -> Any:
    """The colours, `(256, 3)`; black where a palette is shorter."""
    stated = _number(content, _COLOURS, 4)
    most = tf.bitwise.left_shift(tf.constant(1, tf.int64), _number(content, _BITS, 2))
    count = tf.where((stated == 0) | (stated > most), most, stated)
    start = tf.minimum(_HEADER + _number(content, _HEADER, 4), content.size)
    entries = content.padded[start : tf.minimum(start + 4 * count, content.size)]
    padded = tf.pad(entries, [[0, 4 * 256 - tf.size(entries)]])
    # Blue comes first, and a fourth byte is not used.
    return tf.reshape(padded, (256, 4))[:, 2::-1]


BMP = Format(
    "BMP",
    file_signatures.BMP,
    _sides,
    _decode,
    _is_supported,
    "a BMP file that is compressed, or has other than 1, 4, 8, 24 or 32 bits per pixel; save it as PNG",
)
