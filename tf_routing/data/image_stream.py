"""Images that are read from files as they are needed."""

import dataclasses
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from tf_routing.validation import positive_integer

# Of the 1.28 million training images of ImageNet, as everyone uses them for photographs.
_IMAGENET_MEANS = [0.485, 0.456, 0.406]
_IMAGENET_DEVIATIONS = [0.229, 0.224, 0.225]


@dataclasses.dataclass(frozen=True)
class ImageStream:
    """Encoded images of any sizes with their class indices, in TFRecord files.

    Args:
        files: Paths of the files; each record is a `tf.train.Example` with `image`, an encoded picture, and `label`.
        image_count: Integer, records in all files.
        image_size: Integer, height and width that images are brought to, or `None` where that is still open.
        random_size_crop: Boolean, whether training sees parts of random place, size and ratio instead of the centre.
    """

    files: tuple[str, ...]
    image_count: int
    image_size: int | None = None
    random_size_crop: bool = False

    @property
    def image_shape(self) -> tuple[Any, Any, int]:
        """The shape `(height, width, channels)` of an image in a batch, `None` twice where the size is open.

        Grey images get three channels too.
        """
        return self.image_size, self.image_size, 3

    @cached_property
    def labels(self) -> np.ndarray:
        """All class indices in the order of the files. Reads the files from end to end, once."""
        return np.concatenate(list(self._label_batches(256)))

    @property
    def first_label(self) -> int:
        """The class index of the first image, negative where TensorFlow Datasets has no labels."""
        return int(next(self._label_batches(1))[0])

    def _label_batches(self, batch_size: int) -> Iterator[np.ndarray]:
        import tensorflow as tf

        feature = {"label": tf.io.FixedLenFeature((), tf.int64)}
        batches = tf.data.TFRecordDataset(list(self.files)).batch(batch_size)
        return batches.map(lambda records: tf.io.parse_example(records, feature)["label"]).as_numpy_iterator()

    def sized(self, image_size: int | None, random_size_crop: bool = False) -> "ImageStream":
        """Returns the stream with its images brought to one size.

        Args:
            image_size: Integer, height and width.
            random_size_crop: Boolean; see `ImageStream`.

        Returns:
            An `ImageStream`.

        Raises:
            ValueError: If there is no size.
        """
        if image_size is None:
            raise ValueError(
                "`image_size` must be set in the recipe for a dataset whose images are read from files, for example "
                "`image_size = 224`: they may be of any size. Received: image_size=None"
            )
        positive_integer("image_size", image_size)
        return dataclasses.replace(self, image_size=image_size, random_size_crop=random_size_crop)

    def channel_statistics(self) -> tuple[list[float], list[float]]:
        """Returns means and deviations per channel of ImageNet's images scaled to [0, 1], whatever the dataset."""
        return list(_IMAGENET_MEANS), list(_IMAGENET_DEVIATIONS)
