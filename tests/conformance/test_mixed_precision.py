"""Every layer and every net trains under mixed precision and answers in float32."""

from collections.abc import Iterator

import keras
import numpy as np
import pytest

from tests.conformance.subjects import BATCH, CLASSES, LAYERS, TRAINED, images, labels, small


@pytest.fixture(autouse=True)
def _mixed_bfloat16() -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


# What decisions are made of, and handed on for: scores and states.
IN_FLOAT32 = {
    "BlockPolicy": [0, 1, 2],
    "Controller": [1],
    "HaltingRouter": [1, 2],
    "RouterMemory": [0, 1],
    "Junction": [1],
    "ConfidenceJunction": [1],
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer_computes_in_bfloat16_and_keeps_float32_weights(name: str) -> None:
    subject, layer = LAYERS[name], LAYERS[name].build()
    outputs = subject.call(layer, subject.tensors())
    for number, output in enumerate(outputs):
        expected = "float32" if number in IN_FLOAT32.get(subject.layer, []) else "bfloat16"
        assert keras.backend.standardize_dtype(output.dtype) == expected
    assert {weight.dtype for weight in layer.weights} <= {"float32"}
    assert all(np.isfinite(np.asarray(output, "float32")).all() for output in outputs)


@pytest.mark.parametrize("name", TRAINED)
def test_net_trains(name: str) -> None:
    model, x = small(name), images(name)
    model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    logs = model.train_on_batch(x, labels(), return_dict=True)
    probabilities = model(x, training=False)
    assert np.isfinite(list(logs.values())).all()
    assert keras.backend.standardize_dtype(probabilities.dtype) == "float32"
    assert np.asarray(probabilities).shape == (BATCH, CLASSES)
    np.testing.assert_allclose(np.asarray(probabilities).sum(axis=1), 1, atol=1e-5)
    assert all(np.isfinite(np.asarray(weight, "float32")).all() for weight in model.weights)


def test_an_inner_layer_computes_in_bfloat16() -> None:
    model = small("basecnn_2cp")
    assert model.get_layer("path_1_conv_2").compute_dtype == "bfloat16"
    assert model.get_layer("route_2").predictions[0][0].compute_dtype == "bfloat16"
    assert model.get_layer("route_2").gates[0].hidden_layer.compute_dtype == "bfloat16"
