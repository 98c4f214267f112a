"""Augmentation of the early-exit paper: mean light moves in, some classes are mirrored, images drawn again."""

import numpy as np
import pytest
import tensorflow as tf

from tf_routing.data import ImageSet, ImageStream
from tf_routing.data.augmentation.tensor_augmentation import shift_and_mirror
from tf_routing.data.batching.batch_plan import BatchPlan
from tf_routing.data.batching.pipelines import training_batches


def photographs(count: int = 40, size: int = 6) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, size, size, 3)).astype("uint8")


def test_the_mean_light_of_each_image_moves_in() -> None:
    images = photographs()
    zeros = shift_and_mirror(tf.constant(images), 2, False, (3, 4)).numpy()
    light = shift_and_mirror(tf.constant(images), 2, False, (3, 4), "mean_light").numpy()
    means = np.round(255 * (((images / 255) ** 2.2).mean(axis=(1, 2))) ** (1 / 2.2))
    # Where pixels of the image stand, both agree; elsewhere zeros stand in one, the colour in the other.
    changed = (zeros != light).any(axis=-1)
    assert changed.any()
    for image, colour, moved in zip(light, means, changed, strict=True):
        np.testing.assert_allclose(image[moved], np.broadcast_to(colour, image[moved].shape), atol=1)
    assert (zeros[changed] == 0).all()


@pytest.mark.parametrize("shape", [(4, 9), (9, 4)])
def test_it_moves_in_along_both_sides_of_images_that_are_no_squares(shape: tuple[int, int]) -> None:
    images = np.random.default_rng(1).integers(1, 256, (60, *shape, 3)).astype("uint8")
    zeros = shift_and_mirror(tf.constant(images), 2, False, (3, 4)).numpy()
    light = shift_and_mirror(tf.constant(images), 2, False, (3, 4), "mean_light").numpy()
    means = np.round(255 * (((images / 255) ** 2.2).mean(axis=(1, 2), keepdims=True)) ** (1 / 2.2))
    # No pixel of an image is zero, so zeros are what moved in.
    np.testing.assert_allclose(light, np.where(zeros == 0, means, zeros), atol=1)


def test_only_images_that_may_be_are_mirrored() -> None:
    images, may = photographs(200), np.arange(200) % 2 == 0
    outputs = shift_and_mirror(tf.constant(images), 0, tf.constant(may), (5, 6)).numpy()
    mirrored = (outputs == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (outputs[~may] == images[~may]).all()
    assert 0.3 < mirrored[may].mean() < 0.7


def test_classes_say_which_images_are_mirrored() -> None:
    labels = np.arange(64) % 2
    batches = training_batches(ImageSet(photographs(64), labels), BatchPlan(64, 0, 3, mirror=(False, True)))
    originals = photographs(64) / 255
    for images, own in batches.as_numpy_iterator():
        kept = [
            np.isclose(originals[labels == label], image).all(axis=(1, 2, 3)).any()
            for image, label in zip(images, own, strict=True)
        ]
        assert np.array(kept)[own == 0].all()
        assert not np.array(kept)[own == 1].all()


def test_images_are_drawn_with_replacement() -> None:
    labels = np.arange(10)
    batches = training_batches(ImageSet(photographs(10), labels), BatchPlan(8, 0, 2, steps_per_epoch=50))
    drawn = np.stack([own for _, own in batches.as_numpy_iterator()])
    assert drawn.shape == (100, 8)
    # Ten images in batches of eight: without replacement none would come twice in a batch.
    assert any(len(set(batch)) < 8 for batch in drawn.tolist())
    np.testing.assert_allclose(np.bincount(drawn.ravel(), minlength=10) / drawn.size, 0.1, atol=0.04)
    continued = training_batches(
        ImageSet(photographs(10), labels), BatchPlan(8, 0, 2, first_epoch=1, steps_per_epoch=50)
    )
    np.testing.assert_array_equal(drawn[50:], [own for _, own in continued.as_numpy_iterator()])


@pytest.mark.parametrize("argument", [{"fill": "mean_light"}, {"steps_per_epoch": 4}, {"mirror": (True, False)}])
def test_streams_refuse_what_needs_all_images(argument: dict[str, object]) -> None:
    stream = ImageStream(("none.tfrecord",), 64).sized(32)
    with pytest.raises(ValueError, match=f"`{next(iter(argument))}` must be .* not in memory"):
        training_batches(stream, BatchPlan(8, 0, 1, **argument))
