"""A controller computes Eq. 5 to 8, and its gradients are those of the noisy probabilities."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import numpy_reference as reference
from tf_routing.layers import Controller

BATCH, CHANNELS, SUB_BLOCKS, HIDDEN = 6, 4, 3, 5
_NEXT = (None, HIDDEN)


def scores(x: np.ndarray, state: np.ndarray | None, weights: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Eq. 5 to 7 and the scores of Eq. 8, `(batch, N, 2)`; `weights` holds each layer's kernel and bias."""
    (w1, b1), (w2, b2), (w3, b3) = weights[:2], weights[2:-2] or (None, None), weights[-2:]
    new = reference.relu(reference.channel_means(x) @ w1 + b1)
    if state is not None and w2 is not None:
        new = new + reference.relu(state @ w2 + b2)
    return (new @ w3 + b3).reshape(len(x), -1, 2), new


def random_controller(state_shape: Any = _NEXT, **arguments: Any) -> tuple[Controller, np.ndarray, Any]:
    """A controller with random weights, inputs, and a previous state where there is one."""
    rng = np.random.default_rng(0)
    controller = Controller(SUB_BLOCKS, **{"hidden": HIDDEN, "dtype": "float64", **arguments})
    controller.build((None, 3, 5, CHANNELS), state_shape)
    reference.randomise(controller, rng)
    x = rng.normal(size=(BATCH, 3, 5, CHANNELS))
    return controller, x, None if state_shape is None else rng.uniform(0, 1, (BATCH, HIDDEN))


def with_scores(wanted: Any, **arguments: Any) -> Controller:
    """A controller whose scores are `wanted`, `(N, 2)`, whatever it sees."""
    controller = Controller(len(wanted), **arguments)
    controller.build((None, CHANNELS))
    controller.score_layer.kernel.assign(np.zeros(controller.score_layer.kernel.shape))
    controller.score_layer.bias.assign(np.reshape(wanted, -1))
    return controller


def fix_noise(controller: Controller, noise: Any) -> None:
    controller._gumbel = lambda shape: keras.ops.convert_to_tensor(noise, dtype=controller.compute_dtype)


def switches_of(controller: Controller, count: int = 1, training: bool = False) -> np.ndarray:
    return np.asarray(controller(np.zeros((count, CHANNELS), "float32"), training=training)[0])


@pytest.mark.parametrize("state_shape", [None, _NEXT], ids=["first", "next"])
def test_switches_and_state_are_those_of_the_equations(state_shape: Any) -> None:
    controller, x, state = random_controller(state_shape)
    expected, new = scores(x, state, controller.get_weights())
    open_ = expected[..., 1] > expected[..., 0]
    assert 0 < open_.mean() < 1
    switches, state = controller(x, state)
    np.testing.assert_array_equal(np.asarray(switches), open_)
    np.testing.assert_allclose(np.asarray(state), new, rtol=1e-12)


def test_the_previous_state_counts() -> None:
    controller, x, state = random_controller()
    assert np.abs(np.asarray(controller(x, state)[1]) - np.asarray(controller(x, 2 * state)[1])).max() > 0.1


def test_margins_are_the_differences_of_the_scores() -> None:
    for controller, x, state in (random_controller(None), random_controller()):
        expected, _ = scores(x, state, controller.get_weights())
        margins = controller.margins(x) if state is None else controller.margins(x, state)
        np.testing.assert_allclose(np.asarray(margins), expected[..., 1] - expected[..., 0], rtol=1e-12)


def test_maps_are_read_through_their_channel_means() -> None:
    controller, x, state = random_controller()
    for one, other in zip(controller(x, state), controller(x.mean(axis=(1, 2)), state), strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-12)


def test_without_use_previous_the_state_is_ignored_and_has_no_weights() -> None:
    controller, x, state = random_controller(use_previous=False)
    assert len(controller.weights) == 4
    expected, new = scores(x, None, controller.get_weights())
    switches, returned = controller(x, state)
    np.testing.assert_array_equal(np.asarray(switches), expected[..., 1] > expected[..., 0])
    np.testing.assert_allclose(np.asarray(returned), new, rtol=1e-12)


@pytest.mark.parametrize(("state_shape", "previous"), [(None, 0), ((None, 32), 1)])
def test_parameters_and_macs_are_those_of_the_paper(state_shape: Any, previous: int) -> None:
    controller, n, shape = Controller(SUB_BLOCKS), SUB_BLOCKS, (None, 8, 8, CHANNELS)
    controller.build(shape, state_shape)
    assert controller.count_params() == CHANNELS * 32 + 32 + previous * (32 * 32 + 32) + 32 * 2 * n + 2 * n
    macs = CHANNELS * 32 + previous * 32 * 32 + 32 * 2 * n
    assert controller.macs([shape, state_shape] if previous else shape) == macs


def test_inference_has_no_noise_and_compares() -> None:
    controller = with_scores([[0.2, 0.3], [0.3, 0.2], [0.5, 0.5]])
    np.testing.assert_array_equal(switches_of(controller, 50), np.tile([1, 0, 0], (50, 1)))


def test_training_switches_are_the_decision_of_the_noisy_scores() -> None:
    controller, x, state = random_controller(dtype="float32")
    noise = np.random.default_rng(1).gumbel(size=(BATCH, SUB_BLOCKS, 2))
    fix_noise(controller, noise)
    quiet, new = scores(x, state, controller.get_weights())
    noisy = quiet + noise
    expected = (noisy[..., 1] > noisy[..., 0]).astype("float32")
    assert (expected != (quiet[..., 1] > quiet[..., 0])).any()
    switches, state = controller(x, state, training=True)
    # Bit for bit: the straight-through sum must not leave 0.99999994.
    np.testing.assert_array_equal(np.asarray(switches), expected)
    np.testing.assert_allclose(np.asarray(state), new, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_training_switches_are_zeros_and_ones(dtype: str) -> None:
    controller = with_scores(np.random.default_rng(0).normal(size=(8, 2)), dtype=dtype)
    switches = np.asarray(keras.ops.cast(controller(np.zeros((1000, CHANNELS)), training=True)[0], "float32"))
    assert set(np.unique(switches)) == {0.0, 1.0}


def soft_switches(x: np.ndarray, state: np.ndarray, noise: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    noisy = scores(x, state, weights)[0] + noise
    return reference.sigmoid(noisy[..., 1] - noisy[..., 0])


def test_gradients_are_those_of_the_noisy_probabilities() -> None:
    controller, x, state = random_controller()
    rng = np.random.default_rng(2)
    noise, upstream = rng.gumbel(size=(BATCH, SUB_BLOCKS, 2)), rng.normal(size=(BATCH, SUB_BLOCKS))
    fix_noise(controller, noise)
    inputs = [tf.constant(x), tf.constant(state)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = tf.reduce_sum(controller(*inputs, training=True)[0] * upstream)
    gradients = tape.gradient(loss, [*inputs, *(weight.value for weight in controller.weights)])
    values = [x, state, *controller.get_weights()]
    for position, gradient in enumerate(gradients):
        direction = rng.normal(size=values[position].shape)

        def moved(step: float, at: int = position, along: np.ndarray = direction) -> float:
            x_, state_, *weights = [*values[:at], values[at] + step * along, *values[at + 1 :]]
            return float((upstream * soft_switches(x_, state_, noise, weights)).sum())

        slope = (moved(1e-6) - moved(-1e-6)) / 2e-6
        assert abs(slope) > 1e-3
        assert float((gradient.numpy() * direction).sum()) == pytest.approx(slope, rel=1e-6)


def test_gradient_of_a_score_is_s_times_one_minus_s() -> None:
    controller, noise = with_scores([[0.1, 0.9], [1.5, 0.2]]), np.array([[[0.3, -0.4], [0.0, 2.0]]])
    fix_noise(controller, noise)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(controller(np.zeros((1, CHANNELS)), training=True)[0] * [[2.0, -3.0]])
    gradient = tape.gradient(loss, controller.score_layer.bias.value).numpy()
    s = 1 / (1 + np.exp(-np.array([0.9 - 0.1 - 0.7, 0.2 - 1.5 + 2.0])))
    own = np.array([2.0, -3.0]) * s * (1 - s)
    np.testing.assert_allclose(gradient, [-own[0], own[0], -own[1], own[1]], rtol=1e-5)


def assert_rates(switches: np.ndarray, expected: Any) -> None:
    deviations = np.sqrt(np.multiply(expected, 1 - np.asarray(expected)) / len(switches))
    assert (np.abs(switches.mean(axis=0) - expected) < 5 * deviations).all()


def test_noise_opens_with_the_probability_of_the_scores() -> None:
    wanted = np.array([[0.0, 0.0], [0.3, 1.8], [2.0, 0.5], [-0.5, -3.0]])
    switches = switches_of(with_scores(wanted, seed=3), 20_000, training=True)
    assert_rates(switches, reference.sigmoid(wanted[:, 1] - wanted[:, 0]))
    # And each switch on its own: what one does tells nothing about the next.
    assert np.abs(np.corrcoef(switches.T) - np.eye(4)).max() < 5 / np.sqrt(20_000)


def test_draws_differ_and_the_seed_repeats_them() -> None:
    one, same, other = (with_scores(np.zeros((2, 2)), seed=seed) for seed in (1, 1, 2))
    draws = [switches_of(one, 100, training=True) for _ in range(2)]
    assert (draws[0] != draws[1]).mean() > 0.3
    for draw in draws:
        np.testing.assert_array_equal(switches_of(same, 100, training=True), draw)
    assert (switches_of(other, 100, training=True) != draws[0]).mean() > 0.3


@pytest.mark.parametrize("rate", [None, 0.2, 0.5, 0.85])
def test_an_initial_open_rate_is_the_difference_of_the_biases(rate: float | None) -> None:
    controller = Controller(SUB_BLOCKS, init_open_rate=rate, seed=5)
    controller.build((None, CHANNELS))
    p = rate or 0.5
    bias = np.asarray(controller.score_layer.bias).reshape(SUB_BLOCKS, 2)
    np.testing.assert_allclose(bias[:, 1] - bias[:, 0], np.log(p / (1 - p)), rtol=1e-6, atol=1e-12)
    # Zero inputs leave nothing but the biases.
    assert_rates(switches_of(controller, 20_000, training=True), np.full(SUB_BLOCKS, p))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([[5.0, 1.0], [5.0, 3.0], [9.0, 2.0]], [0, 1, 0]),  # the largest "on" score, not the smallest difference
        ([[2.1, 2.0], [9.0, 8.0], [5.0, 3.0]], [0, 1, 0]),
        ([[5.0, 3.0], [5.0, 3.0], [5.0, 1.0]], [1, 0, 0]),  # the first of equals
        ([[5.0, 1.0], [5.0, 3.0], [5.0, 3.0]], [0, 1, 0]),
        ([[0.0, 1.0], [9.0, 8.0], [0.0, 1.0]], [1, 0, 1]),  # nothing to force
    ],
)
def test_where_all_are_off_the_largest_is_forced_on(wanted: Any, expected: list[int], training: bool) -> None:
    controller = with_scores(wanted, force_one=True)
    fix_noise(controller, np.zeros((1, 3, 2)))
    np.testing.assert_array_equal(switches_of(controller, training=training), [expected])


def test_forcing_looks_at_the_noisy_scores_of_each_sample() -> None:
    controller = with_scores([[5.0, 1.0], [5.0, 3.0]], force_one=True)
    fix_noise(controller, [[[0.0, 0.0], [0.0, 0.0]], [[0.0, 2.5], [0.0, 0.0]], [[0.0, 4.5], [0.0, 2.5]]])
    np.testing.assert_array_equal(switches_of(controller, 3, training=True), [[0, 1], [1, 0], [1, 1]])


def test_without_force_one_all_may_be_off() -> None:
    np.testing.assert_array_equal(switches_of(with_scores([[5.0, 1.0], [5.0, 3.0]])), [[0, 0]])


@pytest.mark.parametrize("argument", ["sub_blocks", "hidden"])
@pytest.mark.parametrize("value", [0, -2, 1.5, True])
def test_a_count_that_is_no_positive_integer_is_named(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"`{argument}` must be a positive integer. Received: {argument}={value!r}"):
        Controller(**{"sub_blocks": 2, argument: value})


@pytest.mark.parametrize("rate", [0, 1, -0.1, 1.5])
def test_an_open_rate_that_is_none_is_named(rate: float) -> None:
    with pytest.raises(ValueError, match=rf"`init_open_rate` must be in \(0, 1\). Received: init_open_rate={rate!r}"):
        Controller(2, init_open_rate=rate)


def test_a_tensor_of_rank_3_is_named() -> None:
    with pytest.raises(ValueError, match=r"Received: inputs.shape=\(2, 5, 4\)"):
        Controller(2)(np.ones((2, 5, 4), "float32"))


def test_of_switches_that_are_all_off_one_is_forced_on_by_the_softmax_of_the_scores() -> None:
    # The largest of scores with Gumbel noise is drawn from their softmax; noise of the other sign draws otherwise.
    chances = np.array([0.6, 0.3, 0.1])
    controller = with_scores([(60.0, np.log(chance)) for chance in chances], force_one=True, seed=0)
    switches = switches_of(controller, 20_000, training=True)
    np.testing.assert_array_equal(switches.sum(axis=1), 1)
    np.testing.assert_allclose(switches.mean(axis=0), chances, atol=0.012)


# Normalised, as in networks with adaptive inference graphs


def normalized() -> tuple[Controller, np.ndarray]:
    controller, x, _ = random_controller(None, use_previous=False, normalize=True, dtype="float64")
    controller.normalization.moving_variance.assign(np.linspace(0.5, 2, HIDDEN))
    return controller, x


def test_a_normalised_summary_by_hand() -> None:
    controller, x = normalized()
    norm, summary, score = controller.normalization, controller.summary_layer, controller.score_layer
    linear = x.mean(axis=(1, 2)) @ np.asarray(summary.kernel) + np.asarray(summary.bias)

    def state(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        scaled = (linear - mean) / np.sqrt(variance + 1e-5)
        return np.maximum(scaled * np.asarray(norm.gamma) + np.asarray(norm.beta), 0)

    expected = state(np.asarray(norm.moving_mean), np.asarray(norm.moving_variance))
    scores = (expected @ np.asarray(score.kernel) + np.asarray(score.bias)).reshape(BATCH, -1, 2)
    np.testing.assert_allclose(np.asarray(controller.margins(x)), scores[..., 1] - scores[..., 0], rtol=1e-6)
    # In training by the statistics of the batch, of which the layer keeps a tenth.
    before = np.asarray(norm.moving_mean)
    found = np.asarray(controller(x, training=True)[1])
    np.testing.assert_allclose(found, state(linear.mean(axis=0), linear.var(axis=0)), rtol=1e-6)
    np.testing.assert_allclose(np.asarray(norm.moving_mean), 0.9 * before + 0.1 * linear.mean(axis=0), rtol=1e-6)


def test_normalised_controllers_start_near_their_rate_for_every_image() -> None:
    controller = Controller(1, hidden=16, use_previous=False, init_open_rate=0.85, normalize=True, seed=1)
    x = np.random.default_rng(0).normal(size=(1000, 3, 3, CHANNELS)).astype("float32")
    switches, state = controller(x, training=True)
    assert np.ptp(np.asarray(controller.margins(x))) < 0.05 < np.ptp(np.asarray(state))
    assert np.asarray(switches).mean() == pytest.approx(0.85, abs=0.05)


def test_what_is_not_normalised_is_as_in_files_of_before() -> None:
    assert "normalize" not in Controller(2).get_config()
    assert Controller.from_config(normalized()[0].get_config()).normalize
