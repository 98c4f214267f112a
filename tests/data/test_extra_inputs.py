"""What stands beside images: drawn per sample and step, or the same for all."""

import numpy as np
import pytest
import tensorflow as tf

from tf_routing.data.batching.extra_inputs import add_constant_inputs, add_drawn_inputs

_VALUES = {"cost": (0.0, 1e-9, 4e-9)}


def pairs(batches: int = 4, size: int = 300) -> tf.data.Dataset:
    images = tf.zeros((batches * size, 2, 2, 1))
    return tf.data.Dataset.from_tensor_slices((images, tf.range(batches * size))).batch(size)


def drawn(seed: int, first_step: int = 0, skipped: int = 0) -> list[np.ndarray]:
    batches = add_drawn_inputs(pairs().skip(skipped), _VALUES, seed, first_step)
    return [inputs["cost"].numpy() for inputs, _ in batches]


def test_values_are_drawn_evenly_for_each_sample() -> None:
    costs = np.concatenate(drawn(seed=0))
    shares = [(costs == np.float32(value)).mean() for value in _VALUES["cost"]]
    np.testing.assert_allclose(shares, 1 / 3, atol=0.05)
    assert sum(shares) == 1


def test_a_step_draws_the_same_wherever_a_run_begins() -> None:
    whole, rest = drawn(seed=5), drawn(seed=5, first_step=2, skipped=2)
    np.testing.assert_array_equal(whole[2:], rest)
    assert (whole[0] != whole[1]).any() and (drawn(seed=6)[0] != whole[0]).any()


def test_images_and_labels_stay() -> None:
    inputs, labels = next(iter(add_drawn_inputs(pairs(), _VALUES, seed=0)))
    assert inputs["image"].shape == (300, 2, 2, 1) and labels.numpy().tolist() == list(range(300))
    batches = pairs()
    assert add_drawn_inputs(batches, {}, seed=0) is batches and add_constant_inputs(batches, {}) is batches


def test_one_value_for_all() -> None:
    inputs, _ = next(iter(add_constant_inputs(pairs(), {"cost": 4e-9})))
    np.testing.assert_array_equal(inputs["cost"], np.full(300, 4e-9, "float32"))


def test_two_inputs_are_drawn_apart() -> None:
    values = {"cost": (0.0, 1.0), "other": (0.0, 1.0)}
    inputs = [each for each, _ in add_drawn_inputs(pairs(), values, seed=0)]
    first, second = (np.concatenate([each[name] for each in inputs]) for name in values)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1


def test_costs_are_not_drawn_with_the_seeds_of_shifts_crops_and_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    # Each sample is told the first number of its seed.
    monkeypatch.setattr(
        tf.random, "stateless_uniform", lambda shape, seed, **_: tf.fill(shape, tf.cast(seed[0], "int32"))
    )
    inputs = [each for each, _ in add_drawn_inputs(pairs(), {"cost": np.arange(2**16)}, seed=4)]
    streams = {int(cost) for each in inputs for cost in each["cost"]}
    assert len(streams) == 1 and not streams & {4, 4 ^ 0x5EED, 4 ^ 0xC409}
