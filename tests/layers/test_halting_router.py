"""The halting distribution by hand: who goes on, the weights, what remains, their gradients, thresholds and costs."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.halting import halt, logits
from tf_routing.layers import HaltedPositions, HaltingMean, HaltingRouter

# Halts behind the first unit, the second, the last but one, at the edge of the tolerance, and never before the last.
SCORES = np.array([[0.995, 0.5, 0.5], [0.3, 0.8, 0.9], [0.2, 0.3, 0.6], [0.5, 0.495, 0.3], [0.1, 0.2, 0.3]])
UNITS = [1, 2, 3, 2, 4]


def by_bias(score: float, **arguments: Any) -> HaltingRouter:
    """A router of this score, whatever it reads."""
    router = HaltingRouter(**arguments)
    router.build((None, 4, 4, 3))
    router.score_layer.kernel.assign(np.zeros((3, 1)))
    router.score_layer.bias.assign([logits(np.array(score))])
    return router


def by_channel(spatial: bool = False) -> HaltingRouter:
    """A router whose logit is the mean of the first channel, or what it holds at each position."""
    router = HaltingRouter(spatial=spatial)
    router.build((None, 1, 1, 1))
    router.score_layer.bias.assign([0.0])
    router.score_layer.kernel.assign([[0.0 if spatial else 1.0]])
    if spatial:
        kernel = np.zeros((3, 3, 1, 1))
        kernel[1, 1] = 1
        router.local_layer.kernel.assign(kernel)
    return router


def distribution(scores: Any, spatial: bool = False) -> tuple[list[Any], list[Any]]:
    """Returns decisions and weights of a stage whose units have these scores, `(units, ...)` maps of one channel."""
    router, remaining = by_channel(spatial), None
    decisions, weights = [], []
    for maps in scores:
        decision, weight, remaining = router(maps) if remaining is None else router(maps, remaining)
        decisions.append(decision)
        weights.append(weight)
    return decisions, [*weights, remaining]


def as_maps(scores: np.ndarray) -> list[Any]:
    return [tf.constant(logits(column).reshape(-1, 1, 1, 1), tf.float32) for column in scores.T]


def test_the_distribution_is_that_of_the_sums() -> None:
    decisions, weights = distribution(as_maps(SCORES))
    units, _, expected = halt(np.concatenate([SCORES, np.ones((5, 1))], axis=1))
    assert units.tolist() == UNITS
    np.testing.assert_allclose(np.concatenate(weights, axis=1), expected, atol=1e-6)
    np.testing.assert_array_equal(1 + np.concatenate(decisions, axis=1).sum(axis=1), UNITS)


def test_weights_sum_to_one_and_none_is_negative() -> None:
    scores = np.random.default_rng(0).uniform(0.01, 0.5, size=(200, 7))
    decisions, weights = distribution(as_maps(scores))
    found, taken = np.concatenate(weights, axis=1), np.concatenate(decisions, axis=1)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    assert (found >= 0).all()
    # Who halted goes on no more, and has no weight.
    assert (np.diff(taken, axis=1) <= 0).all() and (found[:, 1:][taken == 0] == 0).all()
    assert 0 < taken[:, -1].sum() < taken[:, 0].sum()


def test_each_position_halts_by_itself_and_the_next_unit_runs_where_one_goes_on() -> None:
    scores = np.stack([SCORES[:4], SCORES[1:]])
    maps = [tf.constant(logits(scores[:, :, n]).reshape(2, 2, 2, 1), tf.float32) for n in range(3)]
    decisions, weights = distribution(maps, spatial=True)
    for image in range(2):
        _, _, expected = halt(np.concatenate([scores[image], np.ones((4, 1))], axis=1))
        found = np.stack([np.asarray(weight)[image].reshape(4) for weight in weights], axis=1)
        np.testing.assert_allclose(found, expected, atol=1e-6)
    # In the first image no position needs the fourth unit, in the second the last does.
    assert [np.asarray(each)[:, 0].tolist() for each in decisions] == [[1, 1], [1, 1], [0, 1]]


def test_gradients_of_the_weights_are_those_of_scores_and_remainder() -> None:
    variables = [tf.Variable(maps) for maps in as_maps(SCORES)]
    with tf.GradientTape() as tape:
        _, weights = distribution(variables)
        # Numbers that tell the weights apart.
        total = sum(
            factor * tf.reduce_sum(weight) for factor, weight in zip((2.0, 3.0, 5.0, 7.0), weights, strict=True)
        )
    found = np.stack([np.reshape(each, -1) for each in tape.gradient(total, variables)], axis=1)
    factors, expected = np.array([2.0, 3.0, 5.0, 7.0]), np.zeros_like(SCORES)
    for row, units in enumerate(UNITS):
        for n in range(units - 1):
            # A score before the last moves its own weight, and takes from the last one's.
            expected[row, n] = (factors[n] - factors[units - 1]) * SCORES[row, n] * (1 - SCORES[row, n])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_scores_read_means_and_neighbours_as_written() -> None:
    router = HaltingRouter(spatial=True, init_bias=-1.0)
    x = np.random.default_rng(1).normal(size=(2, 4, 5, 3)).astype("float32")
    _, weight, _ = router(x)
    kernel, local = np.asarray(router.score_layer.kernel), np.asarray(router.local_layer.kernel)[..., 0]
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = np.zeros((2, 4, 5))
    for image, row, column in np.ndindex(2, 4, 5):
        window = padded[image, row : row + 3, column : column + 3]
        logit = (window * local).sum() + float(x[image].mean(axis=(0, 1)) @ kernel[:, 0]) - 1
        expected[image, row, column] = 1 / (1 + np.exp(-logit))
    halts = 1 - expected <= 0.01
    np.testing.assert_allclose(weight[..., 0], np.where(halts, 1, expected), atol=1e-5)


def test_normalised_scores_read_the_statistics_of_the_batch_in_training_only() -> None:
    router = HaltingRouter(normalize=True, init_bias=0.0)
    x = np.random.default_rng(2).normal(3.0, 2.0, size=(64, 2, 2, 3)).astype("float32")
    _, trained, _ = router(x, training=True)
    means = x.mean(axis=(1, 2))
    normal = (means - means.mean(axis=0)) / np.sqrt(means.var(axis=0) + 1e-5)
    expected = 1 / (1 + np.exp(-normal @ np.asarray(router.score_layer.kernel)))
    np.testing.assert_allclose(trained, np.where(1 - expected > 0.01, expected, 1), atol=1e-4)
    moved = np.asarray(router.normalization.moving_mean)
    np.testing.assert_allclose(moved, 0.1 * means.mean(axis=0), rtol=1e-4)
    router(x, training=False)
    np.testing.assert_array_equal(moved, router.normalization.moving_mean)


@pytest.mark.parametrize("spatial", [False, True])
def test_a_shift_moves_margins_by_itself_and_their_sign_is_the_decision(spatial: bool) -> None:
    router = HaltingRouter(spatial=spatial, tolerance=0.3, init_bias=1.0)
    random = np.random.default_rng(3)
    x = random.normal(size=(40, 3, 3, 2)).astype("float32")
    remaining = random.uniform(0.2, 1, size=(40, 3, 3, 1) if spatial else (40, 1)).astype("float32")
    decision = np.asarray(router(x, remaining)[0])
    before = np.asarray(router.margins(x, remaining))
    assert 0 < decision.mean() < 1
    np.testing.assert_array_equal(decision, before > 0)
    router.shift_thresholds(np.array([0.25]))
    comes = (remaining > 0.3).reshape(40, -1).any(axis=1)
    np.testing.assert_allclose(np.asarray(router.margins(x, remaining))[comes], before[comes] + 0.25, atol=1e-5)


def test_the_share_that_goes_on_is_of_all_and_at_most_those_that_come() -> None:
    router = HaltingRouter(init_bias=0.0)
    x = np.random.default_rng(4).normal(size=(10, 2, 2, 3)).astype("float32")
    remaining = np.where(np.arange(10)[:, None] < 6, 0.8, 0).astype("float32")
    router.build(x.shape)
    for rate, expected in ((0.3, 3), (0.6, 6), (0.9, 6), (0.0, 0)):
        router.shift_thresholds(router.shifts_for_rate(rate, x, remaining))
        decision = np.asarray(router(x, remaining)[0])[:, 0]
        assert decision.sum() == expected and not decision[6:].any()
    # Where nobody comes there is nothing to shift.
    assert router.shifts_for_rate(0.5, x, np.zeros((10, 1), "float32")).tolist() == [0.0]


def test_a_decision_that_is_given_leaves_the_weights_a_distribution() -> None:
    router = by_bias(0.3)
    outputs = router(np.zeros((2, 4, 4, 3), "float32"), np.array([[0.9], [0.0]], "float32"))
    opened = [np.asarray(each).ravel().tolist() for each in router.decided(outputs, True)]
    closed = [np.asarray(each).ravel().tolist() for each in router.decided(outputs, False)]
    assert opened[0] == [1, 1] and opened[1:] == [pytest.approx([0.3, 0]), pytest.approx([0.6, 0])]
    assert closed == [[0, 0], pytest.approx([0.9, 0]), [0, 0]]


def test_costs_are_those_of_the_products() -> None:
    assert HaltingRouter().macs((None, 8, 6, 5)) == 5
    assert HaltingRouter(spatial=True).macs([(None, 8, 6, 5), (None, 8, 6, 1)]) == 5 + 9 * 5 * 8 * 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tolerance": 0.0}, r"`tolerance` must be in \(0, 1\)"),
        ({"tolerance": 1}, r"`tolerance` must be in \(0, 1\)"),
        ({"init_bias": float("inf")}, "`init_bias` must be a finite number"),
        ({"init_bias": "low"}, "`init_bias` must be a finite number"),
    ],
)
def test_what_is_not_possible_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HaltingRouter(**arguments)


def test_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="HaltingRouter takes maps"):
        HaltingRouter()(np.zeros((2, 3), "float32"))


def test_the_mean_weighs_maps_by_sample_or_position() -> None:
    random = np.random.default_rng(5)
    maps = [random.normal(size=(2, 3, 4, 5)).astype("float32") for _ in range(3)]
    for shape in ((2, 1), (2, 3, 4, 1)):
        shares = [random.uniform(size=shape).astype("float32") for _ in range(3)]
        expected = sum(
            x * share.reshape(2, *((1, 1, 1) if len(shape) == 2 else shape[1:]))
            for x, share in zip(maps, shares, strict=True)
        )
        np.testing.assert_allclose(HaltingMean()(maps, shares), expected, atol=1e-6)
    with pytest.raises(ValueError, match="as many shares as maps. Received: 3 maps and 2 shares"):
        HaltingMean()(maps, shares[:2])


def test_positions_that_halted_keep_their_values_and_gradients() -> None:
    before, after = (tf.Variable(np.full((1, 1, 2, 3), value, "float32")) for value in (1.0, 2.0))
    with tf.GradientTape() as tape:
        kept = HaltedPositions()(after, before, tf.constant([[[[0.4], [0.0]]]]))
        total = tf.reduce_sum(kept)
    np.testing.assert_array_equal(kept[0, 0, :, 0], [2.0, 1.0])
    of_after, of_before = tape.gradient(total, [after, before])
    np.testing.assert_array_equal(of_after[0, 0, :, 0], [1, 0])
    np.testing.assert_array_equal(of_before[0, 0, :, 0], [0, 1])
    with pytest.raises(ValueError, match="maps of one shape"):
        HaltedPositions()(keras.ops.ones((1, 2, 2, 3)), keras.ops.ones((1, 2, 2, 4)), keras.ops.ones((1, 2, 2, 1)))
