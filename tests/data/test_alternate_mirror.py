"""Alternating flips: an epoch mirrors the images that the epoch before did not, in NumPy and in TensorFlow alike."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tf_routing.data import ImageSet, ImageStream
from tf_routing.data.batching.batch_plan import BatchPlan
from tf_routing.data.batching.numpy_batches import TrainingArrays
from tf_routing.data.batching.pipelines import training_batches

# Seven images a batch: six batches an epoch, other ones of the images left out each time.
_COUNT, _BATCH, _STEPS = 45, 7, 6

Make = Callable[..., np.ndarray]


def numbered() -> ImageSet:
    """Noise, each image labelled by its index."""
    images = np.random.default_rng(3).integers(0, 256, (_COUNT, 4, 5, 3)).astype("uint8")
    return ImageSet(images, np.arange(_COUNT))


def as_tensors(plan: BatchPlan) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(x.numpy(), y.numpy()) for x, y in training_batches(numbered(), plan)]


def as_arrays(plan: BatchPlan) -> list[tuple[np.ndarray, np.ndarray]]:
    batches = TrainingArrays(numbered(), plan)
    return [batches[index] for index in range(len(batches))]


def _table(batches: Any, plan: BatchPlan) -> np.ndarray:
    plain = numbered().images / 255
    table = np.full((len(plan.epoch_range), plan.copies, _COUNT), np.nan)
    steps = plan.steps_per_epoch or _STEPS
    for number, (images, labels) in enumerate(batches):
        for row, (image, label) in enumerate(zip(images, labels, strict=True)):
            mirrored = np.allclose(image, plain[label][:, ::-1], atol=1e-6)
            assert mirrored or np.allclose(image, plain[label], atol=1e-6)
            table[number // steps, row % plan.copies, label] = mirrored
    return table


@pytest.fixture(params=[as_tensors, as_arrays])
def mirrored(request: pytest.FixtureRequest) -> Make:
    """Returns which images epochs mirror, `(epochs, copies, images)`, NaN where an epoch does not show one."""

    def table(epochs: int = 6, seed: int = 0, copies: int = 1, **options: Any) -> np.ndarray:
        options = {"mirror": True, "alternate_mirror": True, **options}
        plan = BatchPlan(_BATCH * copies, seed, epochs, copies=copies, **options)
        return _table(request.param(plan), plan)

    return table


def test_two_epochs_show_both_sides_of_an_image(mirrored: Make) -> None:
    found = mirrored()[:, 0]
    assert np.isnan(found).any(axis=1).all() and not np.isnan(found).all(axis=0).any()
    # Each image looks the same in all even epochs, and the other way round in all odd ones.
    even = np.abs(found - np.arange(6)[:, None] % 2)
    np.testing.assert_array_equal(np.nanmin(even, axis=0), np.nanmax(even, axis=0))


def test_half_of_the_images_are_mirrored_first_and_the_seed_says_which(mirrored: Make) -> None:
    first, again, other = (mirrored(epochs=1, seed=seed)[0, 0] for seed in (2, 2, 3))
    np.testing.assert_array_equal(first, again)
    shown = ~np.isnan(first) & ~np.isnan(other)
    assert (first[shown] != other[shown]).any()
    # Four deviations of a coin that is thrown for each of 42 images.
    assert abs(np.nanmean(first) - 0.5) < 4 * 0.5 / np.sqrt(42)


def test_a_run_that_continues_goes_on_with_the_other_side(mirrored: Make) -> None:
    np.testing.assert_array_equal(mirrored(first_epoch=3), mirrored()[3:])


def test_copies_of_an_image_show_both_sides(mirrored: Make) -> None:
    found = mirrored(epochs=2, copies=3)
    np.testing.assert_array_equal(found[:, 1], 1 - found[:, 0])
    np.testing.assert_array_equal(found[:, 2], found[:, 0])


def test_classes_that_must_not_be_mirrored_are_not(mirrored: Make) -> None:
    may = np.arange(_COUNT) % 2 == 0
    found = mirrored(mirror=tuple(may.tolist()))[:, 0]
    assert np.nansum(found[:, ~may]) == 0 and 0.3 < np.nanmean(found[:, may]) < 0.7


def test_none_is_mirrored_where_none_may_be(mirrored: Make) -> None:
    assert np.nansum(mirrored(mirror=False)) == 0


def test_draws_with_replacement_alternate_too(mirrored: Make) -> None:
    found = mirrored(epochs=2, steps_per_epoch=40)[:, 0]
    seen = ~np.isnan(found).any(axis=0)
    assert seen.sum() > 30
    np.testing.assert_array_equal(found[1, seen], 1 - found[0, seen])


@pytest.mark.parametrize("make", [as_tensors, as_arrays])
def test_images_are_shifted_as_without(make: Any) -> None:
    options = {"shift": 2, "epochs": 2, "seed": 5, "batch_size": _BATCH}
    still = make(BatchPlan(mirror=False, **options))
    for (x, y), (unmirrored, labels) in zip(
        make(BatchPlan(mirror=True, alternate_mirror=True, **options)), still, strict=True
    ):
        np.testing.assert_array_equal(y, labels)
        same, flipped = ((x == side).all(axis=(1, 2, 3)) for side in (unmirrored, unmirrored[:, :, ::-1]))
        assert (same | flipped).all()


def test_images_in_files_do_not_alternate() -> None:
    with pytest.raises(ValueError, match="`alternate_mirror` must be False for images that are not in memory"):
        training_batches(ImageStream((), _COUNT, 8), BatchPlan(8, 0, 1, mirror=True, alternate_mirror=True))
