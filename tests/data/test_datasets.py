"""Datasets come whole, as arrays, the same ones every time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import datasets
from sklearn.model_selection import train_test_split

from tests.data.prepared_data import load_or_skip
from tf_routing import data
from tf_routing.data import Dataset, ImageSet


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return data.load("digits")


def as_rows(images: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in images}


def test_digits_have_their_counts_shape_and_type(digits: Dataset) -> None:
    assert digits.train.images.shape == (1347, 32, 32, 3)
    assert digits.test.images.shape == (450, 32, 32, 3)
    assert digits.train.labels.shape == (1347,)
    assert digits.test.labels.shape == (450,)
    assert digits.train.images.dtype == digits.test.images.dtype == np.uint8
    assert digits.image_shape == (32, 32, 3)


def test_digits_use_the_whole_range_of_bytes_and_three_equal_channels(digits: Dataset) -> None:
    images = digits.train.images
    assert (images.min(), images.max()) == (0, 255)
    np.testing.assert_array_equal(images[..., 0], images[..., 1])
    np.testing.assert_array_equal(images[..., 0], images[..., 2])


def test_digits_have_ten_named_classes_and_no_mirrors(digits: Dataset) -> None:
    assert digits.class_names == [str(digit) for digit in range(10)]
    assert digits.classes == 10
    assert not digits.mirrors
    assert set(digits.train.labels) == set(digits.test.labels) == set(range(10))


def test_digits_are_split_alike_in_every_class(digits: Dataset) -> None:
    train, test = np.bincount(digits.train.labels), np.bincount(digits.test.labels)
    np.testing.assert_allclose(test / (train + test), 0.25, atol=0.01)


def test_digits_are_the_same_every_time(digits: Dataset) -> None:
    again = data.load("digits")
    for first, second in zip((*digits.train, *digits.test), (*again.train, *again.test), strict=True):
        np.testing.assert_array_equal(first, second)


def test_digits_are_those_of_scikit_learn_parted_as_it_parts_them(digits: Dataset) -> None:
    bunch = datasets.load_digits()
    train, test = train_test_split(np.arange(1797), test_size=0.25, stratify=bunch.target, random_state=0)
    for part, chosen in ((digits.train, train), (digits.test, test)):
        np.testing.assert_array_equal(part.labels, bunch.target[chosen])
        # Pixels beside the middle of the enlarged image are weighed means of the four in the middle of the small one.
        small = np.round(bunch.images[chosen] * (255 / 16))
        weights = np.array([[0.625, 0.375], [0.375, 0.625]])
        middle = np.einsum("iy,nyx,jx->nij", weights, small[:, 3:5, 3:5], weights)
        np.testing.assert_allclose(part.images[:, 15:17, 15:17, 0], middle, atol=1)


def test_no_test_digit_is_a_training_digit(digits: Dataset) -> None:
    assert not as_rows(digits.train.images) & as_rows(digits.test.images)


def test_channel_statistics_of_digits(digits: Dataset) -> None:
    assert_statistics(digits)


def test_channel_statistics_of_unlike_channels() -> None:
    images = np.random.default_rng(3).integers(0, (60, 120, 256), (50, 7, 5, 3)).astype("uint8")
    images[..., 1] += 100
    image_set = ImageSet(images, np.zeros(50, "int64"))
    assert_statistics(Dataset("noise", image_set, image_set, ["noise"], mirrors=False))


def assert_statistics(dataset: Dataset) -> None:
    scaled = dataset.train.images.astype("float64") / 255
    means, deviations = dataset.channel_statistics()
    np.testing.assert_allclose(means, scaled.mean(axis=(0, 1, 2)), rtol=0, atol=1e-9)
    np.testing.assert_allclose(deviations, scaled.std(axis=(0, 1, 2)), rtol=0, atol=1e-9)


@pytest.mark.parametrize("size", [None, 32])
def test_the_size_in_memory_is_the_images_own(size: int | None, digits: Dataset) -> None:
    assert digits.sized(size).train.images is digits.train.images


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((64,), "`image_size` must be left out, or .* 32 by 32. Received: image_size=64"),
        ((None, True), "`random_size_crop` must be False for a dataset in memory.* Received: random_size_crop=True"),
    ],
)
def test_images_in_memory_stay_as_they_are(arguments: tuple[Any, ...], message: str, digits: Dataset) -> None:
    with pytest.raises(ValueError, match=message):
        digits.sized(*arguments)


def test_an_unknown_name_lists_close_matches() -> None:
    with pytest.raises(ValueError, match=r"Unknown dataset 'cifar11'. Did you mean: .*cifar10"):
        data.load("cifar11")


@pytest.mark.parametrize("name", ["cifar10", "mnist"])
def test_missing_data_says_how_to_get_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        data.load(name, str(tmp_path))
    message = str(caught.value)
    assert str(tmp_path) in message
    assert f"tfds.load('{name}')" in message
    assert "TFDS_DATA_DIR" in message and "--dataset digits" in message


def test_every_listed_dataset_is_named_once() -> None:
    assert data.list_datasets() == [
        *("digits", "cifar10", "cifar100", "mnist", "svhn_cropped"),
        *("hybrid", "cifar2", "cifar5"),
    ]


def test_mnist() -> None:
    mnist = load_or_skip("mnist")
    assert mnist.train.images.shape == (60000, 28, 28, 1)
    assert mnist.test.images.shape == (10000, 28, 28, 1)
    assert mnist.class_names == [str(digit) for digit in range(10)]
    assert not mnist.mirrors


def test_cifar10() -> None:
    cifar = load_or_skip("cifar10")
    assert cifar.train.images.shape == (50000, 32, 32, 3)
    assert cifar.test.images.shape == (10000, 32, 32, 3)
    assert cifar.train.images.dtype == np.uint8
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    assert cifar.class_names == names
    np.testing.assert_array_equal(np.bincount(cifar.train.labels), 5000)
    assert cifar.mirrors
