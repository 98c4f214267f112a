"""`tf.data` pipelines of encoded images, read, decoded, cropped and augmented as batches need them."""

import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_routing.data.augmentation.tensor_augmentation import shift_and_mirror
from tf_routing.data.batching.batch_plan import BatchPlan
from tf_routing.data.images.crops import TEN, random_crop, ten_crops
from tf_routing.data.images.decoding.center_crop import center_crop, resize_for_crops
from tf_routing.data.images.encoded_images import EncodedImages
from tf_routing.data.images.random_resized_crop import random_resized_crop

_WORKERS = os.cpu_count() or 1


def file_training_batches(stream: EncodedImages, plan: BatchPlan) -> Any:
    """Returns shuffled, augmented batches of all epochs in a row; see `training_batches`."""
    size, steps = plan.images_per_batch, plan.count_steps(stream)
    # Whole batches of each epoch only, so that a batch never mixes two epochs.
    epoch_size = steps * size
    seed = tf.cast(plan.seed, tf.int64)

    def _augment(step: Any, batch: tuple[Any, Any]) -> tuple[Any, Any]:
        images, labels = batch
        return shift_and_mirror(images, plan.shift, bool(plan.mirror), tf.stack([seed ^ 0x5EED, step])), labels

    records = tf.data.Dataset.range(plan.first_epoch, plan.epochs).flat_map(
        lambda epoch: stream.shuffled(tf.stack([seed, epoch])).take(epoch_size)
    )
    if plan.copies > 1:
        # Neighbours, each numbered and so cropped by itself.
        records = records.flat_map(lambda record: tf.data.Dataset.from_tensors(record).repeat(plan.copies))
    images = _crop_at_random(stream, records.enumerate(plan.first_epoch * epoch_size * plan.copies), seed)
    batches = images.batch(plan.batch_size, drop_remainder=True).enumerate(plan.first_epoch * steps)
    return batches.map(_augment, num_parallel_calls=1, deterministic=True).prefetch(2)


def _crop_at_random(stream: EncodedImages, numbered_records: Any, seed: Any) -> Any:
    crop = _training_crop(stream)

    def _decode(number: Any, record: Any) -> tuple[Any, Any]:
        """Returns one image and its label; `number` counts the images of all epochs."""
        encoded, label = stream.read(record)
        # Another stream of random numbers: neither the order nor the shifts must repeat in the crops.
        return crop(encoded, tf.stack([seed ^ 0xC409, number])), label

    return numbered_records.map(_decode, num_parallel_calls=_WORKERS, deterministic=True)


def _training_crop(stream: EncodedImages) -> Callable[[Any, Any], Any]:
    """Returns the function of an encoded image and a seed that crops it as these images ask for."""
    image_size, _, _ = stream.image_shape
    if stream.random_size_crop:
        return lambda encoded, seed: random_resized_crop(encoded, image_size, seed)
    if stream.resize is not None:
        return lambda encoded, seed: random_crop(resize_for_crops(encoded, stream.framing), image_size, seed)
    return lambda encoded, _: center_crop(encoded, stream.framing)


def file_evaluation_batches(stream: EncodedImages, batch_size: int, crops: int = 1) -> Any:
    """Returns crops of all images in the order of the files; see `evaluation_batches`."""
    image_size, _, _ = stream.image_shape

    def _decode(record: Any) -> tuple[Any, Any]:
        """Returns one image and its label, or the crops of one image and as many labels."""
        encoded, label = stream.read(record)
        if crops == 1:
            return center_crop(encoded, stream.framing), label
        return ten_crops(resize_for_crops(encoded, stream.framing), image_size), tf.repeat(label, TEN)

    images = stream.in_order().map(_decode, num_parallel_calls=_WORKERS, deterministic=True)
    # Keras then knows when it is through, and files with more or fewer images are an error.
    counted = images.apply(tf.data.experimental.assert_cardinality(stream.image_count))
    batches = counted.batch(batch_size // crops)
    return (batches if crops == 1 else batches.map(_flatten_crops)).prefetch(2)


def _flatten_crops(images: Any, labels: Any) -> tuple[Any, Any]:
    return tf.reshape(images, (-1, *images.shape[2:])), tf.reshape(labels, (-1,))
