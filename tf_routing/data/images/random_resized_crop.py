"""Crops of random place, area and aspect ratio, resized to one size (Inception's augmentation)."""

import math
from typing import Any

import tensorflow as tf

from tf_routing.data.images.decoding.decoder import ImageDecoder
from tf_routing.data.images.decoding.resampling import Resampled

_AREAS = (0.08, 1.0)
_RATIOS = (3 / 4, 4 / 3)
_ATTEMPTS = 10


def draw_box(height: Any, width: Any, seed: Any) -> Any:
    """Draws a part of an image, as in the training of Inception and of ResNets.

    Its area is 8 to 100 % of the image's, its width 3/4 to 4/3 of its height; the former is drawn evenly, the latter
    evenly in its logarithm. Where ten draws find no box that fits, it is the largest one of a ratio in these bounds.

    Args:
        height: Integer tensor, the image's.
        width: Integer tensor, the image's.
        seed: Integer tensor of shape (2,): the same seed gives the same box.

    Returns:
        Integer tensor: top, left, height and width of the box.

    Example:

    >>> draw_box(100, 80, seed=[0, 0]).shape
    TensorShape([4])
    """
    height, width = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
    sizes, places = tf.split(tf.random.stateless_uniform((2 * _ATTEMPTS + 2,), seed), (2 * _ATTEMPTS, 2))
    heights, widths = _draw_sides(height * width, sizes)
    ratio = tf.clip_by_value(width / height, *_RATIOS)
    heights = tf.concat([heights, [tf.round(tf.minimum(height, width / ratio))]], axis=0)
    widths = tf.concat([widths, [tf.round(tf.minimum(width, height * ratio))]], axis=0)
    chosen = tf.argmax((heights >= 1) & (heights <= height) & (widths >= 1) & (widths <= width))
    sides = tf.stack([heights[chosen], widths[chosen]])
    corner = tf.floor(places * (tf.stack([height, width]) - sides + 1))
    return tf.cast(tf.concat([corner, sides], axis=0), tf.int32)


def _draw_sides(whole_area: Any, uniform: Any) -> tuple[Any, Any]:
    area_draws, ratio_draws = tf.split(uniform, 2)
    areas = whole_area * (_AREAS[0] + area_draws * (_AREAS[1] - _AREAS[0]))
    low, high = math.log(_RATIOS[0]), math.log(_RATIOS[1])
    ratios = tf.exp(low + ratio_draws * (high - low))
    return tf.round(tf.sqrt(areas / ratios)), tf.round(tf.sqrt(areas * ratios))


def random_resized_crop(encoded: Any, image_size: int, seed: Any) -> Any:
    """Returns the part of an encoded image that `draw_box` draws, resized.

    Args:
        encoded: String tensor of shape (), a file; see `ImageDecoder`.
        image_size: Integer, height and width of the result.
        seed: Integer tensor of shape (2,).

    Returns:
        Tensor `(image_size, image_size, 3)`, float32 with values in [0, 1].
    """
    decoder, size = ImageDecoder(encoded), (image_size, image_size)
    part = decoder.decode_part(draw_box(decoder.sides[0], decoder.sides[1], seed))
    return Resampled(part, tf.constant(size)).part(tf.constant((0, 0)), size)
