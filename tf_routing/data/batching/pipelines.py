"""Training and evaluation batches as `tf.data` pipelines, of images in memory or in files."""

from typing import Any

import numpy as np
import tensorflow as tf

from tf_routing.data.batching.batch_plan import BatchPlan
from tf_routing.data.batching.epoch_steps import check_fills_a_batch, steps_per_epoch
from tf_routing.data.batching.file_pipeline import file_evaluation_batches, file_training_batches
from tf_routing.data.batching.memory_pipeline import memory_evaluation_batches, memory_training_batches
from tf_routing.data.images.crops import TEN
from tf_routing.data.images.encoded_images import EncodedImages
from tf_routing.data.images.image_set import ImageSet
from tf_routing.support.validation import one_of, positive_integer

__all__ = ["evaluation_batches", "first_images", "steps_per_epoch", "training_batches"]

_SMALL_BATCH = 32


def training_batches(image_set: ImageSet | EncodedImages, plan: BatchPlan) -> Any:
    """Returns shuffled, augmented batches as a `tf.data.Dataset`; see `batches.training_batches`."""
    check_fills_a_batch(image_set, plan.batch_size, plan.copies)
    if isinstance(image_set, EncodedImages):
        _check_plan_for_files(plan)
        return _disable_autotune(file_training_batches(_check_size(image_set), plan))
    return _disable_autotune(memory_training_batches(image_set, plan))


def _check_plan_for_files(plan: BatchPlan) -> None:
    possible = {"mirror": (True, False), "alternate_mirror": (False,), "fill": ("zero",), "steps_per_epoch": (None,)}
    for name, accepted in possible.items():
        value = getattr(plan, name)
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
        return _disable_autotune(file_evaluation_batches(_check_size(image_set), batch_size, crops))
    return _disable_autotune(memory_evaluation_batches(image_set, batch_size))


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
    return next(_disable_autotune(images).as_numpy_iterator())


def _check_size(stream: EncodedImages) -> EncodedImages:
    # Raises where there is no size.
    return stream.sized(stream.image_size, stream.random_size_crop, stream.resize, stream.crop)


def _disable_autotune(dataset: Any) -> Any:
    # Deleting an iterator that is being tuned stalls for seconds, at every epoch's end.
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
