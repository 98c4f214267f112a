"""Batches for training and evaluation, as `tf.data` pipelines."""

from typing import Any

import tensorflow as tf

from tf_routing.data.augmentation import shift_and_mirror
from tf_routing.data.datasets import ImageSet
from tf_routing.validation import positive_integer


def training_batches(
    image_set: ImageSet,
    batch_size: int,
    seed: int,
    epochs: int,
    first_epoch: int = 0,
    shift: int = 0,
    mirror: bool = False,
) -> Any:
    """Returns shuffled, augmented batches of all epochs in a row.

    The order of an epoch and what happens to its images depend on the seed and the epoch's number alone, so a run
    that continues sees what an uninterrupted one would have seen. The last images that do not fill a batch are left
    out, other ones each epoch.

    Args:
        image_set: Images and labels.
        batch_size: Integer, at most the number of images.
        seed: Integer.
        epochs: Integer, number of the last epoch.
        first_epoch: Integer, epochs already done.
        shift: Integer, pixels; see `shift_and_mirror`.
        mirror: Boolean; see `shift_and_mirror`.

    Returns:
        A `tf.data.Dataset` of pairs: float images in [0, 1] and class indices.

    Raises:
        ValueError: If a batch is larger than the set.
    """
    count = len(image_set.labels)
    positive_integer("batch_size", batch_size)
    if batch_size > count:
        raise ValueError(f"`batch_size` must be at most {count}, the images there are. Received: {batch_size}")
    images, labels = tf.constant(image_set.images), tf.constant(image_set.labels)
    steps = steps_per_epoch(image_set, batch_size)

    def epoch_indices(epoch: Any) -> Any:
        """The steps of an epoch with the indices of their images."""
        order = tf.argsort(tf.random.stateless_uniform((count,), tf.stack([tf.cast(seed, tf.int64), epoch])))
        batches = tf.data.Dataset.from_tensor_slices(order).batch(batch_size, drop_remainder=True)
        return tf.data.Dataset.zip((tf.data.Dataset.range(epoch * steps, (epoch + 1) * steps), batches))

    def prepared(step: Any, indices: Any) -> tuple[Any, Any]:
        """One augmented batch."""
        # A stream of its own: the order of the images must not repeat in how they are shifted.
        stream = tf.stack([tf.cast(seed, tf.int64) ^ 0x5EED, step])
        chosen = shift_and_mirror(tf.gather(images, indices), shift, mirror, stream)
        return tf.cast(chosen, tf.float32) / 255, tf.gather(labels, indices)

    order = tf.data.Dataset.range(first_epoch, epochs).flat_map(epoch_indices)
    return _untuned(order.map(prepared, num_parallel_calls=2, deterministic=True).prefetch(4))


def evaluation_batches(image_set: ImageSet, batch_size: int) -> Any:
    """Returns all images in order, the last batch possibly smaller, as pairs of float images and class indices."""
    images, labels = tf.constant(image_set.images), tf.constant(image_set.labels)
    ranges = tf.data.Dataset.range(len(image_set.labels)).batch(batch_size)
    batches = ranges.map(lambda i: (tf.cast(tf.gather(images, i), tf.float32) / 255, tf.gather(labels, i)))
    return _untuned(batches.prefetch(2))


def steps_per_epoch(image_set: ImageSet, batch_size: int) -> int:
    """Returns the number of full batches in an epoch."""
    return len(image_set.labels) // batch_size


def _untuned(dataset: Any) -> Any:
    # Deleting an iterator that is being tuned stalls for seconds, at every epoch's end.
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
