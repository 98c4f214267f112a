"""Decodes JPEG files, and reads their sides and where their EXIF block begins."""

from typing import Any

import tensorflow as tf

from tf_routing.data.images.decoding import file_signatures
from tf_routing.data.images.decoding.exif import PREFIX
from tf_routing.data.images.decoding.file_content import FileContent, as_number, part
from tf_routing.data.images.decoding.formats import Format

_APP1, _SCAN, _END = 0xE1, 0xDA, 0xD9
# More than any writer makes before the first scan.
_MOST_SEGMENTS = 1024
# Marker, length and name of a segment.
_INTRODUCED = 4 + len(PREFIX)


def _sides(encoded: Any, content: FileContent) -> Any:
    return tf.cast(tf.io.extract_jpeg_shape(encoded)[:2], tf.int64)


def _decode(encoded: Any, content: FileContent) -> Any:
    return tf.io.decode_image(encoded, channels=3, expand_animations=False)


def _exif_start(content: FileContent) -> Any:
    def _goes_on(place: Any, found: Any, more: Any) -> Any:
        return more

    def _segment(place: Any, found: Any, more: Any) -> tuple[Any, Any, Any]:
        begins = part(content, place, _INTRODUCED)
        word, length = as_number(begins[:2]), as_number(begins[2:4])
        is_exif = tf.reduce_all(begins[4:] == list(PREFIX)) & (word == 0xFF00 + _APP1)
        more = (word >= 0xFF00) & (word != 0xFF00 + _SCAN) & (word != 0xFF00 + _END) & ~is_exif
        # Bytes of 255 may fill the room between segments.
        step = tf.where(word == 0xFFFF, tf.constant(1, tf.int64), 2 + length)
        return place + step, tf.where(is_exif, place + 4, found), more

    start = tf.constant(2, tf.int64), tf.constant(-1, tf.int64), tf.constant(True)
    return tf.while_loop(_goes_on, _segment, start, maximum_iterations=_MOST_SEGMENTS)[1]


JPEG = Format("JPEG", file_signatures.JPEG, _sides, _decode, exif_start=_exif_start)
