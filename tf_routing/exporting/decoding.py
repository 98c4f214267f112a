"""Encoded pictures of any size as a batch of images, checked before anything is decoded. TensorFlow only.

All of it is in the graph of an export, so nothing but operations of TensorFlow may be used.
"""

from typing import Any

import tensorflow as tf

from tf_routing.validation import one_of

MOST_PIXELS = 2**25
"""Pixels of the largest picture that is decoded: 100 MB of bytes. What a header says larger is refused unread."""

DECODED_CHANNELS = (1, 3)
"""Channels of the images that pictures can be decoded to."""

# A PNG begins with its header: nothing else may come before it, and its size are the next eight bytes.
_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_PNG_SIZE = (len(_PNG), 8)
_JPEG = b"\xff\xd8\xff"
# Each may hold the largest picture.
_AT_ONCE = 4


def decoded_images(encoded: Any, shape: tuple[int, int, int], crop: float = 1.0) -> Any:
    """Returns a batch of encoded pictures as images of one size.

    Of each picture the centre is seen: the largest part that has the ratio of the image, or a share of it.

    Args:
        encoded: String tensor `(batch,)`, JPEG or PNG files. Grey and coloured ones are brought to the channels asked
            for, transparency is left out, of an animation the first picture counts.
        shape: Tuple `(height, width, channels)` of an image; 1 or 3 channels.
        crop: Number in (0, 1], the share of that largest part's height and width that is seen.

    Returns:
        Tensor `(batch, height, width, channels)`, float32 with values in [0, 1].

    Raises:
        tf.errors.InvalidArgumentError: When it runs, if an entry is neither a JPEG nor a PNG file, is larger than
            `MOST_PIXELS`, or is damaged.

    Example:

    >>> import tensorflow as tf
    >>> from tf_routing.exporting.decoding import decoded_images
    >>> picture = tf.io.encode_png(tf.fill((30, 20, 3), tf.constant(255, tf.uint8)))
    >>> images = decoded_images(tf.stack([picture, picture]), (8, 8, 3))
    >>> images.shape, round(float(tf.reduce_min(images)), 3)
    (TensorShape([2, 8, 8, 3]), 1.0)
    """
    one_of("channels", shape[-1], DECODED_CHANNELS)
    return tf.map_fn(
        lambda each: _image(each, shape, crop),
        encoded,
        parallel_iterations=_AT_ONCE,
        fn_output_signature=tf.TensorSpec(shape, tf.float32),
    )


def _image(encoded: Any, shape: tuple[int, int, int], crop: float) -> Any:
    # Decoding has no side effects, and would otherwise begin while its size is still being checked.
    with tf.control_dependencies([_check_size(encoded)]):
        checked = tf.identity(encoded)
    picture = tf.io.decode_image(checked, channels=shape[-1], expand_animations=False)
    part = _central_part(tf.ensure_shape(picture, (None, None, shape[-1])), shape, crop)
    # As in training: antialiased, as the image libraries do it.
    floats = tf.image.resize(part, shape[:2], antialias=True)
    return tf.ensure_shape(tf.clip_by_value(floats / 255, 0, 1), shape)


def _check_size(encoded: Any) -> Any:
    is_png = tf.strings.substr(encoded, 0, len(_PNG)) == _PNG
    is_png &= tf.strings.length(encoded) >= sum(_PNG_SIZE)
    is_jpeg = tf.strings.substr(encoded, 0, len(_JPEG)) == _JPEG
    known = tf.debugging.Assert(
        is_png | is_jpeg,
        ["`images` must hold whole JPEG or PNG files. Received neither, bytes:", tf.strings.length(encoded)],
    )
    with tf.control_dependencies([known]):
        sides = tf.cast(tf.cond(is_png, lambda: _png_sides(encoded), lambda: _jpeg_sides(encoded)), tf.int64)
    fits = tf.reduce_all(sides > 0) & (tf.reduce_prod(sides) <= MOST_PIXELS)
    return tf.debugging.Assert(
        fits, [f"`images` must be pictures of 1 to {MOST_PIXELS} pixels. Received height and width:", sides]
    )


def _png_sides(encoded: Any) -> Any:
    size = tf.strings.substr(encoded, *_PNG_SIZE)
    width, height = tf.unstack(tf.ensure_shape(tf.io.decode_raw(size, tf.int32, little_endian=False), (2,)))
    return tf.stack([height, width])


def _jpeg_sides(encoded: Any) -> Any:
    return tf.io.extract_jpeg_shape(encoded)[:2]


def _central_part(picture: Any, shape: tuple[int, int, int], crop: float) -> Any:
    wanted, sides = tf.constant(shape[:2], tf.float32), tf.shape(picture)[:2]
    scale = tf.reduce_min(tf.cast(sides, tf.float32) / wanted) * crop
    part = tf.clip_by_value(tf.cast(tf.round(wanted * scale), tf.int32), 1, sides)
    top, left = tf.unstack((sides - part) // 2)
    return picture[top : top + part[0], left : left + part[1]]
