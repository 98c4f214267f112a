"""What is cut out of a picture that was brought to a size: a place at random, the centre, or ten places."""

from typing import Any

import tensorflow as tf

from tf_routing.data.views import decoded, resized

# The shorter side is 256 where the view is 224, as is usual.
_MARGIN = 256 / 224
TEN = 10


def margin_size(image_size: int) -> int:
    """Returns to what the shorter side of a picture is brought where nothing else is asked for.

    Example:

    >>> margin_size(224)
    256
    """
    return round(image_size * _MARGIN)


def brought_to_size(encoded: Any, image_size: int, resize: int | None = None) -> Any:
    """Returns the picture that crops are cut out of.

    Args:
        encoded: String tensor, a JPEG, PNG, BMP or GIF file; grey ones get three channels.
        image_size: Integer, height and width of the crops.
        resize: Integer, height and width of the picture, whatever its ratio was; `None` keeps the ratio and brings
            the shorter side to 256/224 of `image_size`.

    Returns:
        Tensor `(height, width, 3)`, float32 with values in [0, 1].
    """
    picture = decoded(encoded)
    if resize is not None:
        return resized(picture, (resize, resize))
    sides = tf.cast(tf.shape(picture)[:2], tf.float32)
    return resized(picture, tf.cast(tf.round(sides * margin_size(image_size) / tf.reduce_min(sides)), tf.int32))


def random_crop(picture: Any, image_size: int, seed: Any) -> Any:
    """Cuts out a square at a random place.

    Args:
        picture: Tensor `(height, width, 3)`, both sides at least `image_size`.
        image_size: Integer, height and width of the crop.
        seed: Integer tensor of shape (2,): the same seed gives the same place.

    Returns:
        Tensor `(image_size, image_size, 3)`.

    Example:

    >>> random_crop(tf.zeros((8, 8, 3)), 6, seed=[0, 0]).shape
    TensorShape([6, 6, 3])
    """
    places = tf.shape(picture)[:2] - image_size + 1
    draws = tf.random.stateless_uniform((2,), seed) * tf.cast(places, tf.float32)
    top, left = tf.unstack(tf.cast(draws, tf.int32))
    return _cut(picture, top, left, image_size)


def central_crop(picture: Any, image_size: int) -> Any:
    """Cuts a square out of the centre; see `random_crop`."""
    top, left = tf.unstack((tf.shape(picture)[:2] - image_size) // 2)
    return _cut(picture, top, left, image_size)


def central_view(encoded: Any, image_size: int, resize: int | None = None) -> Any:
    """Returns the centre of an encoded picture; see `brought_to_size` and `central_crop`."""
    return central_crop(brought_to_size(encoded, image_size, resize), image_size)


def ten_crops(picture: Any, image_size: int) -> Any:
    """Cuts out the four corners and the centre, and adds the mirror image of each.

    Args:
        picture: Tensor `(height, width, 3)`, both sides at least `image_size`.
        image_size: Integer, height and width of a crop.

    Returns:
        Tensor `(10, image_size, image_size, 3)`: upper left, upper right, lower left, lower right and centre, then
        their mirror images in this order.

    Example:

    >>> ten_crops(tf.zeros((8, 8, 3)), 6).shape
    TensorShape([10, 6, 6, 3])
    """
    bottom, right = tf.unstack(tf.shape(picture)[:2] - image_size)
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right)]
    crops = [_cut(picture, top, left, image_size) for top, left in corners]
    five = tf.stack([*crops, central_crop(picture, image_size)])
    return tf.concat([five, five[:, :, ::-1]], axis=0)


def _cut(picture: Any, top: Any, left: Any, image_size: int) -> Any:
    crop = picture[top : top + image_size, left : left + image_size]
    return tf.ensure_shape(crop, (image_size, image_size, 3))
