"""Cross-connections compute Eq. 5 and keep its invariants."""

from typing import Any

import numpy as np
import pytest

from tests import numpy_reference as reference
from tf_routing.layers import CrossConnection
from tf_routing.layers.paths.mixing import mix, weighted_sum

MAPS, VECTORS = (4, 3, 5, 6), (4, 6)


def random_connection(shape: tuple[int, ...], m: int, n: int) -> tuple[CrossConnection, list[np.ndarray]]:
    rng = np.random.default_rng(1)
    layer = CrossConnection(n, hidden=5, dtype="float64")
    layer.build([(None, *shape[1:])] * m)
    reference.randomise(layer, rng)
    return layer, [rng.normal(size=shape) for _ in range(m)]


def arrays(tensors: Any) -> list[np.ndarray]:
    return [np.asarray(each) for each in tensors]


def test_mix_by_hand() -> None:
    left, right = np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])
    gates = np.array([[[0.25, 0.75, 0.0], [0.5, 0.0, 1.0]]])
    mixed = arrays(mix([left, right], gates))
    np.testing.assert_allclose(mixed, [[[5.25, 10.5]], [[0.75, 1.5]], [[10.0, 20.0]]])


def test_weighted_sum_weighs_each_sample_by_its_own_weights() -> None:
    tensors = [np.ones((2, 1, 1, 1)), np.full((2, 1, 1, 1), 10.0)]
    weights = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_allclose(np.asarray(weighted_sum(tensors, weights)).ravel(), [21.0, 43.0])


@pytest.mark.parametrize("shape", [MAPS, VECTORS])
@pytest.mark.parametrize(("m", "n"), [(1, 3), (2, 2), (3, 2), (2, 4)])
def test_values_are_those_of_the_equations(shape: tuple[int, ...], m: int, n: int) -> None:
    layer, inputs = random_connection(shape, m, n)
    outputs, gates = layer(inputs, return_gates=True)
    expected_gates = reference.gates(inputs, reference.gate_weights(layer))
    assert expected_gates.shape == (4, m, n)
    np.testing.assert_allclose(np.asarray(gates), expected_gates, rtol=1e-12)
    expected = reference.cross_connection(inputs, expected_gates)
    np.testing.assert_allclose(arrays(outputs), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", [MAPS, VECTORS])
def test_outputs_sum_to_the_sum_of_the_inputs(shape: tuple[int, ...]) -> None:
    layer, inputs = random_connection(shape, 3, 2)
    outputs = arrays(layer(inputs))
    assert not np.allclose(outputs[0], outputs[1], atol=1e-2)
    np.testing.assert_allclose(sum(outputs), sum(inputs), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_uniform_gates_give_every_output_the_sum_over_n(n: int) -> None:
    inputs = [np.random.default_rng(seed).normal(size=MAPS) for seed in range(3)]
    outputs = arrays(CrossConnection(n, choice_initializer="zeros", dtype="float64")(inputs))
    np.testing.assert_allclose(outputs, [sum(inputs) / n] * n, rtol=1e-12, atol=1e-14)


def test_permuting_the_gate_logits_permutes_the_outputs() -> None:
    layer, inputs = random_connection(MAPS, 2, 3)
    before = arrays(layer(inputs))
    order = [2, 0, 1]
    for gate in layer.gates:
        hidden_kernel, hidden_bias, choice_kernel, choice_bias = gate.get_weights()
        gate.set_weights([hidden_kernel, hidden_bias, choice_kernel[:, order], choice_bias[order]])
    after = arrays(layer(inputs))
    np.testing.assert_allclose(after, [before[j] for j in order], rtol=1e-12)
    assert not np.allclose(after[0], before[0], atol=1e-2)


def test_one_tensor_is_a_list_of_one() -> None:
    layer, inputs = random_connection(MAPS, 1, 3)
    np.testing.assert_array_equal(arrays(layer(inputs[0])), arrays(layer(inputs)))


def test_weights_are_those_of_one_gate_per_input() -> None:
    layer = CrossConnection(4)
    layer.build([(None, 8, 8, 10)] * 3)
    assert layer.count_params() == 3 * (16 * 10 + 16 + 16 * 4 + 4)


def test_gates_of_different_inputs_start_different() -> None:
    layer = CrossConnection(2)
    layer.build([(None, 6)] * 2)
    first, second = (gate.get_weights() for gate in layer.gates)
    assert not np.allclose(first[0], second[0]) and not np.allclose(first[2], second[2])


@pytest.mark.parametrize("argument", ["paths", "hidden"])
@pytest.mark.parametrize("value", [0, -1, 2.0])
def test_a_count_that_is_no_positive_integer_is_named(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"`{argument}` must be a positive integer. Received: {argument}={value!r}"):
        CrossConnection(**{"paths": 2, argument: value})


def test_inputs_of_different_shapes_are_shown() -> None:
    with pytest.raises(ValueError, match=r"CrossConnection must have the same shape.*\(2, 4, 4, 3\), \(2, 4, 4, 5\)"):
        CrossConnection(2)([np.ones((2, 4, 4, 3)), np.ones((2, 4, 4, 5))])


def test_inputs_of_rank_3_are_shown() -> None:
    with pytest.raises(ValueError, match=r"CrossConnection takes tensors .* Received shapes: \[\(2, 4, 3\)\]"):
        CrossConnection(2)(np.ones((2, 4, 3)))


@pytest.mark.parametrize("count", [1, 3])
def test_another_number_of_inputs_than_built_for_is_named(count: int) -> None:
    layer, inputs = random_connection(VECTORS, 2, 2)
    with pytest.raises(ValueError, match=f"was built for 2 inputs. Received: {count} tensors"):
        layer([inputs[0]] * count)
