"""Crops of pictures that were brought to a size, against slices of pictures whose pixels say where they are."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.data.prepared_data import load_or_skip
from tests.data.test_random_resized_crop import resized
from tests.data.written_folder import central_view, noise, png, write_records
from tf_routing.data import ImageSet, ImageStream
from tf_routing.data.batching.batch_plan import BatchPlan
from tf_routing.data.batching.pipelines import evaluation_batches, training_batches
from tf_routing.data.images.crops import random_crop, ten_crops
from tf_routing.data.images.decoding.center_crop import resize_for_crops
from tf_routing.data.images.decoding.framing import PHOTOGRAPH_CROP, Framing
from tf_routing.data.images.decoding.resampling import Resampled

_SIDE, _SIZE = 16, 12


def places(height: int, width: int) -> np.ndarray:
    """A picture whose channels are a pixel's row, its column and their sum."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, rows + columns], axis=-1).astype("uint8")


def unscaled(picture: np.ndarray) -> Resampled:
    return Resampled(tf.constant(picture), tf.constant(picture.shape[:2]))


def stream(folder: Path, images: list[np.ndarray], **changes: Any) -> ImageStream:
    file = write_records(folder / "records", [(png(image), i) for i, image in enumerate(images)])
    return dataclasses.replace(ImageStream((file,), len(images)).sized(_SIZE, resize=_SIDE), **changes)


def seen(batches: Any) -> tuple[np.ndarray, np.ndarray]:
    images, labels = zip(*batches.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (20, 31), (7, 40), (90, 24)])
def test_both_sides_are_resized_whatever_the_ratio(height: int, width: int) -> None:
    image = noise(height, width)
    brought = resize_for_crops(png(image), Framing(_SIZE, _SIZE, resize=_SIDE))
    np.testing.assert_array_equal(brought.sides, [_SIDE, _SIDE])
    np.testing.assert_allclose(brought.part((0, 0), (_SIDE, _SIDE)), resized(image, _SIDE, _SIDE), atol=1e-5)


def test_without_a_size_of_its_own_the_shorter_side_gets_a_margin() -> None:
    # 35 * 256 / 224 = 40.
    brought = resize_for_crops(png(noise(50, 100)), Framing(35, 35, PHOTOGRAPH_CROP))
    np.testing.assert_array_equal(brought.sides, [40, 80])


def test_the_centre_of_256_leaves_16_pixels_on_each_side() -> None:
    picture = places(256, 256) / 255
    np.testing.assert_allclose(central_view(png(places(256, 256)), 224, 256), picture[16:240, 16:240], atol=1e-6)


def test_random_crops_are_slices_and_reach_every_place() -> None:
    picture = places(6, 8)
    corners = [np.rint(255 * random_crop(unscaled(picture), 4, (seed, 1))) for seed in range(400)]
    for crop in corners:
        top, left = crop[0, 0, :2].astype(int)
        np.testing.assert_array_equal(crop, picture[top : top + 4, left : left + 4])
    counts = np.zeros((3, 5), int)
    for crop in corners:
        counts[tuple(crop[0, 0, :2].astype(int))] += 1
    # 400 crops over 15 places: 27 each.
    assert counts.min() > 8 and counts.max() < 55


def test_a_crop_of_the_whole_picture_is_the_picture() -> None:
    picture = places(6, 6)
    np.testing.assert_array_equal(random_crop(unscaled(picture), 6, (0, 1)), picture / np.float32(255))


def test_ten_crops_are_ten_slices() -> None:
    picture = places(7, 9) / np.float32(255)
    five = [picture[:4, :4], picture[:4, 5:], picture[3:, :4], picture[3:, 5:], picture[1:5, 2:6]]
    expected = [*five, *(crop[:, ::-1] for crop in five)]
    np.testing.assert_array_equal(ten_crops(unscaled(places(7, 9)), 4), expected)


def test_evaluation_shows_the_centre(tmp_path: Path) -> None:
    images = [noise(20 + i, 30 - i, seed=i) for i in range(5)]
    views, labels = seen(evaluation_batches(stream(tmp_path, images), 3))
    expected = [resized(image, _SIDE, _SIDE)[2:14, 2:14] for image in images]
    np.testing.assert_allclose(views, expected, atol=1e-5)
    np.testing.assert_array_equal(labels, range(5))


@pytest.mark.parametrize(("batch_size", "rows"), [(10, [10] * 5), (25, [20, 20, 10]), (100, [50])])
def test_ten_crops_of_an_image_are_neighbours(batch_size: int, rows: list[int], tmp_path: Path) -> None:
    images = [noise(20 + i, 30 - i, seed=i) for i in range(5)]
    batches = evaluation_batches(stream(tmp_path, images), batch_size, crops=10)
    assert [len(labels) for _, labels in batches] == rows
    views, labels = seen(batches)
    np.testing.assert_array_equal(labels, np.repeat(np.arange(5), 10))
    for image, crops in zip(images, views.reshape(5, 10, _SIZE, _SIZE, 3), strict=True):
        whole = resized(image, _SIDE, _SIDE)
        np.testing.assert_allclose(crops[3], whole[4:, 4:], atol=1e-5)
        np.testing.assert_allclose(crops[9], whole[2:14, 2:14][:, ::-1], atol=1e-5)


def test_training_shows_slices_that_the_seed_decides(tmp_path: Path) -> None:
    training = stream(tmp_path, [places(_SIDE, _SIDE)] * 6)

    def corners(seed: int) -> list[list[int]]:
        views, _ = seen(training_batches(training, BatchPlan(3, seed, epochs=20)))
        found = np.rint(views * 255).astype(int)
        np.testing.assert_array_equal(found[:, 1:, :, 0] - found[:, :-1, :, 0], 1)
        return found[:, 0, 0, :2].tolist()

    first = corners(0)
    assert first == corners(0) and first != corners(1)
    # 120 crops over 25 places.
    assert len({tuple(corner) for corner in first}) > 20
    assert np.max(first) == _SIDE - _SIZE


def test_a_run_that_continues_sees_the_same_crops(tmp_path: Path) -> None:
    training = stream(tmp_path, [noise(20, 20, seed=i) for i in range(6)])
    whole, _ = seen(training_batches(training, BatchPlan(3, seed=0, epochs=3, mirror=True)))
    rest, _ = seen(training_batches(training, BatchPlan(3, seed=0, epochs=3, first_epoch=1, mirror=True)))
    np.testing.assert_array_equal(whole[6:], rest)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((64, False, 63), "`resize` must be at least what is cut out, image_size=64. Received: resize=63"),
        ((64, False, 64.0), "`resize` must be a positive integer. Received: resize=64.0"),
        ((64, True, 72), "`resize` must be left out where random_size_crop=True .* Received: resize=72"),
    ],
)
def test_a_wrong_size_is_named(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageStream(("none.tfrecord",), 1).sized(*arguments)


def test_crops_that_cannot_be_are_named() -> None:
    images = ImageSet(np.zeros((3, 8, 8, 3), "uint8"), np.zeros(3, int))
    whole = ImageStream(("none.tfrecord",), 1).sized(8, resize=8)
    wrong: list[tuple[Any, int, int, str]] = [
        (images, 10, 10, "`crops` must be 1 for a dataset in memory. Received: crops=10"),
        (whole, 10, 10, "`crops` must be 1 where .* resize=8 is the size of a crop. Received: crops=10"),
        (whole, 10, 5, "`crops` must be one of 1, 10. Received: crops=5"),
        (whole.sized(6), 9, 10, "`batch_size` must be at least 10, the crops of an image. Received: 9"),
    ]
    for image_set, batch_size, crops, message in wrong:
        with pytest.raises(ValueError, match=message):
            evaluation_batches(image_set, batch_size, crops)


def test_images_in_memory_are_not_resized() -> None:
    images = ImageSet(np.zeros((3, 8, 8, 3), "uint8"), np.zeros(3, int))
    assert images.sized(8, resize=8) is images
    with pytest.raises(ValueError, match="`resize` must be left out, or .* 8 by 8. Received: resize=9"):
        images.sized(8, resize=9)


@pytest.mark.parametrize(("name", "size", "resize"), [("imagenette224", 224, 256), ("tiny_imagenet", 64, 64)])
def test_photographs(name: str, size: int, resize: int) -> None:
    photographs = load_or_skip(name).sized(size, resize=resize)
    images, labels = next(
        training_batches(photographs.train, BatchPlan(16, 0, 1, shift=4, mirror=True)).as_numpy_iterator()
    )
    assert images.shape == (16, size, size, 3) and labels.shape == (16,)
    assert (images.min(), images.max()) == pytest.approx((0, 1), abs=0.05)
    images, _ = next(evaluation_batches(photographs.test, 16).as_numpy_iterator())
    assert images.shape == (16, size, size, 3) and images.std() > 0.1
