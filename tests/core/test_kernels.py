"""Weights of Keras layers are told apart by their names: kernels, and all others."""

from typing import Any

import keras
import pytest

from tf_routing import layers
from tf_routing.core.kernels import is_kernel, may_be_kernel

CASES = {
    "dense": (keras.layers.Dense(2), (4,), {"kernel"}),
    "separable": (keras.layers.SeparableConv2D(2, 3), (4, 4, 3), {"depthwise_kernel", "pointwise_kernel"}),
    "recurrent": (keras.layers.LSTM(2), (5, 3), {"kernel", "recurrent_kernel"}),
    "normalization": (keras.layers.BatchNormalization(), (4,), set()),
    "stitch": (layers.CrossStitch(2), (4,), set()),
}


@pytest.mark.parametrize("name", CASES)
def test_kernels_are_what_inputs_and_states_multiply(name: str) -> None:
    layer, shape, expected = CASES[name]
    layer(keras.Input(shape))
    names = [weight.name for weight in layer.weights]
    assert set(filter(is_kernel, names)) == expected == set(filter(may_be_kernel, names))
    assert not set(filter(is_kernel, names)) & {"bias", "gamma", "beta", "moving_mean", "moving_variance", "alpha"}


@pytest.mark.parametrize("name", ["kernel_2", "kernels", "lora_kernel_a"])
def test_a_weight_called_after_a_kernel_may_be_one(name: Any) -> None:
    assert may_be_kernel(name) and not is_kernel(name)
