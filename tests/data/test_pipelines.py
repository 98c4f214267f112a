"""Batches: every image once an epoch, and the same ones in a run that continues."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.data.batch_lists import Batches, assert_same, labels
from tf_routing.data import ImageSet
from tf_routing.data.batching import memory_pipeline
from tf_routing.data.batching.batch_plan import BatchPlan
from tf_routing.data.batching.pipelines import evaluation_batches, first_images, steps_per_epoch, training_batches

_COUNT, _BATCH, _STEPS = 40, 7, 5


def numbered() -> ImageSet:
    """Noise, each image labelled by its index."""
    images = np.random.default_rng(7).integers(0, 256, (_COUNT, 6, 6, 3)).astype("uint8")
    return ImageSet(images, np.arange(_COUNT))


def training(seed: int = 0, epochs: int = 3, **options: Any) -> Batches:
    return [(x.numpy(), y.numpy()) for x, y in training_batches(numbered(), BatchPlan(_BATCH, seed, epochs, **options))]


def test_an_epoch_repeats_no_image_and_is_in_no_order() -> None:
    batches = training()
    assert len(batches) == 3 * _STEPS
    assert {len(y) for _, y in batches} == {_BATCH}
    for epoch in range(3):
        seen = labels(batches[epoch * _STEPS : (epoch + 1) * _STEPS])
        assert len(set(seen)) == _STEPS * _BATCH
        assert (np.diff(seen) < 0).any()


def test_a_batch_that_divides_the_set_sees_all_of_it() -> None:
    batches = training_batches(numbered(), BatchPlan(10, seed=1, epochs=2))
    seen = np.concatenate([y.numpy() for _, y in batches]).reshape(2, _COUNT)
    np.testing.assert_array_equal(np.sort(seen), [np.arange(_COUNT)] * 2)


def test_epochs_differ_in_order_and_in_what_they_leave_out() -> None:
    epochs = labels(training()).reshape(3, -1)
    assert (epochs[0] != epochs[1]).any()
    assert set(epochs[0]) != set(epochs[1]) or set(epochs[1]) != set(epochs[2])


def test_images_go_with_their_labels() -> None:
    images = numbered().images.astype("float32") / 255
    for x, y in training():
        np.testing.assert_allclose(x, images[y], rtol=1e-6)


@pytest.mark.parametrize("first_epoch", [1, 2])
def test_continuing_gives_the_batches_of_an_uninterrupted_run(first_epoch: int) -> None:
    whole = training(shift=2, mirror=True)
    assert_same(training(first_epoch=first_epoch, shift=2, mirror=True), whole[first_epoch * _STEPS :])


def test_no_epochs_left_is_no_batches() -> None:
    assert training(first_epoch=3) == []


def test_the_same_seed_repeats_everything() -> None:
    assert_same(training(seed=4, shift=2, mirror=True), training(seed=4, shift=2, mirror=True))


def test_another_seed_changes_the_order() -> None:
    assert (labels(training(seed=4)) != labels(training(seed=5))).any()


def test_an_image_is_augmented_anew_each_epoch() -> None:
    whole = training(shift=2, mirror=True)
    views: dict[int, list[bytes]] = {}
    for x, y in whole:
        for image, label in zip(x, y, strict=True):
            views.setdefault(int(label), []).append(image.tobytes())
    assert sum(len(set(seen)) > 1 for seen in views.values()) > _COUNT / 2


def test_values_lie_between_zero_and_one() -> None:
    for x, _ in training(shift=2, mirror=True):
        assert x.dtype == np.float32
        assert x.min() >= 0
        assert x.max() <= 1
    assert max(x.max() for x, _ in training()) > 0.99


def test_a_batch_larger_than_the_set_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"`batch_size` must be at most 40.*Received: 41"):
        training_batches(numbered(), BatchPlan(41, seed=0, epochs=1))


def test_steps_count_full_batches() -> None:
    assert [steps_per_epoch(numbered(), size) for size in (7, 10, 40)] == [5, 4, 1]


def test_evaluation_covers_all_images_in_order() -> None:
    batches = [(x.numpy(), y.numpy()) for x, y in evaluation_batches(numbered(), _BATCH)]
    assert [len(y) for _, y in batches] == [7, 7, 7, 7, 7, 5]
    np.testing.assert_array_equal(labels(batches), np.arange(_COUNT))
    images = np.concatenate([x for x, _ in batches])
    np.testing.assert_allclose(images, numbered().images / 255, rtol=1e-6)


@pytest.mark.parametrize(("count", "found"), [(3, 3), (35, 35), (100, _COUNT)])
def test_first_images(count: int, found: int) -> None:
    images, classes = first_images(numbered(), count)
    np.testing.assert_array_equal(classes, np.arange(found))
    np.testing.assert_allclose(images, numbered().images[:found] / 255, rtol=1e-6)


def test_no_shift_is_drawn_with_the_seed_of_an_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(images: Any, *given: Any) -> Any:
        """The seed in place of the images."""
        return tf.broadcast_to(tf.reshape(given[2], (1, 1, 1, 2)), (tf.shape(images)[0], 1, 1, 2))

    monkeypatch.setattr(memory_pipeline, "shift_and_mirror", shown)
    seeds = {tuple(np.round(x[0, 0, 0] * 255).astype(int)) for x, _ in training(seed=4, shift=1)}
    assert len(seeds) == 3 * _STEPS
    assert not seeds & {(4, epoch) for epoch in range(3)}
