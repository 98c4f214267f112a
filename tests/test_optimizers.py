"""The decay of DecayedSGD is the gradient of an L2 penalty on kernels, and goes through the momentum."""

import keras
import numpy as np
import pytest

from tf_routing.optimizers import DecayedSGD


def variable(name: str) -> keras.Variable:
    return keras.Variable(np.array([1.0], "float32"), name=name)


def two_steps(optimizer: DecayedSGD, weight: keras.Variable) -> list[float]:
    values = []
    for gradient in (0.5, 0.25):
        optimizer.apply([keras.ops.array([gradient])], [weight])
        values.append(float(weight[0]))
    return values


def test_two_steps_on_a_bias_by_hand() -> None:
    optimizer = DecayedSGD(learning_rate=0.1, momentum=0.9, kernel_decay=0.01)
    # v = -0.05; then v = -0.045 - 0.025.
    np.testing.assert_allclose(two_steps(optimizer, variable("bias")), [0.95, 0.88], rtol=1e-6)


def test_get_config_round_trip() -> None:
    optimizer = DecayedSGD(learning_rate=0.25, momentum=0.5, kernel_decay=0.125, nesterov=True)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is DecayedSGD
    assert again.get_config() == optimizer.get_config()
    assert (again.kernel_decay, again.momentum, again.nesterov) == (0.125, 0.5, True)
    assert float(again.learning_rate) == 0.25


def test_a_negative_decay_is_named() -> None:
    with pytest.raises(ValueError, match="`kernel_decay` must not be negative. Received: kernel_decay=-0.1"):
        DecayedSGD(kernel_decay=-0.1)
