"""Resizes an encoded image and crops its centre: what evaluation and serving show to a network."""

from typing import Any

import tensorflow as tf

from tf_routing.data.images.decoding.decoder import ImageDecoder
from tf_routing.data.images.decoding.framing import Framing
from tf_routing.data.images.decoding.resampling import Resampled


def resize_for_crops(encoded: Any, framing: Framing) -> Resampled:
    """Returns the resized image that crops are cut out of.

    Args:
        encoded: String tensor of shape (), a file; see `ImageDecoder`.
        framing: To which size it is resized.
    """
    decoder = ImageDecoder(encoded)
    return Resampled(decoder.decode(), _sides(decoder.sides, framing))


def center_crop(encoded: Any, framing: Framing) -> Any:
    """Returns the centre of an encoded image, resized.

    A file that has exactly the size that the network sees is taken as it is, whatever is done with others: somebody
    has cropped it already.

    Args:
        encoded: String tensor of shape (), a file; see `ImageDecoder`.
        framing: To which size it is resized, and how much of it is seen.

    Returns:
        Tensor `(height, width, 3)`, float32 with values in [0, 1].

    Example:

    >>> file = tf.io.encode_png(tf.fill((6, 9, 3), tf.constant(255, tf.uint8)))
    >>> center_crop(file, Framing(4, 4, crop=0.875)).shape
    TensorShape([4, 4, 3])
    """
    resized, size = resize_for_crops(encoded, framing), tf.constant(framing.size, tf.int64)
    fits = tf.reduce_all(tf.shape(resized.image, tf.int64)[:2] == size)
    sides = tf.where(fits, size, resized.sides)
    return resized._replace(sides=sides).part((sides - size) // 2, framing.size)


def _sides(sides: Any, framing: Framing) -> Any:
    least = tf.constant(framing.least_sides, tf.int64)
    if framing.resize is not None:
        return least
    scale = tf.reduce_max(tf.cast(least, tf.float64) / tf.cast(sides, tf.float64))
    return tf.cast(tf.round(tf.cast(sides, tf.float64) * scale), tf.int64)
