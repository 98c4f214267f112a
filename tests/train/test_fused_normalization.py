"""Batch normalisation in one operation computes what Keras computes in many: maps, gradients and moving statistics."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_routing import zoo
from tf_routing.data import Dataset, ImageSet
from tf_routing.train.fit import fit
from tf_routing.train.fused_normalization import fuse_normalizations
from tf_routing.train.recipes.recipe import Recipe


def network(**arguments: Any) -> keras.Model:
    """A convolution, its normalisation and a head, always with the same weights."""
    keras.utils.set_random_seed(0)
    image = keras.Input((5, 6, 3))
    x = keras.layers.BatchNormalization(momentum=0.8, epsilon=1e-5, name="norm", **arguments)(
        keras.layers.Conv2D(4, 3)(image)
    )
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(keras.layers.ReLU()(x))))
    random = np.random.default_rng(1)
    for weight in model.get_layer("norm").weights:
        weight.assign(random.uniform(0.5, 1.5, weight.shape))
    return model


def images() -> np.ndarray:
    return np.random.default_rng(2).normal(3, 2, (7, 5, 6, 3)).astype("float32")


def operations(model: keras.Model, training: bool = True) -> list[str]:
    traced = tf.function(lambda x: model(x, training=training)).get_concrete_function(tf.constant(images()))
    return [operation.type for operation in traced.graph.get_operations()]


def step(model: keras.Model) -> list[np.ndarray]:
    """Outputs, gradients and moving statistics of a step of training."""
    with tf.GradientTape() as tape:
        outputs = model(images(), training=True)
        loss = tf.reduce_sum(outputs**2)
    gradients = tape.gradient(loss, [each.value for each in model.trainable_variables])
    norm = model.get_layer("norm")
    return [np.asarray(each) for each in (outputs, *gradients, norm.moving_mean, norm.moving_variance)]


def test_a_step_is_that_of_keras() -> None:
    model = network()
    fuse_normalizations(model)
    assert "FusedBatchNormV3" in operations(model) and "FusedBatchNormV3" not in operations(network())
    for fused, plain in zip(step(model), step(network()), strict=True):
        np.testing.assert_allclose(fused, plain, rtol=2e-4, atol=2e-5)


def test_moving_statistics_by_hand() -> None:
    image = keras.Input((1, 2, 1))
    model = keras.Model(image, keras.layers.BatchNormalization(momentum=0.9, epsilon=0.25, name="norm")(image))
    fuse_normalizations(model)
    outputs = model(np.array([[[[1.0], [2.0]]], [[[3.0], [6.0]]]], "float32"), training=True)
    # The mean is 3, the variance (4 + 1 + 0 + 9) / 4 = 3.5; they move a tenth of the way, from 0 and from 1.
    norm = model.get_layer("norm")
    np.testing.assert_allclose([float(norm.moving_mean[0]), float(norm.moving_variance[0])], [0.3, 1.25], rtol=1e-6)
    np.testing.assert_allclose(np.ravel(outputs), np.array([-2, -1, 0, 3]) / np.sqrt(3.75), rtol=1e-6)


def test_inference_and_frozen_layers_are_those_of_keras() -> None:
    model, plain = network(), network()
    fuse_normalizations(model)
    np.testing.assert_array_equal(model(images(), training=False), plain(images(), training=False))
    assert "FusedBatchNormV3" not in operations(model, training=False)
    for each in (model, plain):
        each.get_layer("norm").trainable = False
    np.testing.assert_array_equal(model(images(), training=True), plain(images(), training=True))
    np.testing.assert_array_equal(model.get_layer("norm").moving_mean, network().get_layer("norm").moving_mean)


@pytest.mark.parametrize(
    "arguments",
    [{"scale": False}, {"center": False}, {"axis": 1}, {"synchronized": True}, {"renorm": True}, {"dtype": "float64"}],
)
def test_what_one_operation_cannot_do_stays_with_keras(arguments: dict[str, Any]) -> None:
    model = network(**arguments)
    fuse_normalizations(model)
    assert "FusedBatchNormV3" not in operations(model)


def test_vectors_stay_with_keras() -> None:
    image = keras.Input((4,))
    model, plain = (keras.Model(image, keras.layers.BatchNormalization()(image)) for _ in range(2))
    fuse_normalizations(model)
    vectors = images().reshape(-1, 630)[:, :4]
    np.testing.assert_array_equal(model(vectors, training=True), plain(vectors, training=True))


def test_files_are_those_of_keras(tmp_path: Path) -> None:
    model = network()
    fuse_normalizations(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("norm").get_config() == network().get_layer("norm").get_config()
    np.testing.assert_array_equal(loaded(images()), model(images()))
    assert "FusedBatchNormV3" not in operations(loaded)


def test_a_run_trains_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fused, compute = [], tf.raw_ops.FusedBatchNormV3
    monkeypatch.setattr(tf.raw_ops, "FusedBatchNormV3", lambda **given: fused.append(given) or compute(**given))
    noise = ImageSet(np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3)).astype("uint8"), np.arange(8) % 2)
    recipe = Recipe("mine", "Mine", epochs=1, batch_size=4, learning_rate=0.1, shift=1)
    dataset = Dataset("noise", noise, noise, ["a", "b"], mirrors=True)
    fit("basecnn", dataset, recipe, tmp_path / "run", model_arguments={"width_multiplier": 0.125})
    # One per convolution, whose scale is the layer's own.
    assert len({id(given["scale"]) for given in fused}) == 6


def test_every_normalisation_of_maps_is_fused() -> None:
    model = zoo.get("basecnn_2cp", width_multiplier=0.125)
    fuse_normalizations(model)
    traced = tf.function(lambda x: model(x, training=True)).get_concrete_function(tf.zeros((2, 32, 32, 3)))
    kinds = [operation.type for operation in traced.graph.get_operations()]
    # Six convolutions on each of two paths.
    assert kinds.count("FusedBatchNormV3") == 12
