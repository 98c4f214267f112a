"""A junction scores its sinks by three dense layers: the largest decides, in training their softmax."""

from typing import Any

import keras
import numpy as np
import pytest

from tests import numpy_reference as reference
from tf_routing import fold_batch_norm
from tf_routing.layers import Junction

COUNT, SHAPE, HIDDEN, EPSILON = 20, (2, 3, 4), 5, 1e-6


def random_junction(sinks: int = 3, told: bool = False, **arguments: Any) -> tuple[Junction, list[Any]]:
    """Returns a junction with random weights that uses all its sinks, and maps, reach and cost (or `None`)."""
    rng = np.random.default_rng(5)
    junction = Junction(sinks, **{"hidden": HIDDEN, "epsilon": EPSILON, "dtype": "float64", **arguments})
    junction.build((None, *SHAPE), (None, 1), (None, 1) if told else None)
    reference.randomise(junction, rng)
    maps, reach = rng.normal(size=(COUNT, *SHAPE)), rng.uniform(size=(COUNT, 1))
    cost = rng.uniform(0, 0.64, (COUNT, 1)) if told else None
    kernel, bias = junction.scores_layer.get_weights()
    medians = np.median(scores(junction, maps, cost, training=False), axis=0)
    junction.scores_layer.set_weights([kernel, bias - medians])
    return junction, [maps, reach, cost]


def scores(junction: Junction, maps: np.ndarray, cost: np.ndarray | None, training: bool) -> np.ndarray:
    x = maps.reshape(len(maps), -1)
    x = x if cost is None else np.concatenate([x, cost], axis=1)
    for dense, norm in zip(junction.hidden_layers, junction.normalizations, strict=True):
        kernel, bias = dense.get_weights()
        weights = reference.NormWeights(*norm.get_weights())
        x = reference.relu(reference.batch_norm(x @ kernel + bias, weights, EPSILON, training))
    kernel, bias = junction.scores_layer.get_weights()
    return x @ kernel + bias


def arrays(tensors: Any) -> list[np.ndarray]:
    return [np.asarray(each) for each in tensors]


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("sinks", [2, 3])
def test_in_training_the_decision_is_a_softmax_times_the_reach(sinks: int, told: bool) -> None:
    junction, (maps, reach, cost) = random_junction(sinks, told)
    expected = scores(junction, maps, cost, training=True)
    decision, found, *columns = arrays(junction(maps, reach, cost, training=True))
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(decision, reach * reference.softmax(expected), rtol=1e-8)
    np.testing.assert_array_equal(np.concatenate(columns, axis=1), decision)
    # What goes on is what came.
    np.testing.assert_allclose(decision.sum(axis=1, keepdims=True), reach, rtol=1e-12)


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("sinks", [2, 3])
def test_at_inference_the_largest_score_decides(sinks: int, told: bool) -> None:
    junction, (maps, _, cost) = random_junction(sinks, told)
    came = np.arange(COUNT)[:, None] % 3 > 0
    expected = scores(junction, maps, cost, training=False)
    decision, found, *columns = arrays(junction(maps, came.astype("float64"), cost, training=False))
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)
    assert len(set(expected.argmax(axis=1))) == sinks
    np.testing.assert_array_equal(decision, np.eye(sinks)[expected.argmax(axis=1)] * came)
    np.testing.assert_array_equal(np.concatenate(columns, axis=1), decision)


def test_without_a_reach_every_sample_comes() -> None:
    junction, (maps, *_) = random_junction()
    for training in (False, True):
        alone, ones = (arrays(junction(maps, reach, training=training)) for reach in (None, np.ones((COUNT, 1))))
        for one, other in zip(alone, ones, strict=True):
            np.testing.assert_array_equal(one, other)


def test_flat_features_are_taken_too() -> None:
    junction, (maps, *_) = random_junction()
    flat = junction(maps.reshape(COUNT, -1))
    for one, other in zip(arrays(junction(maps)), arrays(flat), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("sinks", [2, 3, 7])
def test_an_untrained_junction_is_undecided_and_takes_the_first(sinks: int) -> None:
    junction = Junction(sinks, seed=1)
    maps = np.random.default_rng(0).normal(size=(COUNT, *SHAPE)).astype("float32")
    np.testing.assert_allclose(np.asarray(junction(maps, training=True)[0]), np.full((COUNT, sinks), 1 / sinks), 1e-6)
    np.testing.assert_array_equal(np.asarray(junction(maps)[0]), np.eye(sinks)[[0] * COUNT])


@pytest.mark.parametrize(
    ("scored", "taken"),
    [([2, 2, 1], 0), ([1, 2, 2], 1), ([2, 1, 2], 0), ([2, 2, 2], 0), ([1, 1, 2], 2), ([-1, -1, -2], 0)],
)
def test_ties_go_to_the_first_of_the_largest(scored: list[float], taken: int) -> None:
    junction, (maps, *_) = random_junction()
    kernel, _ = junction.scores_layer.get_weights()
    junction.scores_layer.set_weights([np.zeros_like(kernel), np.array(scored, "float64")])
    np.testing.assert_array_equal(np.asarray(junction(maps)[0]), np.eye(3)[[taken] * COUNT])


@pytest.mark.parametrize(
    ("channels", "sinks", "told", "macs"),
    [
        (16, 2, False, 4_384),
        (32, 2, False, 8_480),
        (64, 2, False, 16_672),
        (128, 2, False, 33_056),
        # One sink more is 16 more, and so is being told one number.
        (16, 3, False, 4_400),
        (16, 2, True, 4_400),
    ],
)
def test_macs_are_those_of_the_paper(channels: int, sinks: int, told: bool, macs: int) -> None:
    junction = Junction(sinks)
    junction.build((None, 4, 4, channels), None, (None, 1) if told else None)
    assert junction.macs((None, 4, 4, channels)) == macs
    shapes = [(None, 4, 4, channels), (None, 1), (None, 1)] if told else (None, 4, 4, channels)
    assert junction.macs(shapes) == macs


def test_kernels_come_from_the_seed_and_differ() -> None:
    first, again, other = (Junction(2, hidden=48, seed=seed) for seed in (3, 3, 4))
    for each in (first, again, other):
        each.build((None, 48))
    kernels = [np.asarray(dense.kernel) for each in (first, again, other) for dense in each.hidden_layers]
    np.testing.assert_array_equal(kernels[:2], kernels[2:4])
    assert np.abs(kernels[0] - kernels[1]).max() > 0.1 and np.abs(kernels[0] - kernels[4]).max() > 0.1
    for kernel in kernels:
        assert kernel.std() == pytest.approx(48**-0.5, rel=0.05)


@pytest.mark.parametrize("told", [False, True])
def test_a_junction_without_its_normalisations_decides_the_same(told: bool) -> None:
    junction, (maps, reach, cost) = random_junction(told=told, name="junction_1")
    junction.trainable = False
    model = keras.Model(
        given := [keras.Input(x.shape[1:], dtype="float64") for x in (maps, reach, cost) if x is not None],
        junction(*given),
    )
    folded = fold_batch_norm(model).get_layer("junction_1")
    assert not folded.normalizations and not folded.trainable and len(folded.weights) == 6
    again = Junction.from_config(folded.get_config())
    again.build_from_config(folded.get_build_config())
    again.set_weights(folded.get_weights())
    expected = arrays(junction(maps, reach, cost))
    for layer in (folded, again):
        for one, other in zip(arrays(layer(maps, reach, cost)), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    assert junction.normalizations and len(junction.weights) == 6 + 8


# Calibration


def test_a_margin_is_that_of_the_best_way_on() -> None:
    junction, (maps, reach, _) = random_junction()
    expected = scores(junction, maps, None, training=False)
    margins = np.asarray(junction.margins(maps, reach))
    np.testing.assert_allclose(margins[:, 0], expected[:, 1:].max(axis=1) - expected[:, 0], rtol=1e-8, atol=1e-9)
    went_on = np.asarray(junction(maps)[0])[:, 0] == 0
    np.testing.assert_array_equal(went_on, margins[:, 0] > 0)


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("rate", [0, 0.25, 0.5, 1])
def test_the_shift_lets_a_share_of_those_that_come_go_on(rate: float, told: bool) -> None:
    junction, (maps, _, cost) = random_junction(told=told)
    reach = (np.arange(COUNT)[:, None] % 5 > 0).astype("float64")
    given = [maps, reach] if cost is None else [maps, reach, cost]
    junction.shift_thresholds(junction.shifts_for_rate(rate, *given))
    decision = np.asarray(junction(*given)[0])
    assert decision.sum() == 16
    assert decision[:, 1:].sum() == rate * 16


def test_a_shift_adds_to_the_margin() -> None:
    junction, (maps, *_) = random_junction()
    before = np.asarray(junction.margins(maps))
    junction.shift_thresholds(np.array([0.75]))
    np.testing.assert_allclose(np.asarray(junction.margins(maps)), before + 0.75, rtol=1e-7)


def test_where_none_comes_all_count() -> None:
    junction, (maps, *_) = random_junction()
    junction.shift_thresholds(junction.shifts_for_rate(0.5, maps, np.zeros((COUNT, 1))))
    assert np.asarray(junction(maps)[0])[:, 1:].sum() == COUNT / 2


def test_the_parts_have_the_junctions_precision_and_freeze_with_it() -> None:
    junction, _ = random_junction(trainable=False)
    parts = [*junction.hidden_layers, *junction.normalizations, junction.scores_layer]
    assert {keras.backend.standardize_dtype(part.compute_dtype) for part in parts} == {"float64"}
    assert junction.trainable_weights == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sinks": 0}, "`sinks` must be a positive integer. Received: sinks=0"),
        ({"sinks": 2.0}, "`sinks` must be a positive integer. Received: sinks=2.0"),
        ({"sinks": 2, "hidden": 0}, "`hidden` must be a positive integer. Received: hidden=0"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Junction(**arguments)


def test_a_decision_that_is_given_sends_all_to_the_last_sink_or_leaves() -> None:
    junction, (maps, reach, _) = random_junction()
    outputs = junction(maps, reach)
    for is_open, sink in ((True, 2), (False, 0)):
        decision, kept, *columns = junction.decided(outputs, is_open)
        np.testing.assert_array_equal(decision, np.eye(3)[np.full(COUNT, sink)])
        np.testing.assert_array_equal(np.concatenate(columns, axis=1), decision)
        assert kept is outputs[1]
