"""Decodes WebP files of one frame, and reads their sides and where their EXIF block begins."""

from typing import Any

import tensorflow as tf

from tf_routing.data.images.decoding import file_signatures
from tf_routing.data.images.decoding.file_content import FileContent, number, spells
from tf_routing.data.images.decoding.formats import Format

_FIRST_CHUNK = 12
# Of a _chunk, after its name and its length; of files with more than one frame.
_CONTENT = _FIRST_CHUNK + 8
_ANIMATED = 0x02
_MOST_CHUNKS = 1024


def _number(content: FileContent, place: Any, size: int) -> Any:
    return number(content, place, size, little_endian=True)


def _is_extended(content: FileContent) -> Any:
    return spells(content, _FIRST_CHUNK, b"VP8X")


def _is_supported(content: FileContent) -> Any:
    # TensorFlow 2.21 writes behind its memory where animated frames are opaque.
    return ~(_is_extended(content) & (_number(content, _CONTENT, 1) // _ANIMATED % 2 == 1))


def _sides(encoded: Any, content: FileContent) -> Any:
    return tf.where(
        _is_extended(content),
        tf.stack([_number(content, _CONTENT + 7, 3) + 1, _number(content, _CONTENT + 4, 3) + 1]),
        tf.where(spells(content, _FIRST_CHUNK, b"VP8L"), _lossless_sides(content), _lossy_sides(content)),
    )


def _lossless_sides(content: FileContent) -> Any:
    # Two numbers of 14 bits, after a byte that is always the same.
    packed = _number(content, _CONTENT + 1, 4)
    return tf.stack([packed // 2**14 % 2**14 + 1, packed % 2**14 + 1])


def _lossy_sides(content: FileContent) -> Any:
    # After three bytes on the frame and three that are always the same; the upper two bits are scales.
    return tf.stack([_number(content, _CONTENT + 8, 2) % 2**14, _number(content, _CONTENT + 6, 2) % 2**14])


def _decode(encoded: Any, content: FileContent) -> Any:
    # As many channels as there are: TensorFlow refuses to leave transparency out.
    return tf.ensure_shape(tf.io.decode_image(encoded, channels=0, expand_animations=False)[..., :3], (None, None, 3))


def _exif_start(content: FileContent) -> Any:
    def _goes_on(place: Any) -> Any:
        return (place < content.size) & ~spells(content, place, b"EXIF")

    def _chunk(place: Any) -> tuple[Any]:
        return (place + 8 + (_number(content, place + 4, 4) + 1) // 2 * 2,)

    start = (tf.constant(_FIRST_CHUNK, tf.int64),)
    (place,) = tf.while_loop(_goes_on, _chunk, start, maximum_iterations=_MOST_CHUNKS)
    return tf.where(spells(content, place, b"EXIF"), place + 8, tf.constant(-1, tf.int64))


WEBP = Format(
    "WebP",
    file_signatures.WEBP,
    _sides,
    _decode,
    _is_supported,
    "an animated WebP file; save its first picture as PNG",
    _exif_start,
)
