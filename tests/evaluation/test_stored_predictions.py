"""Predictions that are stored: which images they are of, and that these are found in another order."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from tf_routing import data, zoo
from tf_routing.data import Dataset, ImageSet
from tf_routing.evaluation.stored_predictions import (
    draw_predictions,
    find_images,
    predict,
    read_predictions,
    write_predictions,
)
from tf_routing.models import RoutedModel


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return data.load("digits")


@pytest.fixture(scope="module")
def model() -> RoutedModel:
    return zoo.get("basecnn", classes=10, width_multiplier=0.125)


def test_what_is_written_comes_back_and_is_of_the_images_it_names(
    model: RoutedModel, digits: Dataset, tmp_path: Path
) -> None:
    drawn = draw_predictions(model, digits, count=5)
    write_predictions(tmp_path / "digits.npz", drawn)
    stored = read_predictions(tmp_path / "digits.npz")
    assert all(np.array_equal(one, other) for one, other in zip(stored, drawn, strict=True))
    images = digits.test.images[stored.indices]
    assert stored.hashes.tolist() == [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
    np.testing.assert_allclose(stored.probabilities, model(images / np.float32(255)), atol=1e-6)


def test_images_are_found_in_another_order(model: RoutedModel, digits: Dataset) -> None:
    stored = draw_predictions(model, digits, count=5)
    backwards = digits._replace(test=ImageSet(digits.test.images[::-1], digits.test.labels[::-1]))
    images = find_images(backwards, stored.hashes)
    np.testing.assert_array_equal(images, digits.test.images[stored.indices])
    np.testing.assert_allclose(predict(model, images), stored.probabilities, atol=1e-6)


def test_images_that_are_not_there_are_counted(model: RoutedModel, digits: Dataset) -> None:
    stored = draw_predictions(model, digits, count=5)
    kept = np.delete(np.arange(digits.test.image_count), stored.indices[:2])
    without = digits._replace(test=ImageSet(digits.test.images[kept], digits.test.labels[kept]))
    with pytest.raises(ValueError, match="2 of 5 are not in the test set of 'digits'"):
        find_images(without, stored.hashes)


def test_the_draw_depends_on_the_seed_alone_and_takes_all_of_a_small_set(model: RoutedModel, digits: Dataset) -> None:
    first, second, third = (draw_predictions(model, digits, 5, seed).indices.tolist() for seed in (0, 0, 1))
    assert first == second != third and first == sorted(set(first))
    small = digits._replace(test=ImageSet(digits.test.images[:3], digits.test.labels[:3]))
    assert draw_predictions(model, small).indices.tolist() == [0, 1, 2]
