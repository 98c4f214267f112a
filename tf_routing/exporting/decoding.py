"""Decodes a batch of encoded pictures of any size in the graph, after checks of their headers. TensorFlow only."""

from typing import Any

import tensorflow as tf

from tf_routing.data.images.decoding.center_crop import center_crop
from tf_routing.data.images.decoding.decoder import MOST_PIXELS
from tf_routing.data.images.decoding.framing import Framing
from tf_routing.support.validation import one_of

__all__ = ["DECODED_CHANNELS", "MOST_PIXELS", "decoded_images"]

DECODED_CHANNELS = (1, 3)
"""Channels of the images that pictures can be decoded to."""

# Of red, green and blue in grey, as JPEG and PNG have it.
_LIGHT = (0.299, 0.587, 0.114)
# Each may hold the largest picture.
_AT_ONCE = 4


def decoded_images(encoded: Any, shape: tuple[int, int, int], crop: float = 1.0, resize: int | None = None) -> Any:
    """Returns a batch of encoded pictures as images of one size, as evaluation sees them.

    Args:
        encoded: String tensor `(batch,)`, JPEG, PNG, GIF, BMP or WebP files. Grey and coloured ones are brought to the
            channels asked for, transparency is left out, of an animated GIF the first picture counts, and pictures
            that a camera turned are seen upright.
        shape: Tuple `(height, width, channels)` of an image; 1 or 3 channels.
        crop: Number in (0, 1]; see `data.images.decoding.framing.Framing`.
        resize: Integer or `None`; see `data.images.decoding.framing.Framing`.

    Returns:
        Tensor `(batch, height, width, channels)`, float32 with values in [0, 1].

    Raises:
        tf.errors.InvalidArgumentError: When it runs, if an entry is of no such format, is larger than `MOST_PIXELS`,
            or is damaged.

    Example:

    >>> import tensorflow as tf
    >>> from tf_routing.exporting.decoding import decoded_images
    >>> picture = tf.io.encode_png(tf.fill((30, 20, 3), tf.constant(255, tf.uint8)))
    >>> images = decoded_images(tf.stack([picture, picture]), (8, 8, 3))
    >>> images.shape, round(float(tf.reduce_min(images)), 3)
    (TensorShape([2, 8, 8, 3]), 1.0)
    """
    height, width, channels = shape
    one_of("channels", channels, DECODED_CHANNELS)
    framing = Framing(height, width, crop, resize)
    images = tf.map_fn(
        lambda each: center_crop(each, framing),
        encoded,
        parallel_iterations=_AT_ONCE,
        fn_output_signature=tf.TensorSpec((height, width, 3), tf.float32),
    )
    return images if channels == len(_LIGHT) else tf.reduce_sum(images * _LIGHT, axis=-1, keepdims=True)
