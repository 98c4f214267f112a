"""What the decoder must know of an image file format, and how it recognises one."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tf_routing.data.images.decoding.file_content import FileContent, part


def _always(content: FileContent) -> Any:
    return tf.constant(True)


def _no_block(content: FileContent) -> Any:
    return tf.constant(-1, tf.int64)


class Format(NamedTuple):
    """An image format, as functions of a file's bytes.

    Args:
        name: Name for messages.
        signatures: Bytes that a file of this format begins with, one of these; zeros stand for any byte.
        stored_sides: Returns height and width, integers of 64 bits, from headers alone.
        decode: Returns the image as bytes `(height, width, 3)`; is given the file as a string besides.
        is_supported: Returns whether a file is of the kinds that are read.
        unsupported: Which kinds are not, and what to do instead.
        exif_start: Returns where an EXIF block begins, or -1.
    """

    name: str
    signatures: tuple[bytes, ...]
    stored_sides: Callable[[Any, FileContent], Any]
    decode: Callable[[Any, FileContent], Any]
    is_supported: Callable[[FileContent], Any] = _always
    unsupported: str = ""
    exif_start: Callable[[FileContent], Any] = _no_block


def find_format(content: FileContent, formats: Sequence[Format]) -> tuple[Any, Any]:
    """Returns which of some formats a file has, and whether it has one of them.

    Args:
        content: The file's bytes.
        formats: The formats.

    Returns:
        Pair of an integer tensor, an index, and a boolean one.
    """
    rows = [(index, word) for index, each in enumerate(formats) for word in each.signatures]
    longest = max(len(word) for _, word in rows)
    words = tf.constant([list(word.ljust(longest, b"\0")) for _, word in rows], tf.int64)
    fits = tf.reduce_all((words == part(content, 0, longest)) | (words == 0), axis=1)
    indices = tf.constant([index for index, _ in rows], tf.int32)
    return tf.gather(indices, tf.argmax(fits)), tf.reduce_any(fits)
