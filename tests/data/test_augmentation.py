"""Augmentation, against a plain NumPy one that tries every shift and mirror."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tf_routing.data.augmentation.tensor_augmentation import shift_and_mirror

_COUNT, _HEIGHT, _WIDTH, _CHANNELS = 900, 6, 7, 2

Move = tuple[int, int, bool]


def noise(count: int = _COUNT) -> np.ndarray:
    return np.random.default_rng(5).integers(1, 256, (count, _HEIGHT, _WIDTH, _CHANNELS)).astype("uint8")


def augmented(images: np.ndarray, shift: int, mirror: bool, seed: tuple[int, int] = (1, 2)) -> np.ndarray:
    return shift_and_mirror(tf.constant(images), shift, mirror, seed).numpy()


def moved(images: np.ndarray, down: int, right: int, mirror: bool) -> np.ndarray:
    result = np.zeros_like(images)
    for y, x in itertools.product(range(_HEIGHT), range(_WIDTH)):
        if 0 <= y - down < _HEIGHT and 0 <= x - right < _WIDTH:
            result[:, y, x] = images[:, y - down, x - right]
    return result[:, :, ::-1] if mirror else result


def recovered(images: np.ndarray, outputs: np.ndarray, shift: int) -> list[list[Move]]:
    """The moves that turn each image into its output."""
    found: list[list[Move]] = [[] for _ in images]
    steps = range(-shift, shift + 1)
    for move in itertools.product(steps, steps, (False, True)):
        for i in np.flatnonzero((moved(images, *move) == outputs).all(axis=(1, 2, 3))):
            found[i].append(move)
    return found


@pytest.mark.parametrize("shift", [1, 2])
def test_every_image_takes_one_move_and_all_moves_occur(shift: int) -> None:
    images = noise()
    found = recovered(images, augmented(images, shift, mirror=True), shift)
    assert {len(moves) for moves in found} == {1}
    steps = range(-shift, shift + 1)
    assert {moves[0] for moves in found} == set(itertools.product(steps, steps, (False, True)))


def test_half_of_the_images_are_mirrored() -> None:
    images = noise()
    mirrored = [moves[0][2] for moves in recovered(images, augmented(images, 1, mirror=True), 1)]
    assert abs(np.mean(mirrored) - 0.5) < 0.06


def test_shifts_are_equally_likely() -> None:
    images = noise()
    moves = [each[0] for each in recovered(images, augmented(images, 1, mirror=False), 1)]
    assert not any(mirror for _, _, mirror in moves)
    counts = np.bincount([3 * (down + 1) + right + 1 for down, right, _ in moves], minlength=9)
    np.testing.assert_allclose(counts / _COUNT, 1 / 9, atol=0.04)


def test_mirrors_alone_do_not_shift() -> None:
    images = noise()
    found = recovered(images, augmented(images, 0, mirror=True), 0)
    assert {moves[0] for moves in found} == {(0, 0, False), (0, 0, True)}


def test_the_same_seed_gives_the_same_batch() -> None:
    images = noise(64)
    np.testing.assert_array_equal(augmented(images, 2, True, (3, 4)), augmented(images, 2, True, (3, 4)))


@pytest.mark.parametrize("seed", [(3, 5), (4, 4)])
def test_another_seed_gives_another_batch(seed: tuple[int, int]) -> None:
    images = noise(64)
    assert (augmented(images, 2, True, (3, 4)) != augmented(images, 2, True, seed)).any()


def test_no_shift_and_no_mirror_is_the_identity() -> None:
    np.testing.assert_array_equal(augmented(noise(64), 0, mirror=False), noise(64))


def test_shape_and_type_stay() -> None:
    images = noise(3).astype("float32")
    outputs = augmented(images, 2, mirror=True)
    assert outputs.shape == images.shape
    assert outputs.dtype == images.dtype
