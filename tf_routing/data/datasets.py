"""Loads image classification sets whole, as arrays."""

from typing import NamedTuple

import numpy as np

from tf_routing.validation import unknown


class ImageSet(NamedTuple):
    """Images `(count, height, width, channels)`, uint8, and their class indices `(count,)`."""

    images: np.ndarray
    labels: np.ndarray


class Dataset(NamedTuple):
    """A training and a test set.

    Args:
        name: Name for `load`.
        train: Images to learn from.
        test: Images to be measured on.
        class_names: Names by class index.
        mirrors: Boolean, whether a mirrored image is still of its class.
    """

    name: str
    train: ImageSet
    test: ImageSet
    class_names: list[str]
    mirrors: bool

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The shape `(height, width, channels)` of an image."""
        return self.train.images.shape[1:]

    def channel_statistics(self) -> tuple[list[float], list[float]]:
        """Returns means and deviations per channel of the training images scaled to [0, 1]."""
        # Sums per pixel value, not float copies of all images: exact, and a fraction of the memory.
        values = np.arange(256) / 255
        counts = [
            np.bincount(self.train.images[..., channel].reshape(-1), minlength=256)
            for channel in range(self.image_shape[2])
        ]
        shares = np.stack(counts) / self.train.images[..., 0].size
        means = shares @ values
        deviations = np.sqrt(shares @ values**2 - means**2)
        return means.tolist(), deviations.tolist()


_FROM_TFDS = {"cifar10": True, "cifar100": True, "mnist": False}


def list_datasets() -> list[str]:
    """Returns the names that `load` takes."""
    return ["digits", *_FROM_TFDS]


def load(name: str, data_dir: str | None = None) -> Dataset:
    """Loads a dataset as arrays.

    Args:
        name: `"digits"` (scikit-learn's handwritten digits, resized to 32x32x3; no download), `"cifar10"`,
            `"cifar100"` (fine labels) or `"mnist"`, the last three prepared by TensorFlow Datasets.
        data_dir: Folder of TensorFlow Datasets; `TFDS_DATA_DIR` or its default folder where not given.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: If the name is not known.
        FileNotFoundError: If the dataset is not prepared in the folder; the message says how to get it.

    Example:

    >>> from tf_routing import data
    >>> data.load("digits").image_shape
    (32, 32, 3)
    """
    if name not in list_datasets():
        raise ValueError(unknown("dataset", name, list_datasets()))
    if name == "digits":
        from tf_routing.data.digits import load_digits

        return load_digits()
    from tf_routing.data.prepared import load_prepared

    return load_prepared(name, data_dir, mirrors=_FROM_TFDS[name])
