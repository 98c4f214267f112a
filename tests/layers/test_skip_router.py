"""A skip router computes Eq. 3 in training, and decides by it at inference and where it is frozen."""

import math
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import numpy_reference as reference
from tf_routing.layers import SkipRouter

BATCH, HEIGHT, WIDTH, CHANNELS, HIDDEN = 8, 5, 6, 4, 7
KINDS = ["linear", "conv", "recurrent"]
EPSILON = 1e-3
RATES = [0, 0.025, 0.3, 0.5, 0.75, 0.975, 1]
# What a regular block of the CIFAR nets costs, in every stage.
BLOCK = 4_718_592


def random_router(kind: str, count: int = BATCH, **arguments: Any) -> tuple[SkipRouter, np.ndarray]:
    """A router with random weights that runs the block for about half of the inputs, and these inputs."""
    rng = np.random.default_rng(0)
    router = SkipRouter(kind, **{"hidden": HIDDEN, "epsilon": EPSILON, "dtype": "float64", **arguments})
    shape = (2,) if kind == "recurrent" else (HEIGHT, WIDTH, CHANNELS)
    router.build((None, *shape))
    # Of unlike brightness, so that means differ.
    x = rng.normal(size=(count, *shape)) + rng.normal(size=(count, *[1] * len(shape)))
    if kind != "recurrent":
        reference.randomise(router, rng)
        values = scores(router, x, training=False)
        kernel, bias = router.scores_layer.get_weights()
        router.scores_layer.set_weights([kernel, bias - [np.median(values[:, 0] - values[:, 1]), 0]])
    return router, x


def half_size(maps: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A 3x3 convolution of stride 2: with "same" padding an even side is padded behind only."""
    starts = [1 - side % 2 for side in maps.shape[1:3]]
    return reference.conv_same(maps, kernel)[:, starts[0] :: 2, starts[1] :: 2]


def scores(router: SkipRouter, x: np.ndarray, training: bool) -> np.ndarray:
    """R(x) of Eq. 3, `(batch, 2)`: for running and for bypassing."""
    if router.kind == "recurrent":
        return x
    if router.kind == "linear":
        kernel, bias = router.hidden_layer.get_weights()
        features = reference.relu(x.mean(axis=(1, 2)) @ kernel + bias)
    else:
        weights = reference.NormWeights(*router.normalization.get_weights())
        maps = half_size(x, router.conv.get_weights()[0])
        features = reference.relu(reference.batch_norm(maps, weights, EPSILON, training)).mean(axis=(1, 2))
    kernel, bias = router.scores_layer.get_weights()
    return features @ kernel + bias


def eq_3(values: np.ndarray, beta: float) -> np.ndarray:
    return reference.softmax(beta * reference.softmax(values))[:, :1]


def array(tensor: Any) -> np.ndarray:
    return np.asarray(keras.ops.cast(tensor, "float64"))


@pytest.mark.parametrize("beta", [1.0, 10.0])
@pytest.mark.parametrize("kind", KINDS)
def test_in_training_the_decision_is_that_of_the_equation(kind: str, beta: float) -> None:
    router, x = random_router(kind, beta=beta)
    expected = eq_3(scores(router, x, training=True), beta)
    assert np.ptp(expected) > 0.02
    np.testing.assert_allclose(array(router(x, training=True)), expected, rtol=1e-9)


@pytest.mark.parametrize("beta", [0.5, 10.0, 300.0])
@pytest.mark.parametrize("kind", KINDS)
def test_at_inference_the_larger_score_decides_whatever_beta(kind: str, beta: float) -> None:
    router, x = random_router(kind, count=40, beta=beta)
    expected = scores(router, x, training=False).argmax(axis=1) == 0
    assert 0.1 < expected.mean() < 0.9
    np.testing.assert_array_equal(array(router(x, training=False)), expected[:, None])
    np.testing.assert_array_equal(array(router(x)), expected[:, None])


@pytest.mark.parametrize("kind", ["linear", "recurrent"])
def test_a_block_runs_where_the_soft_decision_is_at_least_half(kind: str) -> None:
    router, x = random_router(kind, count=40)
    soft = array(router(x, training=True))
    assert (soft >= 0.5).any() and (soft < 0.5).any()
    np.testing.assert_array_equal(array(router(x)), soft >= 0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_scores_run_the_block(kind: str) -> None:
    router = SkipRouter(kind)
    zeros = np.zeros((3, 2) if kind == "recurrent" else (3, 4, 4, 2), "float32")
    np.testing.assert_array_equal(array(router(zeros, training=True)), np.full((3, 1), 0.5))
    np.testing.assert_array_equal(array(router(zeros)), np.ones((3, 1)))


def test_the_convolution_normalises_by_the_batch_and_keeps_what_it_saw() -> None:
    router, x = random_router("conv", momentum=0.75)
    mean = np.asarray(router.normalization.moving_mean).copy()
    seen = half_size(x, router.conv.get_weights()[0]).mean(axis=(0, 1, 2))
    router(x, training=True)
    np.testing.assert_allclose(np.asarray(router.normalization.moving_mean), 0.75 * mean + 0.25 * seen, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_frozen_router_decides_hard_in_training_and_moves_no_weight(kind: str) -> None:
    router, x = random_router(kind, count=40)
    before, hard = router.get_weights(), array(router(x))
    router.trainable = False
    np.testing.assert_array_equal(array(router(x, training=True)), hard)
    assert set(np.unique(hard)) == {0.0, 1.0} and router.trainable_weights == []
    for old, new in zip(before, router.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_gradient_of_a_decision_in_closed_form() -> None:
    router, x = random_router("recurrent", beta=3.0)
    values, upstream = tf.constant(x), np.random.default_rng(1).normal(size=(BATCH, 1))
    with tf.GradientTape() as tape:
        tape.watch(values)
        loss = tf.reduce_sum(router(values, training=True) * upstream)
    p, r = reference.softmax(x), eq_3(x, 3.0)
    # dp[0] / ds[0] = p[0] p[1], and p[0] - p[1] moves twice as fast.
    slope = upstream * r * (1 - r) * 3.0 * 2 * p[:, :1] * p[:, 1:]
    assert np.abs(slope).max() > 0.1
    np.testing.assert_allclose(tape.gradient(loss, values).numpy(), np.hstack([slope, -slope]), rtol=1e-9)


@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_gradients_of_the_weights_by_differences(kind: str) -> None:
    router, x = random_router(kind)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(router(x, training=True))
    weights = router.trainable_weights
    gradients = tape.gradient(loss, [weight.value for weight in weights])
    rng = np.random.default_rng(2)
    for weight, gradient in zip(weights, gradients, strict=True):
        value, direction, sums = np.asarray(weight).copy(), rng.normal(size=weight.shape), []
        for step in (1e-6, -1e-6):
            weight.assign(value + step * direction)
            sums.append(eq_3(scores(router, x, training=True), 10.0).sum())
        weight.assign(value)
        slope = (sums[0] - sums[1]) / 2e-6
        assert float((gradient.numpy() * direction).sum()) == pytest.approx(slope, rel=1e-5, abs=1e-8)


# Decisions that are drawn


def rows(probability: float, count: int) -> np.ndarray:
    return np.tile([[math.log(probability / (1 - probability)), 0.0]], (count, 1))


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.6, 0.95])
def test_bernoulli_draws_with_the_probability_and_not_with_the_soft_decision(probability: float) -> None:
    count = 20_000
    drawn = array(SkipRouter("recurrent", decision="bernoulli", seed=3)(rows(probability, count)))
    assert set(np.unique(drawn)) == {0.0, 1.0}
    assert abs(drawn.mean() - probability) < 5 * math.sqrt(probability * (1 - probability) / count)


def test_draws_differ_and_the_seed_repeats_them() -> None:
    one, same, other = (SkipRouter("recurrent", decision="bernoulli", seed=seed) for seed in (1, 1, 2))
    x = rows(0.5, 200)
    draws = [array(one(x)) for _ in range(2)]
    assert (draws[0] != draws[1]).mean() > 0.3
    for draw in draws:
        np.testing.assert_array_equal(array(same(x)), draw)
    assert (array(other(x)) != draws[0]).mean() > 0.3


def test_nothing_is_drawn_in_training() -> None:
    router, x = random_router("linear", count=100, decision="bernoulli", seed=1)
    np.testing.assert_allclose(array(router(x, training=True)), eq_3(scores(router, x, True), 10.0), rtol=1e-9)
    hard = scores(router, x, False)[:, :1] >= scores(router, x, False)[:, 1:]
    assert (array(router(x)) != hard).any()
    router.trainable = False
    np.testing.assert_array_equal(array(router(x, training=True)), hard)


# Decisions that are given


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_given_switches_are_returned_and_no_weight_is_read(kind: str, training: bool) -> None:
    router, x = random_router(kind, decision="given")
    switches, before = np.arange(BATCH)[:, None] % 3 == 0, router.get_weights()
    with tf.GradientTape() as tape:
        decision = router(x, switches, training=training)
    assert tape.gradient(decision, [weight.value for weight in router.trainable_weights]) == [None] * len(
        router.trainable_weights
    )
    np.testing.assert_array_equal(array(decision), switches)
    for old, new in zip(before, router.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_given_decisions_cost_nothing_and_keep_the_parameters(kind: str) -> None:
    shape, counts = (None, 8, 8, CHANNELS), []
    for decision in ("given", "threshold"):
        router = SkipRouter(kind, decision=decision)
        router.build(shape)
        counts.append((router.count_params(), router.macs([shape, (None, 1)] if decision == "given" else shape)))
    assert counts[0][0] == counts[1][0] > 0
    assert counts[0][1] == 0 < counts[1][1]


def test_missing_switches_are_named() -> None:
    with pytest.raises(ValueError, match="SkipRouter with decision='given' needs its second call argument, `switches`"):
        SkipRouter(decision="given")(np.zeros((2, 4, 4, 3), "float32"))


# Thresholds


@pytest.mark.parametrize("rate", [None, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_an_initial_open_rate_is_the_probability_that_the_biases_give(kind: str, rate: float | None) -> None:
    # Zeros leave nothing but the biases.
    router, zeros = SkipRouter(kind, init_open_rate=rate), np.zeros((2, 4, 4, 3), "float32")
    bias = [math.log(rate / (1 - rate)) if rate else 0.0, 0.0]
    p = reference.softmax(np.array([bias] * 2))
    np.testing.assert_allclose(p[:, 0], rate or 0.5)
    np.testing.assert_allclose(array(router(zeros, training=True)), eq_3(np.array([bias] * 2), 10.0), rtol=1e-5)
    np.testing.assert_allclose(np.asarray(router.scores_layer.bias), bias, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_margins_are_the_differences_of_the_scores(kind: str) -> None:
    router, x = random_router(kind)
    values = scores(router, x, training=False)
    np.testing.assert_allclose(array(router.margins(x)), values[:, :1] - values[:, 1:], rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_shifting_moves_the_margins_and_one_weight_alone(kind: str) -> None:
    router, x = random_router(kind)
    before, weights = array(router.margins(x)), {weight.path: np.asarray(weight).copy() for weight in router.weights}
    router.shift_thresholds(np.array([-1.5]))
    np.testing.assert_allclose(array(router.margins(x)) - before, np.full((BATCH, 1), -1.5), rtol=1e-9)
    moved = {weight.path: np.asarray(weight) - weights[weight.path] for weight in router.weights}
    changed = {path.rpartition("/")[2]: each for path, each in moved.items() if each.any()}
    (name, change), *others = changed.items()
    assert name == ("threshold" if kind == "recurrent" else "bias") and others == []
    np.testing.assert_allclose(change, [-1.5] if kind == "recurrent" else [-1.5, 0.0], rtol=1e-9)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_block_runs_for_the_share(kind: str, rate: float) -> None:
    router, x = random_router(kind, count=40)
    router.shift_thresholds(router.shifts_for_rate(rate, x))
    assert array(router(x)).mean() == pytest.approx(round(rate * 40) / 40)
    # In training as well, for the kinds without batch statistics.
    if kind != "conv":
        assert (array(router(x, training=True)) >= 0.5).mean() == pytest.approx(round(rate * 40) / 40)


@pytest.mark.parametrize("decision", ["bernoulli", "given"])
def test_what_decides_by_no_threshold_has_no_rate(decision: str) -> None:
    router, x = random_router("linear", decision=decision, name="router_7")
    message = f"Router 'router_7' decides by '{decision}', not by a threshold.*decision='threshold'"
    with pytest.raises(ValueError, match=message):
        router.shifts_for_rate(0.5, x)


# Counts


@pytest.mark.parametrize(("channels", "side", "macs"), [(16, 32, 288), (32, 16, 544), (64, 8, 1056)])
def test_costs_and_parameters_in_the_stages_of_the_paper(channels: int, side: int, macs: int) -> None:
    shape = (None, side, side, channels)
    linear, conv = SkipRouter(), SkipRouter("conv")
    for router in (linear, conv):
        router.build(shape)
    assert linear.macs(shape) == macs
    assert linear.count_params() == channels * 16 + 16 + 16 * 2 + 2
    # An eighth of a block, and the scores.
    assert conv.macs(shape) == BLOCK // 8 + 2 * channels
    assert sum(math.prod(each.shape) for each in conv.trainable_weights) == 9 * channels**2 + 4 * channels + 2


def test_costs_of_odd_sizes_and_other_widths() -> None:
    assert SkipRouter(hidden=3).macs((None, 8, 8, 10)) == 3 * 10 + 3 * 2
    assert SkipRouter("conv").macs((None, 5, 7, 4)) == 3 * 4 * 9 * 16 + 4 * 2
    assert SkipRouter("recurrent").macs((None, 2)) == 0


def test_a_recurrent_router_trains_nothing() -> None:
    router, _ = random_router("recurrent")
    assert router.trainable_weights == [] and [weight.shape for weight in router.weights] == [(1,)]


# As a Keras layer


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("kind", KINDS)
def test_mixed_precision(kind: str, policy: str) -> None:
    router, x = random_router(kind, count=40, dtype=policy)
    plain, _ = random_router(kind, dtype="float32")
    plain.set_weights(router.get_weights())
    soft, hard = router(x, training=True), router(x)
    for output in (soft, hard):
        assert keras.backend.standardize_dtype(output.dtype) == policy.removeprefix("mixed_")
    assert {weight.dtype for weight in router.weights} == {"float32"}
    assert set(np.unique(array(hard))) == {0.0, 1.0}
    # Near the middle a decision is steep: beta / 4 and half per unit of score.
    np.testing.assert_allclose(array(soft), array(plain(x.astype("float32"), training=True)), atol=0.1)


def test_it_knows_its_shape_before_it_sees_data() -> None:
    output = SkipRouter(dtype="float64")(keras.Input((8, 8, 3)))
    assert output.shape == (None, 1) and output.dtype == "float64"


@pytest.mark.parametrize("kind", KINDS)
def test_a_router_comes_back_from_its_configuration(kind: str) -> None:
    arguments = {"beta": 4.0, "decision": "bernoulli", "momentum": 0.8, "seed": 5, "name": "router_7"}
    router, x = random_router(kind, init_open_rate=0.7, **arguments)
    again = SkipRouter.from_config(router.get_config())
    assert again.get_config() == router.get_config()
    # Files hold shapes as lists.
    again.build([None, *x.shape[1:]])
    again.set_weights(router.get_weights())
    for training in (True, False):
        np.testing.assert_array_equal(array(again(x, training=training)), array(router(x, training=training)))


@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_a_frozen_router_comes_back_frozen(kind: str) -> None:
    router, x = random_router(kind)
    router.trainable = False
    again = SkipRouter.from_config(router.get_config())
    maps = keras.Input(x.shape[1:], dtype="float64")
    # A model asks each variable.
    assert keras.Model(maps, again(maps)).trainable_variables == [] == again.trainable_weights


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "rnn"}, "`kind` must be one of 'linear', 'conv', 'recurrent'. Received: kind='rnn'"),
        ({"decision": "first"}, "`decision` must be one of 'threshold', 'bernoulli', 'given'. Received: .*'first'"),
        ({"hidden": 0}, "`hidden` must be a positive integer. Received: hidden=0"),
        ({"beta": 0.0}, "`beta` must be a positive number. Received: beta=0.0"),
        ({"beta": float("nan")}, "`beta` must be a positive number. Received: beta=nan"),
        ({"init_open_rate": 0}, r"`init_open_rate` must be in \(0, 1\). Received: init_open_rate=0"),
        ({"init_open_rate": 1.0}, r"`init_open_rate` must be in \(0, 1\). Received: init_open_rate=1.0"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SkipRouter(**arguments)


@pytest.mark.parametrize(
    ("kind", "shape", "expected"),
    [
        ("linear", (2, 5), r"maps \(batch, height, width, channels\)"),
        ("conv", (2, 5, 4), r"maps \(batch, height, width, channels\)"),
        ("recurrent", (2, 3), r"scores \(batch, 2\)"),
        ("recurrent", (2, 4, 4, 2), r"scores \(batch, 2\)"),
    ],
)
def test_inputs_of_another_shape_are_shown(kind: str, shape: tuple[int, ...], expected: str) -> None:
    received = str(shape).replace("(", r"\(").replace(")", r"\)")
    message = f"SkipRouter of kind '{kind}' takes {expected}. Received: inputs.shape={received}"
    with pytest.raises(ValueError, match=message):
        SkipRouter(kind)(np.ones(shape, "float32"))


def test_as_many_hidden_units_as_channels_and_no_nonlinearity_are_one_layer() -> None:
    router, x = random_router("linear", hidden="channels", hidden_activation="linear", beta=25.0)
    (w1, b1), (w2, b2) = router.hidden_layer.get_weights(), router.scores_layer.get_weights()
    assert w1.shape == (CHANNELS, CHANNELS)
    values = x.mean(axis=(1, 2)) @ (w1 @ w2) + (b1 @ w2 + b2)
    np.testing.assert_allclose(array(router(x, training=True)), eq_3(values, 25.0), rtol=1e-9)
    np.testing.assert_array_equal(array(router(x, training=False))[:, 0], values[:, 0] >= values[:, 1])
    # Two products per image, with C hidden units.
    assert router.macs((None, HEIGHT, WIDTH, CHANNELS)) == CHANNELS * CHANNELS + CHANNELS * 2
    again = SkipRouter.from_config(router.get_config())
    assert (again.hidden, again.hidden_activation) == ("channels", "linear")


def test_unknown_activations_of_hidden_units_are_refused() -> None:
    with pytest.raises(ValueError, match="hidden_activation"):
        SkipRouter(hidden_activation="gelu")


# Other decisions in training


@pytest.mark.parametrize("kind", KINDS)
def test_straight_through_decides_hard_in_training_with_the_gradient_of_the_probability(kind: str) -> None:
    router, x = random_router(kind, count=40, relaxation="straight_through")
    values = scores(router, x, training=True)
    with tf.GradientTape() as tape:
        tape.watch(read := tf.constant(x))
        decision = router(read, training=True)
    np.testing.assert_array_equal(array(decision), (values[:, :1] >= values[:, 1:]).astype(float))
    if kind == "recurrent":
        assert set(np.unique(array(decision))) == {0.0, 1.0}
        p = reference.softmax(values)
        slope = p[:, :1] * p[:, 1:]
        np.testing.assert_allclose(tape.gradient(decision, read).numpy(), np.hstack([slope, -slope]), rtol=1e-9)


def test_sampled_decisions_come_with_the_probability_of_the_scores_and_without_a_gradient() -> None:
    x = np.tile([[1.0, 0.0]], (4000, 1)).astype("float32")
    router = SkipRouter("recurrent", relaxation="sampled", seed=1)
    router.build((None, 2))
    # Of the scores alone: what an objective reads knows no threshold, which counts at inference.
    router.shift_thresholds(np.array([-5.0], "float32"))
    with tf.GradientTape() as tape:
        tape.watch(read := tf.constant(x))
        decision = router(read, training=True)
    assert tape.gradient(decision, read) is None
    assert set(np.unique(array(decision))) == {0.0, 1.0}
    assert array(decision).mean() == pytest.approx(1 / (1 + math.exp(-1)), abs=0.03)
    assert array(router(x)).max() == 0
    np.testing.assert_array_equal(
        array(SkipRouter("recurrent", relaxation="sampled", seed=1)(x, training=True)), decision
    )


def test_soft_routers_are_as_in_files_of_before() -> None:
    assert "relaxation" not in SkipRouter().get_config()
    assert SkipRouter.from_config(SkipRouter(relaxation="sampled").get_config()).relaxation == "sampled"
    with pytest.raises(ValueError, match="relaxation"):
        SkipRouter(relaxation="hard")
