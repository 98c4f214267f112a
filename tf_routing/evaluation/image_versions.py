"""Versions of test images (cropped, flipped, rotated), the same for the same seed: routes should not depend on them."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from tf_routing.data import Dataset
from tf_routing.data.augmentation.tensor_augmentation import shift_and_mirror
from tf_routing.data.batching.pipelines import evaluation_batches
from tf_routing.support.validation import one_of

VERSIONS = ("crop", "horizontal_flip", "vertical_flip", "rotation")
_FLIPS = ("horizontal_flip", "vertical_flip")
_BATCH = 256
# The paper names the changes and no sizes: shifts are those of training, angles small enough to keep the object whole.
_SHIFT = 4
_ANGLE = 15.0


def versions_of(dataset: Dataset) -> tuple[str, ...]:
    """Returns the versions in which a dataset's images keep their classes: no flips where it does not mirror."""
    return tuple(name for name in VERSIONS if dataset.mirrors or name not in _FLIPS)


def version_batches(dataset: Dataset, version: str | None, seed: int) -> Any:
    """Returns all test images in order, changed in one way.

    Args:
        dataset: Dataset whose images have one size.
        version: One of `VERSIONS`: `"crop"` moves images by up to 4 pixels each way, zeros moving in; `"rotation"`
            turns them by up to 15 degrees either way. `None` leaves them as they are.
        seed: Integer: the same seed gives the same images.

    Returns:
        A `tf.data.Dataset` of pairs: float images in [0, 1] and class indices.
    """
    batches = evaluation_batches(dataset.test, _BATCH)
    if version is None:
        return batches
    one_of("version", version, VERSIONS)
    shape = batches.element_spec[0].shape

    def change(step: Any, batch: Any) -> tuple[Any, Any]:
        """Changes the images of a batch, whose number is a part of the seed."""
        images, labels = batch
        # The static shape, which the rotation loses.
        return tf.ensure_shape(_change(images, version, tf.stack([seed, step])), shape), labels

    return batches.enumerate().map(change)


def images_at(batches: Any, indices: Iterable[int]) -> np.ndarray:
    """Returns the images of these indices, in their order, out of batches of images and labels."""
    wanted = set(indices)
    found: dict[int, np.ndarray] = {}
    start = 0
    for images, _ in batches.as_numpy_iterator():
        found |= {i: images[i - start] for i in wanted if start <= i < start + len(images)}
        start += len(images)
        if len(found) == len(wanted):
            break
    return np.stack([found[i] for i in indices])


def _change(images: Any, version: str, seed: Any) -> Any:
    if version == "crop":
        return shift_and_mirror(images, _SHIFT, False, seed)
    if version == "rotation":
        most = math.radians(_ANGLE)
        return rotate(images, tf.random.stateless_uniform(tf.shape(images)[:1], seed, -most, most))
    return images[:, :, ::-1] if version == "horizontal_flip" else images[:, ::-1]


def rotate(images: Any, angles: Any) -> Any:
    """Turns each image about its centre, zeros moving in, values between pixels interpolated.

    Args:
        images: Tensor `(batch, height, width, channels)`.
        angles: Tensor `(batch,)`, radians; positive ones turn counter-clockwise.

    Returns:
        Tensor of the input's shape.
    """
    sides = tf.shape(images)[1:3]
    y, x = tf.unstack((tf.cast(sides, tf.float32) - 1) / 2)
    cosines, sines = tf.cos(angles), tf.sin(angles)
    # Where in the input each pixel of the output comes from.
    across = [cosines, -sines, x - cosines * x + sines * y]
    down = [sines, cosines, y - sines * x - cosines * y]
    transforms = tf.stack([*across, *down, tf.zeros_like(angles), tf.zeros_like(angles)], axis=1)
    # Not `keras.ops.image.affine_transform`: in a tf.data pipeline TensorFlow runs, whatever the backend of Keras is.
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images, transforms=transforms, output_shape=sides, fill_value=0.0, interpolation="BILINEAR"
    )
