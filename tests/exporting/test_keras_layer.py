"""Keras 3 loads an export as a layer, and trains it on; TensorFlow alone and `hub.load` do too."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.exporting.exported import images, tiny_net
from tf_routing import export
from tf_routing.models import RoutedModel


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[RoutedModel, str]:
    path = tmp_path_factory.mktemp("layer") / "net"
    model = tiny_net()
    export(model, path)
    return model, str(path)


def test_a_layer_computes_the_models_numbers(exported: tuple[RoutedModel, str]) -> None:
    model, path = exported
    layer, x = keras.layers.TFSMLayer(path), images(5, (8, 8, 3))
    np.testing.assert_allclose(layer(x), model(x), rtol=1e-4, atol=1e-5)
    served = keras.layers.TFSMLayer(path, call_endpoint="serving_default")(x)
    np.testing.assert_allclose(served["probabilities"], model(x), rtol=1e-4, atol=1e-5)


def test_a_layer_is_fine_tuned(exported: tuple[RoutedModel, str]) -> None:
    model, path = exported
    layer, x = keras.layers.TFSMLayer(path, call_training_endpoint="train"), images(8, (8, 8, 3))
    assert len(layer.trainable_weights) == len(model.trainable_weights)
    assert len(layer.non_trainable_weights) == len(model.non_trainable_weights) == 2
    image = keras.Input((8, 8, 3))
    net = keras.Model(image, keras.layers.Dense(2, "softmax")(layer(image)))
    before = [np.asarray(weight) for weight in layer.weights]
    start = np.asarray(layer(x))
    net.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
    losses = net.fit(x, np.arange(8) % 2, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    moved = [bool(np.any(np.asarray(weight) != old)) for weight, old in zip(layer.weights, before, strict=True)]
    # The mean and the variance that batch normalisation keeps move too: `train` is the training mode.
    assert all(moved[-2:]) and moved[0]
    assert np.abs(np.asarray(layer(x)) - start).max() > 1e-5


def test_a_frozen_layer_stays(exported: tuple[RoutedModel, str]) -> None:
    layer = keras.layers.TFSMLayer(exported[1], trainable=False)
    assert layer.trainable_weights == []


def test_tensorflow_and_the_hub_load_it(exported: tuple[RoutedModel, str]) -> None:
    model, path = exported
    x = images(2, (8, 8, 3))
    loaded = [tf.saved_model.load(path), pytest.importorskip("tensorflow_hub").load(path)]
    for each in loaded:
        for function in (each, each.serve):
            np.testing.assert_allclose(function(tf.constant(x)), model(x), rtol=1e-4, atol=1e-5)
