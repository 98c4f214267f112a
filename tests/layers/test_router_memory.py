"""A router memory steps an LSTM cell along the depth and scores each block by one dense layer."""

from typing import Any

import keras
import numpy as np
import pytest

from tests import numpy_reference as reference
from tf_routing.cost import layer_costs, static_macs
from tf_routing.layers import RouterMemory, SkipRouter

BATCH, FEATURES, UNITS = 5, 3, 4


def random_memory(**arguments: Any) -> RouterMemory:
    memory = RouterMemory(UNITS, **{"dtype": "float64", **arguments})
    memory.build((None, FEATURES))
    reference.randomise(memory, np.random.default_rng(0))
    return memory


def inputs(steps: int = 1) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.normal(size=(BATCH, FEATURES)) for _ in range(steps)]


def step(memory: RouterMemory, x: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One step; the gates stand in Keras's order: input, forget, candidate, output."""
    kernel, recurrent, bias = memory.cell.get_weights()
    hidden, carry = np.split(state, 2, axis=1)
    i, f, candidate, o = np.split(x @ kernel + hidden @ recurrent + bias, 4, axis=1)
    carry = reference.sigmoid(f) * carry + reference.sigmoid(i) * np.tanh(candidate)
    hidden = reference.sigmoid(o) * np.tanh(carry)
    scores_kernel, scores_bias = memory.scores.get_weights()
    return hidden @ scores_kernel + scores_bias, np.hstack([hidden, carry])


def assert_close(found: Any, expected: tuple[np.ndarray, ...]) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.asarray(one), other, rtol=1e-9, atol=1e-12)


def test_a_step_is_that_of_an_lstm() -> None:
    memory, (x,) = random_memory(), inputs()
    state = np.random.default_rng(2).normal(size=(BATCH, 2 * UNITS))
    assert_close(memory(x, state), step(memory, x, state))


def test_the_first_state_is_zero() -> None:
    memory, (x,) = random_memory(), inputs()
    zeros = np.zeros((BATCH, 2 * UNITS))
    assert_close(memory(x), step(memory, x, zeros))
    assert_close(memory(x), tuple(np.asarray(each) for each in memory(x, zeros)))


def test_the_state_is_passed_on_from_step_to_step() -> None:
    memory, found, state = random_memory(), [], None
    expected, by_hand = [], np.zeros((BATCH, 2 * UNITS))
    for x in inputs(3):
        scores, state = memory(x) if state is None else memory(x, state)
        wanted, by_hand = step(memory, x, by_hand)
        found.append(np.asarray(scores))
        expected.append(wanted)
    assert_close(found, tuple(expected))
    assert np.abs(found[2] - np.asarray(memory(inputs(3)[2])[0])).max() > 0.1


def test_all_steps_share_one_set_of_weights() -> None:
    memory, state = RouterMemory(10), None
    for x in [np.ones((2, 10), "float32")] * 3:
        _, state = memory(x) if state is None else memory(x, state)
    # Four gates of ten units that read ten features and ten units, with one bias vector; two scores.
    assert memory.count_params() == 4 * 10 * (10 + 10 + 1) + 10 * 2 + 2 == 862


@pytest.mark.parametrize(("channels", "macs"), [(16, 980), (32, 1140), (64, 1460)])
def test_costs_of_a_step_with_its_summary(channels: int, macs: int) -> None:
    image = keras.Input((8, 8, channels))
    summary = keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(image))
    scores, _ = RouterMemory(10, name="memory")(summary)
    model = keras.Model(image, SkipRouter("recurrent")(scores))
    assert static_macs(model) == macs
    assert {row.layer: row.macs for row in layer_costs(model)}["memory"] == 820


def test_every_step_costs_the_same() -> None:
    assert RouterMemory(3).macs((None, 5)) == RouterMemory(3).macs([(None, 5), (None, 6)]) == 4 * 3 * (5 + 3) + 3 * 2


@pytest.mark.parametrize("rate", [None, 0.2, 0.9])
def test_an_initial_open_rate_is_the_probability_that_the_biases_give(rate: float | None) -> None:
    # A cell that has seen nothing but zeros puts out zeros.
    memory = RouterMemory(UNITS, init_open_rate=rate)
    scores, state = memory(np.zeros((2, FEATURES), "float32"))
    assert not np.asarray(state).any()
    np.testing.assert_allclose(reference.softmax(np.asarray(scores, "float64"))[:, 0], rate or 0.5, rtol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy: str) -> None:
    memory, plain, state = random_memory(dtype=policy), random_memory(dtype="float32"), None
    for x in inputs(2):
        scores, state = memory(x) if state is None else memory(x, state)
    expected = plain(inputs(2)[1].astype("float32"), plain(inputs(2)[0].astype("float32"))[1])
    for found, wanted in zip((scores, state), expected, strict=True):
        # What decisions are made of is no coarser than that.
        assert keras.backend.standardize_dtype(found.dtype) == "float32"
        np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=1e-6)
    assert {weight.dtype for weight in memory.weights} == {"float32"}


def test_it_knows_its_shapes_before_it_sees_data() -> None:
    scores, state = RouterMemory(UNITS, dtype="float64")(keras.Input((FEATURES,)))
    assert (scores.shape, state.shape) == ((None, 2), (None, 2 * UNITS))
    assert scores.dtype == state.dtype == "float64"


def test_a_memory_comes_back_from_its_configuration() -> None:
    memory, (x,) = random_memory(init_open_rate=0.3, name="memory_7"), inputs()
    again = RouterMemory.from_config(memory.get_config())
    assert again.get_config() == memory.get_config()
    again.build((None, FEATURES))
    again.set_weights(memory.get_weights())
    assert_close(again(x), tuple(np.asarray(each) for each in memory(x)))


def test_a_frozen_memory_comes_back_frozen() -> None:
    memory, features = random_memory(), keras.Input((FEATURES,), dtype="float64")
    memory.trainable = False
    again = RouterMemory.from_config(memory.get_config())
    # A model asks each variable.
    assert keras.Model(features, again(features)).trainable_variables == [] == again.trainable_weights


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "`units` must be a positive integer. Received: units=0"),
        ({"units": 2.5}, "`units` must be a positive integer. Received: units=2.5"),
        ({"init_open_rate": 1.0}, r"`init_open_rate` must be in \(0, 1\). Received: init_open_rate=1.0"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RouterMemory(**arguments)
