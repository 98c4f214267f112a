"""The callable object of an export is the network as it trains; its signatures are not."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.exporting import exported
from tests.exporting.exported import tiny_net
from tests.gated_net import gated_model
from tf_routing import export
from tf_routing.models import RoutedModel

SHAPE = (8, 8, 3)


def images(count: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return exported.images(count, shape)


@pytest.fixture(scope="module")
def model() -> RoutedModel:
    return tiny_net()


@pytest.fixture(scope="module")
def folder(model: RoutedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "net"
    export(model, path)
    return path


def loaded(folder: Path) -> Any:
    return tf.saved_model.load(str(folder))


@pytest.fixture(scope="module")
def untrained(folder: Path) -> Any:
    """The export loaded once, for tests that move no variable of it."""
    return loaded(folder)


def arrays(variables: Any) -> list[np.ndarray]:
    return [each.numpy() for each in variables]


def test_weights_are_the_models(model: RoutedModel, untrained: Any) -> None:
    root = untrained
    for own, theirs in ((model.weights, root.variables), (model.trainable_weights, root.trainable_variables)):
        assert len(own) == len(theirs)
        for weight, variable in zip(own, theirs, strict=True):
            assert variable.name.partition(":")[0].endswith(weight.name)
            np.testing.assert_array_equal(weight, variable)
    assert {id(each) for each in root.trainable_variables} < {id(each) for each in root.variables}
    assert list(root.regularization_losses) == []


@pytest.mark.parametrize("count", [0, 1, 5])
def test_inference_is_what_the_model_says(count: int, model: RoutedModel, untrained: Any) -> None:
    root, x = untrained, images(5)
    expected = np.asarray(model(x, training=False))[:count]
    for given in ({}, {"training": False}):
        np.testing.assert_allclose(root(tf.constant(x[:count]), **given), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [{}, {"training": False}, {"training": True}])
def test_bytes_are_divided_by_255(training: dict[str, bool], model: RoutedModel, folder: Path, untrained: Any) -> None:
    seen = (images(5) * 255).round().astype("uint8")
    # Training moves statistics, so that two calls need two copies.
    one, other = (loaded(folder), loaded(folder)) if training.get("training") else (untrained, untrained)
    found = one(tf.constant(seen), **training)
    expected = other(tf.constant(seen / np.float32(255)), **training)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    if not training.get("training"):
        np.testing.assert_allclose(found, model(seen), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="uint8"):
        untrained(tf.constant(seen.astype("int32")), **training)


def test_training_reads_the_batch_and_moves_the_statistics(model: RoutedModel, folder: Path) -> None:
    root, x = loaded(folder), images(5)
    before = arrays(model.weights)
    expected = np.asarray(model(x, training=True))
    after = arrays(model.weights)
    for weight, value in zip(model.weights, before, strict=True):
        weight.assign(value)
    answer = root(tf.constant(x), training=True)
    np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-5)
    assert np.abs(np.asarray(answer) - np.asarray(root(tf.constant(x)))).max() > 1e-3
    moved = 0
    for variable, old, new in zip(root.variables, before, after, strict=True):
        np.testing.assert_allclose(variable, new, rtol=1e-4, atol=1e-5)
        moved += not np.array_equal(old, new)
    assert moved == len(model.non_trainable_weights) > 0


def test_a_step_changes_the_callable_and_no_signature(folder: Path) -> None:
    root, x = loaded(folder), tf.constant(images(5))
    before, served = root(x).numpy(), root.signatures["serving_default"](x)["probabilities"].numpy()
    np.testing.assert_allclose(before, served, rtol=1e-4, atol=1e-5)
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(tf.math.log(root(x, training=True)[:, 0]))
    gradients = tape.gradient(loss, list(root.trainable_variables))
    assert all(gradient is not None for gradient in gradients)
    for variable, gradient in zip(root.trainable_variables, gradients, strict=True):
        variable.assign_sub(0.1 * gradient)
    assert np.abs(root(x).numpy() - before).max() > 1e-3
    np.testing.assert_array_equal(root.signatures["serving_default"](x)["probabilities"], served)


def test_signatures_that_share_the_weights_follow(tmp_path: Path) -> None:
    export(tiny_net(), tmp_path / "net", fold_batch_norm=False)
    root, x = loaded(tmp_path / "net"), tf.constant(images(2))
    for variable in root.trainable_variables:
        variable.assign(0.5 * variable)
    np.testing.assert_allclose(root.signatures["serving_default"](x)["probabilities"], root(x), rtol=1e-4, atol=1e-6)


def test_folding_is_in_the_signatures_alone(model: RoutedModel, untrained: Any) -> None:
    root, x = untrained, tf.constant(images(3))
    kinds = {
        node.op
        for each in root.signatures["serving_default"].graph.as_graph_def().library.function
        for node in each.node_def
    }
    assert "Conv2D" in kinds and "Rsqrt" not in kinds
    np.testing.assert_allclose(
        root.signatures["serving_default"](x)["probabilities"], model(x, training=False), rtol=1e-4, atol=1e-5
    )


def test_noise_of_training_has_its_state(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    image = keras.Input(SHAPE)
    maps = keras.layers.Dropout(0.5, seed=3)(
        keras.layers.Conv2D(4, 3, kernel_regularizer=keras.regularizers.L2(0.1))(image)
    )
    net = RoutedModel(image, keras.layers.Dense(3, "softmax")(keras.layers.GlobalAveragePooling2D()(maps)))
    export(net, tmp_path / "net")
    root, x = loaded(tmp_path / "net"), tf.constant(images(4))
    draws = [root(x, training=True).numpy() for _ in range(2)]
    assert np.abs(draws[0] - draws[1]).max() > 1e-6
    assert len(root.variables) == len(net.weights)
    (penalty,) = root.regularization_losses
    np.testing.assert_allclose(penalty(), 0.1 * np.square(np.asarray(net.layers[1].kernel)).sum(), rtol=1e-5)


def test_a_network_that_skips_trains_too(tmp_path: Path) -> None:
    net = gated_model()
    net.execution = "auto"
    export(net, tmp_path / "net")
    root, x = loaded(tmp_path / "net"), tf.constant(images(6, net.input_shape[1:]))
    np.testing.assert_allclose(root(x), net(x, training=False), rtol=1e-4, atol=1e-5)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.math.log(root(x, training=True)[:, 0]))
    assert any(each is not None for each in tape.gradient(loss, list(root.trainable_variables)))
