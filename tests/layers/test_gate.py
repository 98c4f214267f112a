"""A gate computes Eq. 1 to 3."""

from typing import Any

import keras
import numpy as np
import pytest

from tests import numpy_reference as reference
from tf_routing.layers import Gate


def random_gate(shape: tuple[int, ...], choices: int = 3, hidden: int = 5) -> tuple[Gate, np.ndarray]:
    rng = np.random.default_rng(0)
    gate = Gate(choices, hidden=hidden, dtype="float64")
    gate.build((None, *shape[1:]))
    reference.randomise(gate, rng)
    return gate, rng.normal(size=shape)


@pytest.mark.parametrize("shape", [(4, 5, 6, 7), (4, 7)])
def test_values_are_those_of_the_equations(shape: tuple[int, ...]) -> None:
    gate, x = random_gate(shape)
    expected = reference.gate(x, reference.GateWeights(*gate.get_weights()))
    assert expected.std(axis=1).min() > 1e-3
    np.testing.assert_allclose(np.asarray(gate(x)), expected, rtol=1e-12)


def test_scores_are_what_the_softmax_reads() -> None:
    gate, x = random_gate((4, 5, 6, 7))
    expected = reference.gate_scores(x, reference.GateWeights(*gate.get_weights()))
    np.testing.assert_allclose(np.asarray(gate.scores(x)), expected, rtol=1e-12)


def test_one_hand_computed_value() -> None:
    gate = Gate(2, hidden=2, dtype="float64")
    gate.build((None, 2))
    # Hidden: relu(1*1 + 2*0 + 0, 1*0 + 2*(-1) + 1) = (1, 0); scores: (0, ln 3).
    weights = [[[1.0, 0.0], [0.0, -1.0]], [0.0, 1.0], [[0.0, np.log(3)], [9.0, 9.0]], [0.0, 0.0]]
    gate.set_weights([np.array(each) for each in weights])
    np.testing.assert_allclose(np.asarray(gate(np.array([[1.0, 2.0]]))), [[0.25, 0.75]], rtol=1e-12)


def test_maps_are_read_through_their_channel_means() -> None:
    gate, x = random_gate((4, 5, 6, 7))
    np.testing.assert_allclose(np.asarray(gate(x)), np.asarray(gate(x.mean(axis=(1, 2)))), rtol=1e-12)


def test_training_and_inference_are_the_same() -> None:
    model_input = keras.Input((7,), dtype="float64")
    gate, x = random_gate((4, 7))
    model = keras.Model(model_input, gate(model_input))
    np.testing.assert_array_equal(np.asarray(model(x, training=True)), np.asarray(model(x, training=False)))


def test_a_zero_choice_initializer_makes_uniform_gates() -> None:
    gate = Gate(4, choice_initializer="zeros", dtype="float64")
    np.testing.assert_array_equal(np.asarray(gate(np.random.default_rng(0).normal(size=(3, 5)))), np.full((3, 4), 0.25))


def test_hidden_layer_has_16_units_and_parameters_are_those_of_the_paper() -> None:
    gate = Gate(3)
    gate.build((None, 8, 8, 10))
    assert [weight.shape for weight in gate.weights] == [(10, 16), (16,), (16, 3), (3,)]
    assert gate.count_params() == 16 * 10 + 16 + 16 * 3 + 3


def test_initial_biases_are_zero_and_kernels_within_the_glorot_bound() -> None:
    keras.utils.set_random_seed(0)
    gate = Gate(3)
    gate.build((None, 10))
    hidden_kernel, hidden_bias, choice_kernel, choice_bias = gate.get_weights()
    assert not hidden_bias.any() and not choice_bias.any()
    for kernel in (hidden_kernel, choice_kernel):
        bound = np.sqrt(6 / sum(kernel.shape))
        assert 0.5 * bound < np.abs(kernel).max() <= bound


@pytest.mark.parametrize("argument", ["choices", "hidden"])
@pytest.mark.parametrize("value", [0, -2, 1.5, True, "3"])
def test_a_count_that_is_no_positive_integer_is_named(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"`{argument}` must be a positive integer. Received: {argument}={value!r}"):
        Gate(**{"choices": 2, argument: value})


def test_a_tensor_of_rank_3_is_named() -> None:
    with pytest.raises(ValueError, match=r"Received: inputs.shape=\(2, 5, 4\)"):
        Gate(2)(np.ones((2, 5, 4), "float32"))
