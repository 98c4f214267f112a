"""The one decoder: a file of any format that is read, checked by its headers, as an upright picture of bytes."""

import functools
from typing import Any

import tensorflow as tf

from tf_routing.data.images.decoding.bmp import BMP
from tf_routing.data.images.decoding.exif import UPRIGHT, names_exif, orientation, stored_box, swaps_sides, upright
from tf_routing.data.images.decoding.file_content import FileContent, file_content
from tf_routing.data.images.decoding.formats import Format, find_format
from tf_routing.data.images.decoding.gif import GIF
from tf_routing.data.images.decoding.jpeg import JPEG
from tf_routing.data.images.decoding.png import PNG
from tf_routing.data.images.decoding.webp import WEBP

MOST_PIXELS = 2**25
"""Pixels of the largest picture that is decoded: 100 MB of bytes. What a header says larger is refused unread."""

FORMATS = (JPEG, PNG, GIF, BMP, WEBP)
FORMAT_NAMES = f"{', '.join(each.name for each in FORMATS[:-1])} or {FORMATS[-1].name}"
_JPEG = FORMATS.index(JPEG)


class EncodedPicture:
    """A file whose headers were checked; nothing is decoded yet.

    Args:
        encoded: String tensor of shape (), a JPEG, PNG, GIF, BMP or WebP file.

    Raises:
        tf.errors.InvalidArgumentError: When it runs, if the file is of no such format, or of a kind that is not read,
            or has more than `MOST_PIXELS` pixels.

    Example:

    >>> file = tf.io.encode_png(tf.zeros((2, 3, 3), tf.uint8))
    >>> EncodedPicture(file).decoded().shape
    TensorShape([2, 3, 3])
    """

    def __init__(self, encoded: Any) -> None:
        self._encoded, self._format, stored, self._turned = _checked(encoded)
        self.sides = tf.where(swaps_sides(self._turned), stored[::-1], stored)
        """Height and width of the upright picture, an integer tensor."""

    def decoded(self) -> Any:
        """Returns the whole picture, upright, bytes `(height, width, 3)`.

        Grey pictures get three channels, transparency is left out, of an animated GIF the first picture counts.
        """
        return upright(_stored(self._encoded, self._format), self._turned)

    def part(self, box: Any) -> Any:
        """Returns a part of the picture, upright, bytes.

        Args:
            box: Integer tensor: top, left, height and width in the upright picture.
        """
        box = stored_box(box, self.sides, self._turned)

        def cut() -> Any:
            """The part of the decoded picture."""
            top, left, height, width = tf.unstack(box)
            return _stored(self._encoded, self._format)[top : top + height, left : left + width]

        def jpeg_part() -> Any:
            """The part alone, decoded: twice as fast."""
            return tf.io.decode_and_crop_jpeg(self._encoded, box, channels=3)

        part = tf.cond(self._format == _JPEG, jpeg_part, cut)
        return upright(tf.ensure_shape(part, (None, None, 3)), self._turned)


# Functions of their own, so that a process traces them once, whatever the number of pipelines that call them.
@tf.function(input_signature=[tf.TensorSpec((), tf.string)], autograph=False)
def _checked(encoded: Any) -> Any:
    """A file, its format, the stored picture's height and width, and its orientation."""
    content = file_content(encoded)
    found, known = find_format(content, FORMATS)
    checks = [_check_known(known, content)]
    # Decoding has no side effects, and would otherwise begin while headers are still being checked.
    encoded = _after(checks, encoded)

    def read(each: Format) -> tuple[Any, Any]:
        """What headers say."""
        return each.stored_sides(encoded, content), each.readable(content)

    def turned() -> Any:
        """The orientation that an EXIF block tells."""
        return orientation(
            content, tf.switch_case(found, [functools.partial(each.exif_start, content) for each in FORMATS])
        )

    sides, readable = tf.switch_case(found, [functools.partial(read, each) for each in FORMATS])
    checks += [_check_readable(readable, found), _check_size(sides)]
    values = encoded, found, tf.cast(sides, tf.int32), tf.cond(names_exif(encoded), turned, lambda: UPRIGHT)
    return tuple(_after(checks, value) for value in values)


@tf.function(input_signature=[tf.TensorSpec((), tf.string), tf.TensorSpec((), tf.int32)], autograph=False)
def _stored(encoded: Any, found: Any) -> Any:
    """The picture as it is stored, bytes."""

    def decode(each: Format) -> Any:
        """The picture."""
        return tf.ensure_shape(each.decode(encoded, file_content(encoded)), (None, None, 3))

    return tf.switch_case(found, [functools.partial(decode, each) for each in FORMATS])


def _after(checks: list[Any], value: Any) -> Any:
    with tf.control_dependencies(checks):
        return tf.identity(value)


# What is told beside a sentence is strings: numbers of 64 bits would cost a branch of the graph each.
def _check_known(known: Any, content: FileContent) -> Any:
    said = f"`images` must hold whole {FORMAT_NAMES} files. Received none of these, bytes:"
    return tf.debugging.Assert(known, [said, tf.as_string(content.size)])


def _check_readable(readable: Any, found: Any) -> Any:
    kinds = tf.gather(tf.constant([each.not_read for each in FORMATS]), found)
    return tf.debugging.Assert(readable, ["`images` must not hold what TensorFlow cannot read. Received:", kinds])


def _check_size(sides: Any) -> Any:
    # Each side too: the product of two could be more than 64 bits hold.
    fits = tf.reduce_all((sides > 0) & (sides <= MOST_PIXELS)) & (tf.reduce_prod(sides) <= MOST_PIXELS)
    said = f"`images` must be pictures of 1 to {MOST_PIXELS} pixels. Received height and width:"
    return tf.debugging.Assert(fits, [said, tf.as_string(sides)])
