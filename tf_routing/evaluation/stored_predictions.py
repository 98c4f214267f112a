"""Stores what a network predicts for a few test images, to see later and elsewhere that it predicts the same.

The images themselves are not stored: they are found again by the SHA-256 of their pixels.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tf_routing.data import Dataset
from tf_routing.data.batching.batches import evaluation_batches
from tf_routing.data.images.image_set import ImageSet
from tf_routing.evaluation.model_batches import model_batches
from tf_routing.models import RoutedModel
from tf_routing.support.files import whole_file

COUNT = 64
_BATCH = 256


class StoredPredictions(NamedTuple):
    """What a network predicted.

    Args:
        indices: Where the images were in the test set, `(images,)`; another copy of it may have another order.
        hashes: SHA-256 of each image's pixels as bytes, in hexadecimal, `(images,)`.
        probabilities: Float32, `(images, classes)`.
    """

    indices: np.ndarray
    hashes: np.ndarray
    probabilities: np.ndarray


def draw_predictions(model: RoutedModel, dataset: Dataset, count: int = COUNT, seed: int = 0) -> StoredPredictions:
    """Returns what a network predicts for test images that are drawn.

    Args:
        model: A trained network.
        dataset: Its dataset, as it sees it.
        count: Integer, how many images; all of a smaller test set.
        seed: Integer, seeds the draw.
    """
    total = dataset.test.image_count
    indices = np.sort(np.random.default_rng(seed).choice(total, min(count, total), replace=False))
    images = _pick(_pixels(dataset), set(indices.tolist()))
    hashes = np.array([hash_pixels(image) for image in images])
    return StoredPredictions(indices, hashes, predict(model, images))


def predict(model: RoutedModel, images: np.ndarray) -> np.ndarray:
    """Returns the class probabilities of images `(images, height, width, channels)`, uint8, as evaluation has them."""
    image_set = ImageSet(images, np.zeros(len(images), "int64"))
    return model.predict(model_batches(model, image_set, len(images)), verbose=0)


def find_images(dataset: Dataset, hashes: np.ndarray) -> np.ndarray:
    """Returns the test images of these hashes, uint8.

    Args:
        dataset: A dataset, as the network sees it.
        hashes: See `StoredPredictions`.

    Raises:
        ValueError: If the test set holds not all of them.
    """
    wanted = set(hashes.tolist())
    found: dict[str, np.ndarray] = {}
    for image in _pixels(dataset):
        name = hash_pixels(image)
        if name in wanted:
            found[name] = image
    if len(found) < len(wanted):
        raise ValueError(
            f"`dataset` must hold the images whose predictions are stored: {len(wanted) - len(found)} of "
            f"{len(wanted)} are not in the test set of {dataset.name!r}."
        )
    return np.stack([found[name] for name in hashes.tolist()])


def hash_pixels(image: np.ndarray) -> str:
    """Returns the SHA-256 of an image's pixels, uint8, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()


def write_predictions(path: Path, stored: StoredPredictions) -> None:
    """Writes predictions whole, to an `.npz` file."""
    with whole_file(path) as temporary:
        np.savez_compressed(temporary, **stored._asdict())


def read_predictions(path: Path) -> StoredPredictions:
    """Reads what `write_predictions` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return StoredPredictions(**{name: arrays[name] for name in StoredPredictions._fields})


def _pixels(dataset: Dataset) -> Iterable[np.ndarray]:
    """Yields the test images in order, as bytes; a picture that was resized is rounded to them."""
    for images, _ in evaluation_batches(dataset.test, _BATCH):
        yield from np.rint(255 * np.asarray(images)).astype("uint8")


def _pick(images: Iterable[np.ndarray], indices: set[int]) -> np.ndarray:
    return np.stack([image for index, image in enumerate(images) if index in indices])
