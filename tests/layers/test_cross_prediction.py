"""Cross-predictions compute Eq. 4, with the batch's own statistics in training and the moving ones at inference."""

from typing import Any

import keras
import numpy as np
import pytest

from tests import numpy_reference as reference
from tf_routing.layers import CrossPrediction

CASES = [((4, 3, 5, 6), {"filters": 7}), ((8, 6), {"units": 7})]


def random_prediction(
    shape: tuple[int, ...], m: int, n: int, **arguments: Any
) -> tuple[CrossPrediction, list[np.ndarray]]:
    rng = np.random.default_rng(2)
    layer = CrossPrediction(n, hidden=5, dtype="float64", **arguments)
    layer.build([(None, *shape[1:])] * m)
    reference.randomise(layer, rng)
    return layer, [rng.normal(size=shape) for _ in range(m)]


def gates_and_predictions(layer: CrossPrediction, inputs: list[np.ndarray]) -> tuple[np.ndarray, list[list[Any]]]:
    gates = reference.gates(inputs, reference.gate_weights(layer))
    return gates, [[each.get_weights() for each in row] for row in layer.predictions]


def expected_outputs(layer: CrossPrediction, inputs: list[np.ndarray], training: bool) -> list[np.ndarray]:
    gates, predictions = gates_and_predictions(layer, inputs)
    norms = [reference.NormWeights(*each.get_weights()) for each in layer.normalizations]
    return reference.cross_prediction(inputs, gates, predictions, norms, layer.epsilon, training)


def arrays(tensors: Any) -> list[np.ndarray]:
    return [np.asarray(each) for each in tensors]


@pytest.mark.parametrize(("shape", "arguments"), CASES)
@pytest.mark.parametrize(("m", "n"), [(1, 3), (2, 2), (3, 2)])
@pytest.mark.parametrize("training", [False, True])
def test_values_are_those_of_the_equations(
    shape: tuple[int, ...], arguments: dict[str, Any], m: int, n: int, training: bool
) -> None:
    layer, inputs = random_prediction(shape, m, n, **arguments)
    expected = expected_outputs(layer, inputs, training)
    assert all((each > 0).any() and (each == 0).any() for each in expected)
    np.testing.assert_allclose(arrays(layer(inputs, training=training)), expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("shape", "arguments"), CASES)
def test_training_and_inference_differ(shape: tuple[int, ...], arguments: dict[str, Any]) -> None:
    layer, inputs = random_prediction(shape, 2, 2, **arguments)
    assert not np.allclose(expected_outputs(layer, inputs, True), expected_outputs(layer, inputs, False), atol=1e-2)


@pytest.mark.parametrize("arguments", [{"use_bias": False}, {"kernel_size": 1}, {"kernel_size": 2}, {"epsilon": 0.5}])
def test_options_on_maps(arguments: dict[str, Any]) -> None:
    layer, inputs = random_prediction((4, 3, 5, 6), 2, 2, filters=7, **arguments)
    expected = expected_outputs(layer, inputs, training=True)
    np.testing.assert_allclose(arrays(layer(inputs, training=True)), expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("shape", "arguments"), CASES)
def test_training_moves_the_statistics_by_one_minus_momentum(shape: tuple[int, ...], arguments: dict[str, Any]) -> None:
    layer, inputs = random_prediction(shape, 2, 2, momentum=0.75, **arguments)
    sums = reference.cross_prediction_sums(inputs, *gates_and_predictions(layer, inputs))
    before = [reference.NormWeights(*each.get_weights()) for each in layer.normalizations]
    layer(inputs, training=True)
    for norm, old, predicted in zip(layer.normalizations, before, sums, strict=True):
        mean, variance = reference.batch_statistics(predicted)
        np.testing.assert_allclose(norm.moving_mean, 0.75 * old.mean + 0.25 * mean, rtol=1e-8)
        np.testing.assert_allclose(norm.moving_variance, 0.75 * old.variance + 0.25 * variance, rtol=1e-8)


def test_inference_leaves_the_statistics_alone() -> None:
    layer, inputs = random_prediction((4, 3, 5, 6), 2, 2, filters=7)
    before = layer.get_weights()
    layer(inputs, training=False)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_gates_are_returned_on_request() -> None:
    layer, inputs = random_prediction((4, 3, 5, 6), 2, 3, filters=7)
    outputs, gates = layer(inputs, return_gates=True)
    assert len(outputs) == 3
    np.testing.assert_allclose(gates, reference.gates(inputs, reference.gate_weights(layer)), rtol=1e-12)


def test_parameters_are_gates_kernels_biases_and_one_normalisation_per_output() -> None:
    layer = CrossPrediction(3, filters=6)
    layer.build([(None, 8, 8, 4)] * 2)
    gates = 2 * (16 * 4 + 16 + 16 * 3 + 3)
    assert layer.count_params() == gates + 2 * 3 * (9 * 4 * 6 + 6) + 3 * 4 * 6


def test_every_kernel_starts_different() -> None:
    keras.utils.set_random_seed(0)
    layer = CrossPrediction(2, units=4)
    layer.build([(None, 5)] * 2)
    kernels = [each.get_weights()[0] for row in layer.predictions for each in row]
    assert all(not np.allclose(one, two) for i, one in enumerate(kernels) for two in kernels[:i])


def test_both_filters_and_units_are_named() -> None:
    with pytest.raises(ValueError, match="`filters`.*`units`.*Received: filters=4, units=5"):
        CrossPrediction(2, filters=4, units=5)


def test_neither_filters_nor_units_are_named() -> None:
    with pytest.raises(ValueError, match="`filters`.*`units`.*Received: filters=None, units=None"):
        CrossPrediction(2)


@pytest.mark.parametrize("argument", ["paths", "filters", "kernel_size", "hidden"])
@pytest.mark.parametrize("value", [0, -1, 2.0])
def test_a_count_that_is_no_positive_integer_is_named(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"`{argument}` must be a positive integer. Received: {argument}={value!r}"):
        CrossPrediction(**{"paths": 2, "filters": 3, argument: value})


def test_units_of_zero_are_named() -> None:
    with pytest.raises(ValueError, match="`units` must be a positive integer. Received: units=0"):
        CrossPrediction(2, units=0)


def test_filters_on_vectors_are_named() -> None:
    with pytest.raises(ValueError, match=r"With `filters`, inputs must be of rank 4. Received shapes: \[\(2, 3\)\]"):
        CrossPrediction(2, filters=4)(np.ones((2, 3)))


def test_units_on_maps_are_named() -> None:
    with pytest.raises(ValueError, match=r"With `units`, inputs must be of rank 2.*\[\(2, 4, 4, 3\)\]"):
        CrossPrediction(2, units=4)(np.ones((2, 4, 4, 3)))


def test_inputs_of_different_shapes_are_shown() -> None:
    with pytest.raises(ValueError, match=r"CrossPrediction must have the same shape.*\(2, 3\), \(2, 4\)"):
        CrossPrediction(2, units=4)([np.ones((2, 3)), np.ones((2, 4))])
