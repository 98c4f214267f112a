"""Datasets of a few pictures under the names of those that the papers train on, with all of their classes."""

from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from tests.data.written_folder import IMAGE, LABEL, Examples, png, write_folder
from tf_routing import data

# Of each, the version that TensorFlow Datasets has, the number of classes, and the sides of its pictures.
_SMALL = {
    "cifar10/3.0.2": (10, (32, 32, 3)),
    "cifar100/3.0.2": (100, (32, 32, 3)),
    "mnist/3.0.1": (10, (28, 28, 1)),
    "svhn_cropped/3.1.0": (10, (32, 32, 3)),
    "tiny_imagenet/1.0.0": (200, (64, 64, 3)),
}
_CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
_TRAIN, _TEST = 20, 40


def write_datasets(folder: Path, synsets: Iterable[str]) -> None:
    """Writes them all: handwritten digits with labels that have nothing to do with them.

    Args:
        folder: The folder of datasets.
        synsets: The classes of ImageNet that have pictures, one for training and two for tests.
    """
    for name, (classes, shape) in _SMALL.items():
        parts = {
            part: _pictures([label * classes // count for label in range(count)], shape, first)
            for part, count, first in (("train", _TRAIN, 0), ("test", _TEST, _TRAIN))
        }
        names = _CIFAR10 if name.startswith("cifar10/") else [f"class_{number}" for number in range(classes)]
        _write(folder, name, parts, names)
    known = read_synsets()
    labels = sorted(known.index(synset) for synset in set(synsets))
    parts = {"train": _pictures(labels, (70, 80, 3), 0), "validation": _pictures(2 * labels, (70, 80, 3), len(labels))}
    _write(folder, "imagenet2012/5.1.0", parts, known)


def read_synsets() -> list[str]:
    """The 1,000 classes of ImageNet in the order of their indices."""
    text = resources.files("tensorflow_datasets").joinpath("datasets", "imagenet2012", "labels.txt").read_text("utf-8")
    return text.split()


def _pictures(labels: Sequence[int], shape: tuple[int, int, int], first: int) -> Examples:
    images = data.load("digits").train.images
    across, down = (np.arange(side) * 32 // side for side in shape[:2])
    return [(png(images[first + number][across][:, down, : shape[2]]), label) for number, label in enumerate(labels)]


def _write(folder: Path, name: str, parts: dict[str, Examples], names: Sequence[str]) -> None:
    features = {"image": IMAGE, "label": {**LABEL, "classLabel": {"numClasses": str(len(names))}}}
    written = write_folder(folder, name, {part: [examples] for part, examples in parts.items()}, features)
    (written / "label.labels.txt").write_text("\n".join(names), "utf-8")
