"""Batches of arrays mean what the `tf.data` pipelines mean: every image once an epoch, the same ones when continued."""

from typing import Any

import numpy as np
import pytest

from tests.data.batch_lists import Batches, assert_same, labels
from tf_routing.data import ImageSet
from tf_routing.data.augmentation.array_augmentation import shift_and_mirror
from tf_routing.data.batching.batch_plan import BatchPlan
from tf_routing.data.batching.numpy_batches import EvaluationArrays, ExtraInputArrays, TrainingArrays

_COUNT, _BATCH, _STEPS = 40, 7, 5


def numbered() -> ImageSet:
    """Noise, each image labelled by its index."""
    images = np.random.default_rng(7).integers(0, 256, (_COUNT, 6, 5, 3)).astype("uint8")
    return ImageSet(images, np.arange(_COUNT))


def training(seed: int = 0, epochs: range = range(3), batch: int = _BATCH, **options: Any) -> Batches:
    plan = BatchPlan(batch * options.get("copies", 1), seed, epochs.stop, epochs.start, **options)
    batches = TrainingArrays(numbered(), plan)
    return [batches[i] for i in range(len(batches))]


def test_an_epoch_repeats_no_image_and_epochs_differ() -> None:
    batches = training()
    assert [len(y) for _, y in batches] == [_BATCH] * 3 * _STEPS
    epochs = labels(batches).reshape(3, -1)
    assert all(len(set(epoch)) == _STEPS * _BATCH for epoch in epochs)
    assert all((np.diff(epoch) < 0).any() for epoch in epochs)
    assert (epochs[0] != epochs[1]).any() and set(epochs[0]) != set(epochs[1])


def test_images_go_with_their_labels_and_lie_between_zero_and_one() -> None:
    images = numbered().images.astype("float32") / 255
    for x, y in training():
        assert x.dtype == np.float32
        np.testing.assert_array_equal(x, images[y])


@pytest.mark.parametrize("options", [{"shift": 2, "mirror": True}, {"copies": 2, "shift": 1}, {"steps_per_epoch": 4}])
def test_continuing_gives_the_batches_of_an_uninterrupted_run(options: dict[str, Any]) -> None:
    whole = training(**options)
    steps = options.get("steps_per_epoch", _STEPS)
    assert_same(training(epochs=range(1, 3), **options), whole[steps:])
    assert_same(training(**options), whole)
    assert (labels(training(seed=1, **options)) != labels(whole)).any()


def test_any_batch_can_be_made_by_itself() -> None:
    batches = TrainingArrays(numbered(), BatchPlan(_BATCH, 0, 3, shift=2, mirror=True))
    whole = training(shift=2, mirror=True)
    assert_same([batches[i] for i in (9, 2, 14)], [whole[i] for i in (9, 2, 14)])


def test_copies_are_neighbours_and_augmented_by_themselves() -> None:
    batches = training(batch=3, epochs=range(1), copies=2, shift=2, mirror=True)
    for _, y in batches:
        np.testing.assert_array_equal(y[::2], y[1::2])
        assert len(set(y)) == 3
    assert sum((x[::2] != x[1::2]).any(axis=(1, 2, 3)).sum() for x, _ in batches) > 30


def test_an_epoch_may_draw_with_replacement() -> None:
    seen = labels(training(epochs=range(1), steps_per_epoch=100))
    assert len(seen) == 100 * _BATCH
    # Each image comes 17.5 times on average, give or take 4.1: none is left out, none preferred.
    times = np.bincount(seen, minlength=_COUNT)
    assert len(times) == _COUNT and times.min() > 1 and times.max() < 34


def test_an_image_is_the_one_that_was_moved_and_perhaps_mirrored() -> None:
    images, moves = numbered().images, set()
    moved = shift_and_mirror(images, 2, True, np.random.default_rng(1))
    for image, result in zip(images, moved, strict=True):
        padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
        views = {(dy, dx): padded[dy : dy + 6, dx : dx + 5] for dy in range(5) for dx in range(5)}
        found = [
            (place, flipped)
            for place, view in views.items()
            for flipped, side in ((False, view), (True, view[:, ::-1]))
            if (side == result).all()
        ]
        assert len(found) == 1
        moves.add(found[0])
    assert len({place for place, _ in moves}) > 10 and {flipped for _, flipped in moves} == {False, True}


def test_mirrors_are_for_the_classes_that_allow_them() -> None:
    may_flip = tuple(i % 2 == 0 for i in range(_COUNT))
    plain = numbered().images.astype("float32") / 255
    flipped = {int(k) for x, y in training(mirror=may_flip) for i, k in enumerate(y) if (x[i] != plain[k]).any()}
    assert len(flipped) > 10 and all(may_flip[k] for k in flipped)


def test_what_moves_in_has_the_mean_light_of_the_image() -> None:
    images = np.zeros((8, 4, 4, 1), "uint8")
    images[:, :, :2] = 255
    moved = shift_and_mirror(images, 2, False, np.random.default_rng(0), "mean_light")
    # Half of the image is white: the mean light is one half, whose byte is 255 * 0.5 ** (1 / 2.2).
    assert set(np.unique(moved)) == {0, 186, 255}


@pytest.mark.parametrize("shape", [(4, 9), (9, 4)])
def test_it_moves_in_along_both_sides_of_images_that_are_no_squares(shape: tuple[int, int]) -> None:
    images = np.random.default_rng(1).integers(1, 256, (60, *shape, 3)).astype("uint8")
    zeros, light = (
        shift_and_mirror(images, 2, False, np.random.default_rng(0), fill) for fill in ("zero", "mean_light")
    )
    means = np.round(255 * (((images / 255) ** 2.2).mean(axis=(1, 2), keepdims=True)) ** (1 / 2.2))
    # No pixel of an image is zero, so zeros are what moved in.
    np.testing.assert_array_equal(light, np.where(zeros == 0, means, zeros))


def test_the_same_images_are_mirrored_whatever_the_shift() -> None:
    images = np.tile(np.arange(1, 6, dtype="uint8")[:, None], (50, 5, 1, 1))
    mirrored = [
        # The columns in the middle stay within the image.
        np.diff(shift_and_mirror(images, shift, True, np.random.default_rng(2))[:, 2, 1:4, 0].astype(int))[:, 0] < 0
        for shift in (0, 1)
    ]
    np.testing.assert_array_equal(*mirrored)
    assert 10 < mirrored[0].sum() < 40


def test_evaluation_covers_all_images_in_order() -> None:
    batches = EvaluationArrays(numbered(), _BATCH)
    every = [batches[i] for i in range(len(batches))]
    assert [len(y) for _, y in every] == [7, 7, 7, 7, 7, 5]
    np.testing.assert_array_equal(labels(every), np.arange(_COUNT))
    np.testing.assert_allclose(np.concatenate([x for x, _ in every]), numbered().images / 255, rtol=1e-6)


def test_inputs_beside_the_images_are_drawn_by_step() -> None:
    base = TrainingArrays(numbered(), BatchPlan(_BATCH, 0, 2))
    values = {"cost": [1e-9, 4e-9]}
    drawn = ExtraInputArrays(base, values, seed=3)
    whole = [drawn[i][0]["cost"] for i in range(len(drawn))]
    assert {each.shape for each in whole} == {(_BATCH, 1)}
    assert set(np.concatenate(whole).ravel()) == set(np.array([1e-9, 4e-9], "float32"))
    continued = ExtraInputArrays(
        TrainingArrays(numbered(), BatchPlan(_BATCH, 0, 2, first_epoch=1)), values, 3, first_step=_STEPS
    )
    for i in range(_STEPS):
        np.testing.assert_array_equal(continued[i][0]["cost"], whole[_STEPS + i])
        np.testing.assert_array_equal(continued[i][0]["image"], base[_STEPS + i][0])


def test_every_shift_is_as_likely() -> None:
    centred = np.zeros((10_000, 5, 5, 1), "uint8")
    centred[:, 2, 2] = 1
    moved = shift_and_mirror(centred, 2, False, np.random.default_rng(0))
    np.testing.assert_allclose(moved[..., 0].mean(axis=0), 1 / 25, atol=0.01)


def test_no_two_draws_share_a_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds, make = [], np.random.default_rng

    def seen(seed: list[int]) -> np.random.Generator:
        seeds.append(tuple(seed))
        return make(seed)

    images = numbered()
    monkeypatch.setattr(np.random, "default_rng", seen)
    batches = ExtraInputArrays(TrainingArrays(images, BatchPlan(_BATCH, 4, 3, shift=1)), {"cost": [0.0, 1.0]}, seed=4)
    for index in range(len(batches)):
        batches[index]
    # Orders by epoch, shifts and costs by step.
    assert len(seeds) == len(set(seeds)) == 3 + 2 * 3 * _STEPS
