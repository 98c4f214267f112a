"""Reads numbers and words inside an encoded file; bytes behind its end are zero, so that damage never raises here.

Few operations on purpose: they are in every pipeline and in every export, which optimise each of them anew.
"""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf


class FileContent(NamedTuple):
    """The bytes of a file.

    Args:
        padded: Vector of uint8, the bytes and a zero behind them.
        size: Integer tensor of 64 bits, how many there are.
    """

    padded: Any
    size: Any


def file_content(encoded: Any) -> FileContent:
    """Returns the content of a file.

    Args:
        encoded: String tensor of shape ().
    """
    padded = tf.io.decode_raw(tf.strings.join([encoded, b"\0"]), tf.uint8)
    return FileContent(padded, tf.size(padded, tf.int64) - 1)


def part(content: FileContent, start: Any, size: int) -> Any:
    """Returns some bytes of a file.

    Args:
        content: The file.
        start: Integer of 64 bits, not negative, where they begin.
        size: Integer, how many they are.

    Returns:
        Integer tensor of 64 bits, `(size,)`.
    """
    places = tf.minimum(start + np.arange(size), content.size)
    return tf.cast(tf.gather(content.padded, places), tf.int64)


def number(content: FileContent, start: Any, size: int, little_endian: Any = False) -> Any:
    """Returns an unsigned integer of a file.

    Args:
        content: The file.
        start: Integer of 64 bits, not negative, where it begins.
        size: Integer, its bytes.
        little_endian: Boolean, or a tensor of one, whether the last byte counts most.

    Returns:
        Integer tensor of 64 bits.

    Example:

    >>> int(number(file_content(tf.constant(b"ab")), 0, 2)) == ord("a") * 256 + ord("b")
    True
    """
    return as_number(part(content, start, size), little_endian)


def as_number(digits: Any, little_endian: Any = False) -> Any:
    """Returns the integer that bytes are, those of the last axis; see `number`."""
    rising = 256 ** np.arange(digits.shape[-1])
    falling = np.flip(rising)
    if isinstance(little_endian, bool):
        return tf.reduce_sum(digits * (rising if little_endian else falling), axis=-1)
    return tf.reduce_sum(digits * tf.where(little_endian, rising, falling), axis=-1)


def spells(content: FileContent, start: Any, word: bytes) -> Any:
    """Returns whether a word stands at a place of a file.

    Example:

    >>> bool(spells(file_content(tf.constant(b"RIFF....WEBP")), 8, b"WEBP"))
    True
    """
    return tf.reduce_all(part(content, start, len(word)) == np.array(list(word)))
