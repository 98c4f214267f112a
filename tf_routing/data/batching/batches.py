"""Training and evaluation batches for the backend that Keras runs on.

On TensorFlow, and of images in files, they are `tf.data` pipelines; on JAX batches of images in memory are arrays, and
TensorFlow need not be installed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tf_routing.data.batching.batch_plan import BatchPlan
from tf_routing.data.batching.epoch_steps import steps_per_epoch
from tf_routing.data.batching.numpy_batches import EvaluationArrays, ExtraInputArrays, TrainingArrays
from tf_routing.data.images.image_set import ImageSet
from tf_routing.support.validation import positive_integer

__all__ = [
    "BatchPlan",
    "add_constant_inputs",
    "add_drawn_inputs",
    "evaluation_batches",
    "first_images",
    "steps_per_epoch",
    "training_batches",
]


def training_batches(image_set: Any, plan: BatchPlan) -> Any:
    """Returns shuffled, augmented batches of all epochs in a row.

    Args:
        image_set: Images and labels, in memory or in files; the latter with a size, see `EncodedImages.sized`.
        plan: What the batches hold.

    Returns:
        What `fit` takes, with pairs of float images in [0, 1] and class indices: a `tf.data.Dataset`, or a
        `keras.utils.PyDataset`.

    Raises:
        ValueError: If a batch is larger than the set, its images have no size yet, or the plan needs images in memory.
        RuntimeError: If TensorFlow is needed and not installed.

    Example:

    >>> from tf_routing import data
    >>> batches = training_batches(data.load("digits").train, BatchPlan(batch_size=128, seed=0, epochs=2))
    >>> next(iter(batches))[0].shape
    TensorShape([128, 32, 32, 3])
    """
    if _as_arrays(image_set):
        return TrainingArrays(image_set, plan)
    return _pipelines().training_batches(image_set, plan)


def evaluation_batches(image_set: Any, batch_size: int, crops: int = 1) -> Any:
    """Returns all images in order, the last batch possibly smaller; see `pipelines.evaluation_batches`."""
    positive_integer("batch_size", batch_size)
    if _as_arrays(image_set) and crops == 1:
        return EvaluationArrays(image_set, batch_size)
    return _pipelines().evaluation_batches(image_set, batch_size, crops)


def first_images(image_set: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first images, floats in [0, 1], with their class indices: as many, or all where there are fewer."""
    if _as_arrays(image_set):
        return EvaluationArrays(image_set, count)[0]
    return _pipelines().first_images(image_set, count)


def add_drawn_inputs(batches: Any, values: Mapping[str, Sequence[float]], seed: int, first_step: int = 0) -> Any:
    """Adds inputs that are drawn for each sample, evenly from some values; see `extra_inputs.add_drawn_inputs`."""
    if not values:
        return batches
    if isinstance(batches, keras.utils.PyDataset):
        return ExtraInputArrays(batches, values, seed, first_step)
    from tf_routing.data.batching import extra_inputs

    return extra_inputs.add_drawn_inputs(batches, values, seed, first_step)


def add_constant_inputs(batches: Any, values: Mapping[str, float]) -> Any:
    """Adds inputs that are the same for all samples; with none the batches stay as they are."""
    if not values:
        return batches
    if isinstance(batches, keras.utils.PyDataset):
        return ExtraInputArrays(batches, {name: [value] for name, value in values.items()})
    from tf_routing.data.batching import extra_inputs

    return extra_inputs.add_constant_inputs(batches, values)


def _as_arrays(image_set: Any) -> bool:
    return keras.backend.backend() != "tensorflow" and isinstance(image_set, ImageSet)


def _pipelines() -> Any:
    try:
        from tf_routing.data.batching import pipelines
    except ImportError as error:
        raise RuntimeError(
            "Images in files are read by TensorFlow, which is not installed: pip install tensorflow, or load a dataset "
            "that fits in memory."
        ) from error
    return pipelines
