"""Resizes an image and crops it in one step, so that only the pixels of the crop are computed."""

from typing import Any, NamedTuple

import tensorflow as tf

# A side above which the resampling works along the shorter one first; below, its memory is small anyway.
_LONG = 2**14


class Resampled(NamedTuple):
    """An image that is to be resized; crops of the resized image are computed when they are asked for.

    Args:
        image: Tensor `(height, width, 3)`, bytes.
        sides: Integer tensor: height and width that it is resized to.
    """

    image: Any
    sides: Any

    def part(self, corner: Any, size: tuple[int, int]) -> Any:
        """Returns a part, the numbers that cutting it out of the whole would give.

        Bilinear and antialiased, as the image libraries do it that the papers' networks were trained with.

        Args:
            corner: Integer tensor: top and left.
            size: Tuple, height and width.

        Returns:
            Tensor `(height, width, 3)`, float32 with values in [0, 1].

        Example:

        >>> whole = Resampled(tf.fill((4, 6, 3), tf.constant(255, tf.uint8)), tf.constant([8, 12]))
        >>> float(tf.reduce_min(whole.part(tf.constant([0, 3]), (8, 8))))
        1.0
        """
        actual = tf.shape(self.image, tf.int64)[:2]

        def _cut() -> Any:
            top, left = tf.unstack(tf.cast(corner, tf.int64))
            return tf.cast(self.image[top : top + size[0], left : left + size[1]], tf.float32)

        # Many are of the right size already, small ones above all, and resampling takes longer than decoding these.
        fits = tf.reduce_all(tf.cast(self.sides, tf.int64) == actual)
        floats = tf.cond(fits, _cut, lambda: self._resample(tf.cast(corner, tf.float64), size, actual))
        return tf.ensure_shape(tf.clip_by_value(floats / 255, 0, 1), (*size, 3))

    def _resample(self, corner: Any, size: tuple[int, int], actual: Any) -> Any:
        # In 64 bits: a side of millions of pixels is no exact number in 32, and its middle would be missed.
        scale = tf.cast(self.sides, tf.float64) / tf.cast(actual, tf.float64)
        first, last = _find_source_bounds(corner, tf.constant(size, tf.float64), scale, actual)
        seen = self.image[first[0] : last[0], first[1] : last[1]]
        shift = tf.cast(first, tf.float64) * scale - corner
        return _scale(seen, tf.constant(size, tf.int32), tf.cast(scale, tf.float32), tf.cast(shift, tf.float32))


def _find_source_bounds(corner: Any, size: Any, scale: Any, actual: Any) -> tuple[Any, Any]:
    """Returns the first pixels of the image that count, and those behind the last: as far as the kernel reaches."""
    reach = tf.maximum(tf.ones_like(scale), 1 / scale) + 1
    first = tf.cast(tf.floor(corner / scale - reach), tf.int64)
    last = tf.cast(tf.math.ceil((corner + size) / scale + reach), tf.int64)
    return tf.maximum(first, 0), tf.minimum(last, actual)


def _scale(cut: Any, size: Any, scale: Any, shift: Any) -> Any:
    """Scales and shifts an image of bytes, and returns what is then seen in a window of this size, floats."""
    # Rows are resampled first, at the full width: the largest tensor has the window's height and this width, which
    # must not be the long side of an image that is thin.
    order = tf.where(tf.shape(cut)[1] > _LONG, (1, 0), (0, 1))
    axes = tf.concat([order, [2]], axis=0)
    images = tf.raw_ops.ScaleAndTranslate(
        images=tf.transpose(cut, axes)[None],
        size=tf.gather(size, order),
        scale=tf.gather(scale, order),
        translation=tf.gather(shift, order),
        kernel_type="triangle",
        antialias=True,
    )
    return tf.transpose(images[0], axes)
