"""The forms in which images and their classes come to a calibration, and what is refused before anything runs."""

from typing import Any

import keras
import numpy as np

from tf_routing.models.inputs.batch_guard import refuse_endless
from tf_routing.models.inputs.batches import count_samples, image_input, read_batches, to_arrays
from tf_routing.models.inputs.image_range import warn_of_far_images
from tf_routing.models.inputs.images import check_images, image_part
from tf_routing.objectives.labels import check_labels


def read_images(model: Any, images: Any, labels: Any) -> tuple[Any, Any]:
    """Returns what can be run through a model many times, and the class index of each image.

    Args:
        model: A `RoutedModel`.
        images: Images, a dict with more, or batches of either; a dataset stays one.
        labels: Class indices, or distributions over classes, or `None`: those of a dataset of pairs count then.

    Returns:
        Pair of inputs and an array of labels, `None` where nobody knows the classes.

    Raises:
        ValueError: If these are no images of the model, there are none, not as many labels, or labels of no class.
    """
    if hasattr(images, "element_spec") or isinstance(images, keras.utils.PyDataset):
        refuse_endless(images)
        count, found = _read_labels(images)
        labels = found if labels is None else labels
    else:
        images = to_arrays(images, rank=len(image_input(model).shape))
        check_images(model, images, "images")
        warn_of_far_images(model, images, "images")
        count = len(image_part(images))
    if not count:
        raise ValueError("`images` must hold at least one image. Received: none")
    if labels is None:
        return images, None
    labels = np.asarray(labels)
    check_labels(labels, model.output_shape[-1], "labels")
    if len(labels) != count:
        raise ValueError(f"`labels` must hold one label for each of {count} images. Received: {len(labels)}")
    return images, labels


def _read_labels(batches: Any) -> tuple[int, Any]:
    """Returns the number of images of a dataset, and their labels, `None` where it has none."""
    count, labels = 0, []
    for batch in read_batches(batches):
        inputs, own, _ = keras.utils.unpack_x_y_sample_weight(batch)
        count += count_samples(inputs)
        if own is not None:
            labels.append(np.asarray(own))
    return count, np.concatenate(labels) if labels else None
