"""Batches of images that are read from files."""

import os
from typing import Any

import tensorflow as tf

from tf_routing.data.augmentation import shift_and_mirror
from tf_routing.data.image_stream import ImageStream
from tf_routing.data.views import central_view, random_view

# Files read side by side, records in a row from each, and records that the order is drawn from: about one gigabyte of
# ImageNet. All three decide the order, so they do not depend on the machine.
_FILES, _IN_A_ROW, _SHUFFLED = 16, 16, 8192
_WORKERS = os.cpu_count() or 1
_FEATURES = {"image": tf.io.FixedLenFeature((), tf.string), "label": tf.io.FixedLenFeature((), tf.int64)}


def stream_training_batches(
    stream: ImageStream, batch_images: int, seed: int, epochs: range, shift: int, mirror: bool, copies: int
) -> Any:
    """Returns shuffled, augmented batches of all epochs in a row; see `training_batches`."""
    steps = stream.image_count // batch_images
    # Whole batches of each epoch only, so that a batch never mixes two epochs.
    epoch_size = steps * batch_images
    seed = tf.cast(seed, tf.int64)

    def augmented(step: Any, batch: tuple[Any, Any]) -> tuple[Any, Any]:
        """One batch, shifted and mirrored."""
        images, labels = batch
        return shift_and_mirror(images, shift, mirror, tf.stack([seed ^ 0x5EED, step])), labels

    records = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(
        lambda epoch: _shuffled_records(stream, tf.stack([seed, epoch])).take(epoch_size)
    )
    if copies > 1:
        # Neighbours, each numbered and so cropped by itself.
        records = records.flat_map(lambda record: tf.data.Dataset.from_tensors(record).repeat(copies))
    images = _training_views(stream, records.enumerate(epochs.start * epoch_size * copies), seed)
    batches = images.batch(batch_images * copies, drop_remainder=True).enumerate(epochs.start * steps)
    return batches.map(augmented, num_parallel_calls=1, deterministic=True).prefetch(2)


def _training_views(stream: ImageStream, numbered_records: Any, seed: Any) -> Any:
    if not stream.random_size_crop:
        return _central_views(stream, numbered_records.map(lambda _, record: record))
    image_size, _, _ = stream.image_shape

    def view(number: Any, record: Any) -> tuple[Any, Any]:
        """One image and its label; `number` counts the images of all epochs."""
        example = tf.io.parse_single_example(record, _FEATURES)
        # A stream of its own: neither the order nor the shifts must repeat in the crops.
        return random_view(example["image"], image_size, tf.stack([seed ^ 0xC409, number])), example["label"]

    return numbered_records.map(view, num_parallel_calls=_WORKERS, deterministic=True)


def _central_views(stream: ImageStream, records: Any) -> Any:
    image_size, _, _ = stream.image_shape

    def view(record: Any) -> tuple[Any, Any]:
        """One image and its label."""
        example = tf.io.parse_single_example(record, _FEATURES)
        return central_view(example["image"], image_size), example["label"]

    return records.map(view, num_parallel_calls=_WORKERS, deterministic=True)


def _shuffled_records(stream: ImageStream, seed: Any) -> Any:
    # Called in the graph of one epoch, which is its own. The shuffle mixes the graph's seed, by default the global one,
    # into what it is given: fixed here, so that the order depends on nothing else.
    tf.random.set_seed(1)
    file_seed, record_seed = tf.unstack(tf.random.split(seed, 2))
    order = tf.argsort(tf.random.stateless_uniform((len(stream.files),), file_seed))
    files = tf.data.Dataset.from_tensor_slices(tf.gather(tf.constant(stream.files), order))
    records = files.interleave(
        tf.data.TFRecordDataset,
        cycle_length=_FILES,
        block_length=_IN_A_ROW,
        num_parallel_calls=min(_FILES, _WORKERS),
        deterministic=True,
    )
    return records.shuffle(min(stream.image_count, _SHUFFLED), record_seed[0], reshuffle_each_iteration=False)


def stream_evaluation_batches(stream: ImageStream, batch_size: int) -> Any:
    """Returns the centres of all images in the order of the files; see `evaluation_batches`."""
    images = _central_views(stream, tf.data.TFRecordDataset(list(stream.files)))
    # Keras then knows when it is through, and files with more or fewer images are an error.
    counted = images.apply(tf.data.experimental.assert_cardinality(stream.image_count))
    return counted.batch(batch_size).prefetch(2)
