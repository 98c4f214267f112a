"""Decodes JPEG, PNG, GIF, BMP and WebP files in a graph, after checks of their headers, into upright images."""

import functools
from typing import Any

import tensorflow as tf

from tf_routing.data.images.decoding.bmp import BMP
from tf_routing.data.images.decoding.exif import (
    UPRIGHT,
    may_hold_exif,
    read_orientation,
    stored_box,
    swaps_sides,
    turn_upright,
)
from tf_routing.data.images.decoding.file_content import FileContent, file_content
from tf_routing.data.images.decoding.formats import Format, find_format
from tf_routing.data.images.decoding.gif import GIF
from tf_routing.data.images.decoding.jpeg import JPEG
from tf_routing.data.images.decoding.png import PNG
from tf_routing.data.images.decoding.webp import WEBP

MOST_PIXELS = 2**25
"""Pixels of the largest image that is decoded: 100 MB of bytes. One whose header says more is refused undecoded."""

FORMATS = (JPEG, PNG, GIF, BMP, WEBP)
FORMAT_NAMES = f"{', '.join(each.name for each in FORMATS[:-1])} or {FORMATS[-1].name}"
_JPEG = FORMATS.index(JPEG)


class ImageDecoder:
    """Reads and checks the headers of an encoded image at once, and decodes all or a part of it when asked.

    Args:
        encoded: String tensor of shape (), a JPEG, PNG, GIF, BMP or WebP file.

    Raises:
        tf.errors.InvalidArgumentError: When it runs, if the file is of no such format, or of a kind that is not read,
            or has more than `MOST_PIXELS` pixels.

    Example:

    >>> file = tf.io.encode_png(tf.zeros((2, 3, 3), tf.uint8))
    >>> ImageDecoder(file).decode().shape
    TensorShape([2, 3, 3])
    """

    def __init__(self, encoded: Any) -> None:
        self._encoded, self._format, stored, self._orientation = _read_headers(encoded)
        self.sides = tf.where(swaps_sides(self._orientation), stored[::-1], stored)
        """Height and width of the upright image, an integer tensor."""

    def decode(self) -> Any:
        """Returns the whole image, upright, bytes `(height, width, 3)`.

        Grey images get three channels, transparency is left out, of an animated GIF the first frame counts.
        """
        return turn_upright(_decode_as_stored(self._encoded, self._format), self._orientation)

    def decode_part(self, box: Any) -> Any:
        """Returns a part of the image, upright, bytes.

        Args:
            box: Integer tensor: top, left, height and width in the upright image.
        """
        box = stored_box(box, self.sides, self._orientation)

        def _cut() -> Any:
            top, left, height, width = tf.unstack(box)
            return _decode_as_stored(self._encoded, self._format)[top : top + height, left : left + width]

        def _jpeg_part() -> Any:
            # Twice as fast as decoding all of it.
            return tf.io.decode_and_crop_jpeg(self._encoded, box, channels=3)

        part = tf.cond(self._format == _JPEG, _jpeg_part, _cut)
        return turn_upright(tf.ensure_shape(part, (None, None, 3)), self._orientation)


# Functions of the module, so that a process traces them once, whatever the number of pipelines that call them.
@tf.function(input_signature=[tf.TensorSpec((), tf.string)], autograph=False)
def _read_headers(encoded: Any) -> Any:
    """Returns a file, its format, the stored image's height and width, and its orientation."""
    content = file_content(encoded)
    found, known = find_format(content, FORMATS)
    checks = [_check_known(known, content)]
    # Decoding has no side effects, and would otherwise begin while headers are still being checked.
    encoded = _after(checks, encoded)

    def _read(each: Format) -> tuple[Any, Any]:
        return each.stored_sides(encoded, content), each.is_supported(content)

    def _found_orientation() -> Any:
        return read_orientation(
            content, tf.switch_case(found, [functools.partial(each.exif_start, content) for each in FORMATS])
        )

    sides, supported = tf.switch_case(found, [functools.partial(_read, each) for each in FORMATS])
    checks += [_check_supported(supported, found), _check_size(sides)]
    orientation = tf.cond(may_hold_exif(encoded), _found_orientation, lambda: UPRIGHT)
    return tuple(_after(checks, value) for value in (encoded, found, tf.cast(sides, tf.int32), orientation))


@tf.function(input_signature=[tf.TensorSpec((), tf.string), tf.TensorSpec((), tf.int32)], autograph=False)
def _decode_as_stored(encoded: Any, found: Any) -> Any:
    """Returns the image as it is stored, bytes, before EXIF turns it."""

    def _decode(each: Format) -> Any:
        return tf.ensure_shape(each.decode(encoded, file_content(encoded)), (None, None, 3))

    return tf.switch_case(found, [functools.partial(_decode, each) for each in FORMATS])


def _after(checks: list[Any], value: Any) -> Any:
    with tf.control_dependencies(checks):
        return tf.identity(value)


# What an assertion prints is strings: numbers of 64 bits would cost a branch of the graph each.
def _check_known(known: Any, content: FileContent) -> Any:
    said = f"`images` must hold whole {FORMAT_NAMES} files. Received none of these, bytes:"
    return tf.debugging.Assert(known, [said, tf.as_string(content.size)])


def _check_supported(supported: Any, found: Any) -> Any:
    kinds = tf.gather(tf.constant([each.unsupported for each in FORMATS]), found)
    return tf.debugging.Assert(supported, ["`images` must not hold what TensorFlow cannot read. Received:", kinds])


def _check_size(sides: Any) -> Any:
    # Each side too: the product of two could be more than 64 bits hold.
    fits = tf.reduce_all((sides > 0) & (sides <= MOST_PIXELS)) & (tf.reduce_prod(sides) <= MOST_PIXELS)
    said = f"`images` must be pictures of 1 to {MOST_PIXELS} pixels. Received height and width:"
    return tf.debugging.Assert(fits, [said, tf.as_string(sides)])
