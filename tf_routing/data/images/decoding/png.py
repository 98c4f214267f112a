"""Decodes PNG files, and reads their sides and where their EXIF block begins."""

from typing import Any

import tensorflow as tf

from tf_routing.data.images.decoding import file_signatures
from tf_routing.data.images.decoding.file_content import FileContent, as_number, number, part, spells
from tf_routing.data.images.decoding.formats import Format

# A PNG begins with its header: nothing else may come before it.
_FIRST_CHUNK = 8
_SIDES = _FIRST_CHUNK + 8
# Length, name and checksum of a chunk.
_FRAME = 12
# EXIF may stand behind the pixels, which come in chunks of 8 kilobytes.
_MOST_CHUNKS = 2**14


def _sides(encoded: Any, content: FileContent) -> Any:
    width, height = tf.unstack(as_number(tf.reshape(part(content, _SIDES, 8), (2, 4))))
    return tf.stack([height, width])


def _decode(encoded: Any, content: FileContent) -> Any:
    return tf.io.decode_image(encoded, channels=3, expand_animations=False)


def _exif_start(content: FileContent) -> Any:
    def _goes_on(place: Any) -> Any:
        return (place < content.size) & ~spells(content, place + 4, b"eXIf")

    def _chunk(place: Any) -> tuple[Any]:
        return (place + _FRAME + number(content, place, 4),)

    start = (tf.constant(_FIRST_CHUNK, tf.int64),)
    (place,) = tf.while_loop(_goes_on, _chunk, start, maximum_iterations=_MOST_CHUNKS)
    return tf.where(spells(content, place + 4, b"eXIf"), place + 8, tf.constant(-1, tf.int64))


PNG = Format("PNG", file_signatures.PNG, _sides, _decode, exif_start=_exif_start)
