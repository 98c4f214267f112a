"""`tf.data` pipelines of images in memory, gathered and augmented batch by batch."""

from typing import Any

import tensorflow as tf

from tf_routing.data.augmentation.tensor_augmentation import mirror_chosen, shift_and_mirror
from tf_routing.data.batching.batch_plan import BatchPlan
from tf_routing.data.images.image_set import ImageSet


def memory_training_batches(image_set: ImageSet, plan: BatchPlan) -> Any:
    """Returns shuffled, augmented batches of all epochs in a row; see `training_batches`."""
    images, labels = tf.constant(image_set.images), tf.constant(image_set.labels)
    count, size = image_set.image_count, plan.images_per_batch
    steps = plan.count_steps(image_set)
    if plan.alternate_mirror:
        flips_seed = tf.stack([tf.cast(plan.seed, tf.int64) ^ 0xF11B, 0])
        mirrored_first = tf.random.stateless_uniform((count,), flips_seed) < 0.5

    def _order_of(epoch: Any) -> Any:
        """Returns the steps of an epoch with the indices of their images."""
        stream = tf.stack([tf.cast(plan.seed, tf.int64), epoch])
        if plan.steps_per_epoch:
            order = tf.random.stateless_uniform((steps * size,), stream, maxval=count, dtype=tf.int32)
        else:
            order = tf.argsort(tf.random.stateless_uniform((count,), stream))
        batches = tf.data.Dataset.from_tensor_slices(order).batch(size, drop_remainder=True)
        return tf.data.Dataset.zip((tf.data.Dataset.range(epoch * steps, (epoch + 1) * steps), batches))

    def _augment(step: Any, indices: Any) -> tuple[Any, Any]:
        # Another stream of random numbers: the order of the images must not repeat in how they are shifted.
        stream = tf.stack([tf.cast(plan.seed, tf.int64) ^ 0x5EED, step])
        indices = tf.repeat(indices, plan.copies)
        classes = tf.gather(labels, indices)
        flips = plan.mirror if isinstance(plan.mirror, bool) else tf.gather(tf.constant(plan.mirror), classes)
        drawn = not plan.alternate_mirror and flips
        moved = shift_and_mirror(tf.gather(images, indices), plan.shift, drawn, stream, plan.fill)
        if plan.alternate_mirror:
            moved = mirror_chosen(moved, _turn(step // steps, indices) & flips)
        return tf.cast(moved, tf.float32) / 255, classes

    def _turn(epoch: Any, indices: Any) -> Any:
        """Returns whether it is each image's turn to be mirrored."""
        copies = tf.range(tf.size(indices, tf.int64)) % plan.copies
        return tf.gather(mirrored_first, indices) ^ ((epoch + copies) % 2 == 1)

    order = tf.data.Dataset.range(plan.first_epoch, plan.epochs).flat_map(_order_of)
    return order.map(_augment, num_parallel_calls=2, deterministic=True).prefetch(4)


def memory_evaluation_batches(image_set: ImageSet, batch_size: int) -> Any:
    """Returns all images in order; see `evaluation_batches`."""
    images, labels = tf.constant(image_set.images), tf.constant(image_set.labels)
    ranges = tf.data.Dataset.range(image_set.image_count).batch(batch_size)
    batches = ranges.map(lambda i: (tf.cast(tf.gather(images, i), tf.float32) / 255, tf.gather(labels, i)))
    return batches.prefetch(2)
