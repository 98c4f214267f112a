"""The routing layers in plain NumPy, written from the equations and sharing no code with the package."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class GateWeights(NamedTuple):
    """The weights of one gate, in the order of Keras's `get_weights`."""

    hidden_kernel: np.ndarray
    hidden_bias: np.ndarray
    choice_kernel: np.ndarray
    choice_bias: np.ndarray


class NormWeights(NamedTuple):
    """The weights of one batch normalisation, in the order of Keras's `get_weights`."""

    scale: np.ndarray
    shift: np.ndarray
    mean: np.ndarray
    variance: np.ndarray


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0.0)


def softmax(x: np.ndarray) -> np.ndarray:
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def channel_means(x: np.ndarray) -> np.ndarray:
    return x.mean(axis=(1, 2)) if x.ndim == 4 else x


def gate_scores(x: np.ndarray, weights: GateWeights) -> np.ndarray:
    """Eq. 1 and 2."""
    hidden = relu(channel_means(x) @ weights.hidden_kernel + weights.hidden_bias)
    return hidden @ weights.choice_kernel + weights.choice_bias


def gate(x: np.ndarray, weights: GateWeights) -> np.ndarray:
    """Eq. 1 to 3: `(batch, n)`."""
    return softmax(gate_scores(x, weights))


def gates(inputs: Sequence[np.ndarray], weights: Sequence[GateWeights]) -> np.ndarray:
    """One gate per input: `(batch, m, n)`."""
    return np.stack([gate(x, each) for x, each in zip(inputs, weights, strict=True)], axis=1)


def weighted_sum(tensors: Sequence[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """`sum_i weights[:, i] X_i`."""
    return np.einsum("bi,ib...->b...", weights, np.stack(tensors))


def cross_connection(inputs: Sequence[np.ndarray], gate_values: np.ndarray) -> list[np.ndarray]:
    """Eq. 5."""
    return [weighted_sum(inputs, gate_values[:, :, j]) for j in range(gate_values.shape[2])]


def conv_same(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Stride-1 cross-correlation of `(B, H, W, C)` with `(k, k, C, F)`, zero-padded to the input's size."""
    side, (height, width) = kernel.shape[0], x.shape[1:3]
    before, after = (side - 1) // 2, side // 2
    padded = np.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
    output = np.zeros((*x.shape[:3], kernel.shape[3]))
    for row in range(side):
        for column in range(side):
            output += padded[:, row : row + height, column : column + width] @ kernel[row, column]
    return output


def linear(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray | float = 0.0) -> np.ndarray:
    """A prediction: a convolution of maps, a dense layer on vectors."""
    return (conv_same(x, kernel) if x.ndim == 4 else x @ kernel) + bias


def batch_statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and biased variance of each channel."""
    rows = x.reshape(-1, x.shape[-1])
    return rows.mean(axis=0), ((rows - rows.mean(axis=0)) ** 2).mean(axis=0)


def batch_norm(x: np.ndarray, weights: NormWeights, epsilon: float, training: bool) -> np.ndarray:
    mean, variance = batch_statistics(x) if training else (weights.mean, weights.variance)
    return weights.scale * (x - mean) / np.sqrt(variance + epsilon) + weights.shift


def cross_prediction_sums(
    inputs: Sequence[np.ndarray], gate_values: np.ndarray, predictions: Sequence[Sequence[Sequence[np.ndarray]]]
) -> list[np.ndarray]:
    """The weighted sums of Eq. 4 before normalisation; `predictions[i][j]` is a kernel and maybe a bias."""
    sums = []
    for j in range(gate_values.shape[2]):
        predicted = [linear(x, *row[j]) for x, row in zip(inputs, predictions, strict=True)]
        sums.append(weighted_sum(predicted, gate_values[:, :, j]))
    return sums


def cross_prediction(
    inputs: Sequence[np.ndarray],
    gate_values: np.ndarray,
    predictions: Sequence[Sequence[Sequence[np.ndarray]]],
    norms: Sequence[NormWeights],
    epsilon: float,
    training: bool,
) -> list[np.ndarray]:
    """Eq. 4."""
    sums = cross_prediction_sums(inputs, gate_values, predictions)
    return [relu(batch_norm(each, norm, epsilon, training)) for each, norm in zip(sums, norms, strict=True)]


def randomise(layer: Any, rng: np.random.Generator) -> None:
    """Gives a built layer random weights, so that no bias is zero and no normalisation is the identity."""
    for weight in layer.weights:
        positive = weight.name == "moving_variance"
        weight.assign(rng.uniform(0.5, 1.5, weight.shape) if positive else rng.normal(0.0, 0.7, weight.shape))


def gate_weights(layer: Any) -> list[GateWeights]:
    """The weights of every gate of a routing layer."""
    return [GateWeights(*each.get_weights()) for each in layer.gates]
