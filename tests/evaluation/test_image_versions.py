"""Versions of test images, against plain NumPy ones."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tf_routing.data import Dataset, ImageSet
from tf_routing.evaluation.image_versions import VERSIONS, images_at, rotate, version_batches, versions_of

_COUNT = 300


def noise(mirrors: bool = True) -> Dataset:
    rng = np.random.default_rng(0)
    images = rng.integers(1, 256, (_COUNT, 9, 9, 3)).astype("uint8")
    part = ImageSet(images, rng.integers(0, 3, _COUNT))
    return Dataset("noise", part, part, ["a", "b", "c"], mirrors)


def version(name: str | None, seed: int = 0) -> np.ndarray:
    return np.concatenate([images for images, _ in version_batches(noise(), name, seed).as_numpy_iterator()])


def moved(image: np.ndarray, down: int, right: int) -> np.ndarray:
    padded = np.pad(image, ((4, 4), (4, 4), (0, 0)))
    return padded[4 - down : 13 - down, 4 - right : 13 - right]


def test_originals_stay_as_they_are() -> None:
    np.testing.assert_allclose(version(None), noise().test.images / 255, rtol=1e-6)


def test_flips_turn_rows_or_columns_round() -> None:
    originals = version(None)
    np.testing.assert_array_equal(version("horizontal_flip"), originals[:, :, ::-1])
    np.testing.assert_array_equal(version("vertical_flip"), originals[:, ::-1])


def test_crops_are_shifts_by_up_to_four_pixels() -> None:
    shifts = list(itertools.product(range(-4, 5), repeat=2))
    found = set()
    for original, crop in zip(version(None), version("crop"), strict=True):
        (shift,) = [each for each in shifts if np.array_equal(moved(original, *each), crop)]
        found.add(shift)
    assert len(found) > 60


def test_the_seed_decides() -> None:
    for name in ("crop", "rotation"):
        np.testing.assert_array_equal(version(name, seed=1), version(name, seed=1))
        assert not np.array_equal(version(name, seed=1), version(name, seed=2))


def test_images_of_one_batch_and_of_two_differ_in_their_changes() -> None:
    images = np.full((600, 9, 9, 3), 255, "uint8")
    dataset = noise()._replace(test=ImageSet(images, np.zeros(600, "int64")))
    batches = [each for each, _ in version_batches(dataset, "rotation", 0).as_numpy_iterator()]
    # Of white images, each angle leaves its own corners.
    assert len(np.unique(np.concatenate(batches).reshape(600, -1), axis=0)) > 590


def test_labels_stay_with_their_images() -> None:
    for name in (None, *VERSIONS):
        labels = np.concatenate([labels for _, labels in version_batches(noise(), name, 0).as_numpy_iterator()])
        np.testing.assert_array_equal(labels, noise().test.labels)


@pytest.mark.parametrize("size", [8, 9])
def test_a_quarter_turn_is_that_of_numpy(size: int) -> None:
    images = np.random.default_rng(1).random((4, size, size, 2)).astype("float32")
    turned = rotate(tf.constant(images), tf.constant([0.0, 0.5, 1.0, -0.5]) * np.pi).numpy()
    for quarter, (image, result) in zip((0, 1, 2, 3), zip(images, turned, strict=True), strict=True):
        # Rounding puts the outermost pixels of a turned image partly outside.
        np.testing.assert_allclose(result[1:-1, 1:-1], np.rot90(image, quarter)[1:-1, 1:-1], atol=1e-4)


def test_rotations_are_small() -> None:
    # A dot right of the centre of a large image: where it goes tells the angle.
    images = np.zeros((200, 101, 101, 1), "uint8")
    images[:, 49:52, 89:92] = 255
    dataset = noise()._replace(test=ImageSet(images, np.zeros(200, "int64")))
    turned = np.concatenate([each for each, _ in version_batches(dataset, "rotation", 3).as_numpy_iterator()])[..., 0]
    rows, columns = np.mgrid[:101, :101] - 50
    angles = [np.degrees(np.arctan2(-(each * rows).sum(), (each * columns).sum())) for each in turned]
    assert -15.2 < min(angles) < -13 and 13 < max(angles) < 15.2
    assert abs(np.mean(angles)) < 2


def test_a_dataset_that_does_not_mirror_is_not_flipped() -> None:
    assert versions_of(noise()) == VERSIONS
    assert versions_of(noise(mirrors=False)) == ("crop", "rotation")


def test_an_unknown_version_is_named() -> None:
    with pytest.raises(ValueError, match="`version` must be one of 'crop', .* Received: version='zoom'"):
        version_batches(noise(), "zoom", 0)


def test_images_are_found_by_index_whatever_their_order() -> None:
    indices = [299, 0, 256, 255]
    np.testing.assert_array_equal(images_at(version_batches(noise(), None, 0), indices), version(None)[indices])
