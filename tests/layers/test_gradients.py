"""Closed-form gradients of cross-connections against automatic differentiation."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from tests import numpy_reference as reference
from tf_routing.layers import CrossConnection
from tf_routing.layers.paths.mixing import mix

INPUTS, OUTPUTS, CHANNELS, BATCH = 3, 2, 5, 4


def relative_error(actual: Any, expected: np.ndarray) -> float:
    assert np.linalg.norm(expected) > 1e-3
    return float(np.linalg.norm(np.asarray(actual) - expected) / np.linalg.norm(expected))


def softmax_gradient(gates: np.ndarray, d_gates: np.ndarray) -> np.ndarray:
    """`J^T dG` with the explicit Jacobian `diag(G) - G G^T` of each row."""
    return np.stack([(np.diag(g) - np.outer(g, g)).T @ d for g, d in zip(gates, d_gates, strict=True)])


def closed_form_linear(x: np.ndarray, kernel: np.ndarray, d_outputs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Eq. 8 and 9 for one input `(k,)`, its kernel `(n, k)` and the upstream gradients: dL/dW and dL/dX."""
    gates = reference.softmax(kernel @ x)
    d_gates = np.array([d @ x for d in d_outputs])
    d_scores = softmax_gradient(gates[None], d_gates[None])[0]
    d_input = sum(g * d for g, d in zip(gates, d_outputs, strict=True)) + kernel.T @ d_scores
    return np.outer(d_scores, x), d_input


def test_linear_gates_on_vectors() -> None:
    rng = np.random.default_rng(7)
    inputs = [tf.Variable(rng.normal(size=(1, CHANNELS))) for _ in range(INPUTS)]
    kernels = [tf.Variable(rng.normal(size=(OUTPUTS, CHANNELS))) for _ in range(INPUTS)]
    upstream = [rng.normal(size=(1, CHANNELS)) for _ in range(OUTPUTS)]
    with tf.GradientTape() as tape:
        scores = [ops.matmul(x, ops.transpose(kernel)) for x, kernel in zip(inputs, kernels, strict=True)]
        mixed = mix(inputs, ops.softmax(ops.stack(scores, axis=1), axis=-1))
        loss = sum(ops.sum(d * y) for d, y in zip(upstream, mixed, strict=True))
    d_kernels, d_inputs = tape.gradient(loss, [kernels, inputs])
    for i in range(INPUTS):
        x, kernel = inputs[i].numpy()[0], kernels[i].numpy()
        d_kernel, d_input = closed_form_linear(x, kernel, [d[0] for d in upstream])
        assert relative_error(d_kernels[i], d_kernel) < 1e-5
        assert relative_error(d_inputs[i][0], d_input) < 1e-5


def backpropagate_gate(
    x: np.ndarray, weights: reference.GateWeights, d_gates: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray]:
    """Gradients of the four weights of a gate, and of the channel means that it reads."""
    means = reference.channel_means(x)
    hidden = reference.relu(means @ weights.hidden_kernel + weights.hidden_bias)
    d_scores = softmax_gradient(reference.gate(x, weights), d_gates)
    d_hidden = (d_scores @ weights.choice_kernel.T) * (hidden > 0)
    d_weights = [means.T @ d_hidden, d_hidden.sum(axis=0), hidden.T @ d_scores, d_scores.sum(axis=0)]
    return d_weights, d_hidden @ weights.hidden_kernel.T


def backpropagate_connection(
    x: np.ndarray, weights: reference.GateWeights, upstream: list[np.ndarray]
) -> tuple[list[np.ndarray], np.ndarray]:
    """Gradients of one input's gate weights, and of the input: directly, and through its gate."""
    gates = reference.gate(x, weights)
    d_gates = np.stack([(d * x).reshape(len(x), -1).sum(axis=1) for d in upstream], axis=1)
    d_weights, d_means = backpropagate_gate(x, weights, d_gates)
    direct = np.einsum("bj,jb...->b...", gates, np.stack(upstream))
    through_gate = d_means[:, None, None, :] / (x.shape[1] * x.shape[2]) if x.ndim == 4 else d_means
    return d_weights, direct + through_gate


def autodiff(
    layer: CrossConnection, inputs: list[np.ndarray], upstream: list[np.ndarray]
) -> tuple[list[list[Any]], list[Any]]:
    tensors = [tf.constant(x) for x in inputs]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        loss = sum(ops.sum(d * y) for d, y in zip(upstream, layer(tensors), strict=True))
    weights = [[weight.value for weight in gate.trainable_weights] for gate in layer.gates]
    return tape.gradient(loss, [weights, tensors])


@pytest.mark.parametrize("shape", [(BATCH, CHANNELS), (BATCH, 3, 2, CHANNELS)])
def test_cross_connection_with_its_two_layer_gate(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(8)
    layer = CrossConnection(OUTPUTS, hidden=6, dtype="float64")
    layer.build([(None, *shape[1:])] * INPUTS)
    reference.randomise(layer, rng)
    inputs = [rng.normal(size=shape) for _ in range(INPUTS)]
    upstream = [rng.normal(size=shape) for _ in range(OUTPUTS)]
    d_weights, d_inputs = autodiff(layer, inputs, upstream)
    for i, weights in enumerate(reference.gate_weights(layer)):
        expected_weights, expected_input = backpropagate_connection(inputs[i], weights, upstream)
        assert relative_error(d_inputs[i], expected_input) < 1e-5
        assert len(d_weights[i]) == 4
        for actual, expected in zip(d_weights[i], expected_weights, strict=True):
            assert relative_error(actual, expected) < 1e-5
