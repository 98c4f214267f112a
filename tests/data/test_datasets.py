"""Datasets come whole, as arrays, the same ones every time."""

import os
from pathlib import Path

import numpy as np
import pytest

import tf_routing
from tf_routing import data
from tf_routing.data.datasets import Dataset, ImageSet

_BESIDE_THE_CHECKOUT = Path(tf_routing.__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return data.load("digits")


def prepared(name: str) -> Dataset:
    folder = os.environ.get("TFDS_DATA_DIR", str(_BESIDE_THE_CHECKOUT))
    if not Path(folder, name).is_dir():
        pytest.skip(f"{name} is not prepared: set TFDS_DATA_DIR to a TensorFlow Datasets folder that holds it.")
    return data.load(name, folder)


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
    assert data.list_datasets() == ["digits", "cifar10", "cifar100", "mnist"]


def test_mnist() -> None:
    mnist = prepared("mnist")
    assert mnist.train.images.shape == (60000, 28, 28, 1)
    assert mnist.test.images.shape == (10000, 28, 28, 1)
    assert mnist.class_names == [str(digit) for digit in range(10)]
    assert not mnist.mirrors


def test_cifar10() -> None:
    cifar = prepared("cifar10")
    assert cifar.train.images.shape == (50000, 32, 32, 3)
    assert cifar.test.images.shape == (10000, 32, 32, 3)
    assert cifar.train.images.dtype == np.uint8
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    assert cifar.class_names == names
    np.testing.assert_array_equal(np.bincount(cifar.train.labels), 5000)
    assert cifar.mirrors
