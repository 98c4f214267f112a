"""Sets images apart, of each class alike, to calibrate thresholds with: neither training nor tests use them."""

import os
from typing import Any

import numpy as np

from tf_routing.data.dataset import Dataset
from tf_routing.data.images.image_set import ImageSet
from tf_routing.data.images.picture_files import PictureFiles
from tf_routing.data.sources.held_out import draw_share, hold_out
from tf_routing.support.validation import part_of_one


def calibration_split(dataset: Dataset, share: float) -> tuple[Dataset, Any]:
    """Returns a dataset without a part of its training images, and that part, to calibrate thresholds with.

    Args:
        dataset: A `Dataset` as it was loaded.
        share: Float between 0 and 1, the part of each class; see `set_apart`.

    Raises:
        ValueError: If the training images are in TFRecord files, or `share` is not possible.

    Example:

    >>> from tf_routing import data
    >>> digits, calibration = data.calibration_split(data.load("digits"), 0.1)
    >>> digits.train.image_count, digits.test.image_count, calibration.image_count
    (1211, 450, 136)
    """
    kept, apart = set_apart(dataset.train, share)
    return dataset._replace(train=kept, calibration_share=float(share)), apart


def set_apart(images: Any, share: float) -> tuple[Any, Any]:
    """Divides images into those that are kept and those that are set apart.

    Which these are is drawn from the place of an image in its set, or the path of a picture: always the same.

    Args:
        images: An `ImageSet` or `PictureFiles`.
        share: Float between 0 and 1, the part of each class that is set apart; at least one image.

    Returns:
        Pair of sets of the same kind, both in the order that they had.

    Raises:
        ValueError: If the images are in TFRecord files, `share` is not possible, or a class has a single image.

    Example:

    >>> from tf_routing import data
    >>> [each.image_count for each in set_apart(data.load("digits").train, 0.1)]
    [1211, 136]
    """
    part_of_one("share", share)
    if isinstance(images, PictureFiles):
        return hold_out(images, os.path.commonpath(images.files), share)
    if not isinstance(images, ImageSet):
        raise ValueError(
            "A part can be set apart of images in memory, and of folders of pictures. Received: "
            f"{type(images).__name__}, images in TFRecord files"
        )
    apart = np.zeros(images.image_count, bool)
    for label in images.distinct_labels():
        members = np.flatnonzero(images.labels == label).tolist()
        if len(members) < 2:
            raise ValueError(f"A class must have two images where one is set apart. Received: one of class {label}")
        apart[draw_share(members, share, str)] = True
    kept, part = (ImageSet(images.images[chosen], images.labels[chosen]) for chosen in (~apart, apart))
    return kept, part
