"""Datasets made of MNIST and CIFAR-10: digits among photographs, and CIFAR-10 with fewer classes."""

from collections.abc import Sequence

import numpy as np

from tf_routing.data.dataset import Dataset
from tf_routing.data.images.image_set import ImageSet
from tf_routing.data.sources.tfds_arrays import load_arrays

_DIGITS = range(5)
_PHOTOGRAPHS = ("airplane", "automobile", "deer", "frog", "horse")
_GROUPS = {"cifar2": ("horse",), "cifar5": ("cat", "deer", "dog", "horse")}
_SIZE, _LEAST_CONTRAST, _GAMMA = 32, 0.3, 2.2
# Which colours digits have is part of the set, not of a run.
_TRAIN_COLOURS, _TEST_COLOURS = 0, 1


def load_hybrid(data_dir: str | None) -> Dataset:
    """Returns the digits 0 to 4 in two colours each, and five classes of CIFAR-10."""
    mnist = load_arrays("mnist", data_dir, mirrors=False)
    cifar = load_arrays("cifar10", data_dir, mirrors=True)
    chosen = [cifar.class_names.index(name) for name in _PHOTOGRAPHS]

    def _join(digits: ImageSet, photographs: ImageSet, seed: int) -> ImageSet:
        low, high = _with_labels(digits, _DIGITS), _with_labels(photographs, chosen)
        images = np.concatenate([recolour(low.images, seed), high.images])
        return ImageSet(images, np.concatenate([low.labels, high.labels + len(_DIGITS)]))

    train, test = _join(mnist.train, cifar.train, _TRAIN_COLOURS), _join(mnist.test, cifar.test, _TEST_COLOURS)
    names = [*(str(digit) for digit in _DIGITS), *_PHOTOGRAPHS]
    mirrors = tuple(name in _PHOTOGRAPHS for name in names)
    return Dataset("hybrid", train, test, names, mirrors)


def load_grouped(name: str, data_dir: str | None) -> Dataset:
    """Returns all of CIFAR-10 with the classes that a name stands for, and the others as one."""
    cifar = load_arrays("cifar10", data_dir, mirrors=True)
    kept = _GROUPS[name]
    groups = np.array([kept.index(each) if each in kept else len(kept) for each in cifar.class_names])
    train, test = (each._replace(labels=groups[each.labels]) for each in (cifar.train, cifar.test))
    return Dataset(name, train, test, [*kept, "other"], mirrors=True)


def _with_labels(images: ImageSet, labels: Sequence[int]) -> ImageSet:
    """Returns the images of some classes, numbered anew in the order of these."""
    number = np.full(int(images.labels.max()) + 1, -1)
    number[list(labels)] = range(len(labels))
    kept = number[images.labels] >= 0
    return ImageSet(images.images[kept], number[images.labels[kept]])


def recolour(digits: np.ndarray, seed: int) -> np.ndarray:
    """Enlarges grey digits and gives each a colour and a background.

    Args:
        digits: Bytes `(count, height, width, 1)`.
        seed: Integer, draws the colours: evenly, at least 0.3 apart.

    Returns:
        Bytes `(count, 32, 32, 3)`, encoded as photographs are: their power of 2.2 is the light drawn.

    Example:

    >>> recolour(np.zeros((3, 28, 28, 1), "uint8"), seed=0).shape
    (3, 32, 32, 3)

    Reference:
        McGill and Perona (2017), *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*,
        arXiv:1703.06217, section 5.1, Fig. 4.
    """
    import tensorflow as tf

    background, ink = _draw_colours(len(digits), np.random.default_rng(seed))
    shares = np.asarray(tf.image.resize(digits.astype("float32") / 255, (_SIZE, _SIZE)))
    light = background[:, None, None] + (ink - background)[:, None, None] * shares
    return np.round(255 * np.clip(light, 0, 1) ** (1 / _GAMMA)).astype("uint8")


def _draw_colours(count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    background, ink = random.uniform(size=(2, count, 3)).astype("float32")
    while (near := np.linalg.norm(ink - background, axis=1) < _LEAST_CONTRAST).any():
        ink[near] = random.uniform(size=(int(near.sum()), 3))
    return background, ink
