"""Batches for training and evaluation, as `tf.data` pipelines, whatever holds the images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_routing.data.batching.epoch_steps import check_fills_a_batch, steps_per_epoch
from tf_routing.data.batching.file_pipeline import stream_evaluation_batches, stream_training_batches
from tf_routing.data.batching.memory_pipeline import set_evaluation_batches, set_training_batches
from tf_routing.data.images.crops import TEN
from tf_routing.data.images.encoded_images import EncodedImages
from tf_routing.data.images.image_set import ImageSet
from tf_routing.support.validation import one_of, positive_integer

__all__ = ["evaluation_batches", "first_images", "steps_per_epoch", "training_batches"]

_SMALL_BATCH = 32


def training_batches(
    image_set: ImageSet | EncodedImages,
    batch_size: int,
    seed: int,
    epochs: int,
    first_epoch: int = 0,
    shift: int = 0,
    mirror: bool | Sequence[bool] = False,
    copies: int = 1,
    fill: str = "zero",
    drawn_steps: int | None = None,
) -> Any:
    """Returns shuffled, augmented batches of all epochs in a row.

    The order of an epoch and what happens to its images depend on the seed and the epoch's number alone, so a run
    that continues sees what an uninterrupted one would have seen. The last images that do not fill a batch are left
    out, other ones each epoch. With `copies` a batch holds that many neighbouring rows of each of its images, each
    augmented by itself.

    Args:
        image_set: Images and labels, in memory or in files; the latter with a size, see `EncodedImages.sized`.
        batch_size: Integer, rows of a batch: a multiple of `copies`, with at most as many images as there are.
        seed: Integer.
        epochs: Integer, number of the last epoch.
        first_epoch: Integer, epochs already done.
        shift: Integer, pixels; see `shift_and_mirror`.
        mirror: Boolean; see `shift_and_mirror`. In memory also one per class.
        copies: Integer, copies of each image.
        fill: What moves in where an image is shifted; see `shift_and_mirror`. In memory only, but for `"zero"`.
        drawn_steps: Integer, for images in memory: steps of an epoch whose images are drawn with replacement. Where not
            given, an epoch shows each image once.

    Returns:
        A `tf.data.Dataset` of pairs: float images in [0, 1] and class indices.

    Raises:
        ValueError: If a batch is larger than the set, its images have no size yet, or they are not in memory and an
            argument needs that.
    """
    check_fills_a_batch(image_set, batch_size, copies)
    epochs_range = range(first_epoch, epochs)
    shown = (batch_size // copies, seed, epochs_range, shift)
    if isinstance(image_set, EncodedImages):
        _check_stream(mirror, fill, drawn_steps)
        return _untuned(stream_training_batches(_sized(image_set), *shown, bool(mirror), copies))
    return _untuned(set_training_batches(image_set, *shown, mirror, copies, fill, drawn_steps))


def _check_stream(mirror: Any, fill: str, drawn_steps: int | None) -> None:
    possible = {"mirror": (mirror, (True, False)), "fill": (fill, ("zero",)), "drawn_steps": (drawn_steps, (None,))}
    for name, (value, accepted) in possible.items():
        if value not in accepted:
            raise ValueError(
                f"`{name}` must be {' or '.join(map(repr, accepted))} for images that are not in memory. "
                f"Received: {name}={value!r}"
            )


def evaluation_batches(image_set: ImageSet | EncodedImages, batch_size: int, crops: int = 1) -> Any:
    """Returns all images in order, the last batch possibly smaller.

    Args:
        image_set: Images and labels, in memory or in files; the latter with a size, see `EncodedImages.sized`.
        batch_size: Integer, most rows of a batch.
        crops: 1, or 10 for images that are not in memory: neighbouring rows then show the four corners and the centre
            of an image, and their mirror images.

    Returns:
        A `tf.data.Dataset` of pairs: float images in [0, 1] and class indices.

    Raises:
        ValueError: If the images have no size yet, or ten crops of them would be the same.
    """
    positive_integer("batch_size", batch_size)
    one_of("crops", crops, (1, TEN))
    if crops == TEN:
        _check_crops(image_set, batch_size)
    if isinstance(image_set, EncodedImages):
        return _untuned(stream_evaluation_batches(_sized(image_set), batch_size, crops))
    return _untuned(set_evaluation_batches(image_set, batch_size))


def _check_crops(image_set: ImageSet | EncodedImages, batch_size: int) -> None:
    if not isinstance(image_set, EncodedImages):
        raise ValueError(f"`crops` must be 1 for a dataset in memory. Received: crops={TEN}")
    if image_set.resize is not None and image_set.resize == image_set.image_size:
        raise ValueError(
            f"`crops` must be 1 where the network sees the whole picture: resize={image_set.resize} is the size of a "
            f"crop. Received: crops={TEN}"
        )
    if batch_size < TEN:
        raise ValueError(f"`batch_size` must be at least {TEN}, the crops of an image. Received: {batch_size}")


def first_images(image_set: ImageSet | EncodedImages, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first images, floats in [0, 1], with their class indices: as many, or all where there are fewer."""
    # In small batches first: of whole ones, some more would be prepared ahead.
    images = evaluation_batches(image_set, min(count, _SMALL_BATCH)).unbatch().batch(count)
    return next(_untuned(images).as_numpy_iterator())


def _sized(stream: EncodedImages) -> EncodedImages:
    # Raises where there is no size.
    return stream.sized(stream.image_size, stream.random_size_crop, stream.resize, stream.crop)


def _untuned(dataset: Any) -> Any:
    # Deleting an iterator that is being tuned stalls for seconds, at every epoch's end.
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
