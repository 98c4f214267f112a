"""The centre of a picture: what evaluation and serving see of it."""

from typing import Any

import tensorflow as tf

from tf_routing.data.images.decoding.decoder import EncodedPicture
from tf_routing.data.images.decoding.framing import Framing
from tf_routing.data.images.decoding.resampling import Resampled


def brought_to_size(encoded: Any, framing: Framing) -> Resampled:
    """Returns the picture that images are cut out of.

    Args:
        encoded: String tensor of shape (), a file; see `EncodedPicture`.
        framing: To which size it is brought.
    """
    picture = EncodedPicture(encoded)
    return Resampled(picture.decoded(), _sides(picture.sides, framing))


def central_image(encoded: Any, framing: Framing) -> Any:
    """Returns the centre of a picture.

    A picture that has the size of an image is that image, unchanged, whatever is done with others: somebody has cut
    it already.

    Args:
        encoded: String tensor of shape (), a file; see `EncodedPicture`.
        framing: To which size it is brought, and how much of it is seen.

    Returns:
        Tensor `(height, width, 3)`, float32 with values in [0, 1].

    Example:

    >>> file = tf.io.encode_png(tf.fill((6, 9, 3), tf.constant(255, tf.uint8)))
    >>> central_image(file, Framing(4, 4, crop=0.875)).shape
    TensorShape([4, 4, 3])
    """
    brought, size = brought_to_size(encoded, framing), tf.constant(framing.size, tf.int64)
    fits = tf.reduce_all(tf.shape(brought.picture, tf.int64)[:2] == size)
    sides = tf.where(fits, size, brought.sides)
    return brought._replace(sides=sides).part((sides - size) // 2, framing.size)


def _sides(sides: Any, framing: Framing) -> Any:
    least = tf.constant(framing.least_sides, tf.int64)
    if framing.resize is not None:
        return least
    scale = tf.reduce_max(tf.cast(least, tf.float64) / tf.cast(sides, tf.float64))
    return tf.cast(tf.round(tf.cast(sides, tf.float64) * scale), tf.int64)
