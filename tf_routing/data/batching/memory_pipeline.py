"""Batches of images that are in memory."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tf_routing.data.augmentation.tensor_augmentation import shift_and_mirror
from tf_routing.data.images.image_set import ImageSet


def set_training_batches(
    image_set: ImageSet,
    batch_images: int,
    seed: int,
    epochs: range,
    shift: int,
    mirror: bool | Sequence[bool],
    copies: int,
    fill: str,
    drawn_steps: int | None,
) -> Any:
    """Returns shuffled, augmented batches of all epochs in a row; see `training_batches`."""
    images, labels = tf.constant(image_set.images), tf.constant(image_set.labels)
    count = image_set.image_count
    steps = drawn_steps or count // batch_images

    def epoch_indices(epoch: Any) -> Any:
        """The steps of an epoch with the indices of their images."""
        stream = tf.stack([tf.cast(seed, tf.int64), epoch])
        if drawn_steps:
            order = tf.random.stateless_uniform((steps * batch_images,), stream, maxval=count, dtype=tf.int32)
        else:
            order = tf.argsort(tf.random.stateless_uniform((count,), stream))
        batches = tf.data.Dataset.from_tensor_slices(order).batch(batch_images, drop_remainder=True)
        return tf.data.Dataset.zip((tf.data.Dataset.range(epoch * steps, (epoch + 1) * steps), batches))

    def prepared(step: Any, indices: Any) -> tuple[Any, Any]:
        """One augmented batch."""
        # A stream of its own: the order of the images must not repeat in how they are shifted.
        stream = tf.stack([tf.cast(seed, tf.int64) ^ 0x5EED, step])
        indices = tf.repeat(indices, copies)
        own = tf.gather(labels, indices)
        flips = mirror if isinstance(mirror, bool) else tf.gather(tf.constant(mirror), own)
        chosen = shift_and_mirror(tf.gather(images, indices), shift, flips, stream, fill)
        return tf.cast(chosen, tf.float32) / 255, own

    order = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(epoch_indices)
    return order.map(prepared, num_parallel_calls=2, deterministic=True).prefetch(4)


def set_evaluation_batches(image_set: ImageSet, batch_size: int) -> Any:
    """Returns all images in order; see `evaluation_batches`."""
    images, labels = tf.constant(image_set.images), tf.constant(image_set.labels)
    ranges = tf.data.Dataset.range(image_set.image_count).batch(batch_size)
    batches = ranges.map(lambda i: (tf.cast(tf.gather(images, i), tf.float32) / 255, tf.gather(labels, i)))
    return batches.prefetch(2)
