"""Random crops of an image that was resized, and the ten crops of evaluation."""

from typing import Any

import tensorflow as tf

from tf_routing.data.images.decoding.resampling import Resampled

TEN = 10


def random_crop(image: Resampled, image_size: int, seed: Any) -> Any:
    """Cuts out a square at a random place.

    Args:
        image: The resized image, both sides at least `image_size`.
        image_size: Integer, height and width of the crop.
        seed: Integer tensor of shape (2,): the same seed gives the same place.

    Returns:
        Tensor `(image_size, image_size, 3)`, float32 with values in [0, 1].

    Example:

    >>> random_crop(Resampled(tf.zeros((4, 4, 3), tf.uint8), tf.constant([8, 8])), 6, seed=[0, 0]).shape
    TensorShape([6, 6, 3])
    """
    places = image.sides - image_size + 1
    draws = tf.random.stateless_uniform((2,), seed) * tf.cast(places, tf.float32)
    return image.part(tf.cast(draws, tf.int32), (image_size, image_size))


def ten_crops(image: Resampled, image_size: int) -> Any:
    """Cuts out the four corners and the centre, and adds the mirror image of each.

    Args:
        image: The resized image, both sides at least `image_size`.
        image_size: Integer, height and width of a crop.

    Returns:
        Tensor `(10, image_size, image_size, 3)`: upper left, upper right, lower left, lower right and centre, then
        their mirror images in this order.

    Example:

    >>> ten_crops(Resampled(tf.zeros((8, 8, 3), tf.uint8), tf.constant([8, 8])), 6).shape
    TensorShape([10, 6, 6, 3])
    """
    bottom, right = tf.unstack(image.sides - image_size)
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    five = tf.stack([image.part(tf.stack(corner), (image_size, image_size)) for corner in corners])
    return tf.concat([five, five[:, :, ::-1]], axis=0)
