"""Every net takes bytes for what they are, on every way in, and refuses what is no image."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.subjects import BATCH, FAMILIES, family_net, images, labels, small
from tests.exit_net import exit_model
from tests.models.test_routed_model import small_model
from tf_routing import calibrate
from tf_routing.models import RoutedModel

SHAPE = (6, 6, 3)
WAYS: dict[str, Callable[[RoutedModel, Any], Any]] = {
    "call": lambda model, x: model(x),
    "decide": lambda model, x: model.decide(x),
    "outputs": lambda model, x: model(x, return_outputs=True),
    "predict": lambda model, x: model.predict(x, verbose=0),
    "predict_on_batch": lambda model, x: model.predict_on_batch(x),
    "routes": lambda model, x: model.routes(x),
    "cost": lambda model, x: model.cost(x),
    "evaluate": lambda model, x: model.evaluate(x, labels(len(x)), verbose=0),
    "test_on_batch": lambda model, x: model.test_on_batch(x, labels(len(x))),
}
LEARNT: dict[str, Callable[[RoutedModel, Any], Any]] = {
    "fit": lambda model, x: model.fit(x, labels(len(x)), verbose=0),
    "train_on_batch": lambda model, x: model.train_on_batch(x, labels(len(x))),
}


def as_bytes(x: np.ndarray) -> np.ndarray:
    return (x * 255).round().astype("uint8")


def assert_equal(found: Any, expected: Any) -> None:
    for own, other in zip(keras.tree.flatten(found), keras.tree.flatten(expected), strict=True):
        np.testing.assert_allclose(np.asarray(own), np.asarray(other), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", FAMILIES)
def test_bytes_are_divided_by_255(name: str) -> None:
    model, x = family_net(name), as_bytes(images(name))
    outputs = model.decide(x)
    assert_equal(outputs, model.decide(x / 255))
    assert_equal(model(x), outputs["probabilities"])


def light(count: int = BATCH) -> np.ndarray:
    return np.random.default_rng(8).uniform(size=(count, *SHAPE)).astype("float32")


@pytest.fixture(scope="module")
def net() -> RoutedModel:
    model = small_model()
    model.compile("sgd")
    return model


def test_bytes_as_floats_would_show(net: RoutedModel) -> None:
    assert np.abs(net(255 * light()) - net(light())).max() > 0.1


@pytest.mark.parametrize("way", WAYS)
def test_every_way_in_scales_bytes(way: str, net: RoutedModel) -> None:
    x = as_bytes(light())
    assert_equal(WAYS[way](net, x), WAYS[way](net, x / 255))


@pytest.mark.parametrize("way", LEARNT)
def test_training_scales_bytes(way: str) -> None:
    weights = []
    for x in (as_bytes(light()), as_bytes(light()) / 255):
        keras.utils.set_random_seed(3)
        model = small_model()
        model.compile(keras.optimizers.SGD(0.1))
        LEARNT[way](model, x)
        weights.append(model.get_weights())
    assert_equal(*weights)


def test_datasets_and_symbolic_images_scale_bytes(net: RoutedModel) -> None:
    x = as_bytes(light())
    expected = net.predict(x / 255, verbose=0)
    pairs = tf.data.Dataset.from_tensor_slices((x, labels())).batch(3)
    assert_equal(net.predict(pairs, verbose=0), expected)
    assert_equal(net.routes(pairs), net.routes(x / 255))
    # A model around ours that declares bytes is given what they mean; one that declares floats has them cast before.
    image = keras.Input(x.shape[1:], dtype="uint8")
    assert_equal(keras.Model(image, net(image)).predict(x, verbose=0), expected)
    assert_equal(tf.function(lambda given: net(given))(tf.constant(x)), expected)


def test_bytes_beside_a_cost_are_scaled() -> None:
    model = exit_model(dynamic_cost=True)
    x = as_bytes(np.random.default_rng(0).uniform(size=(5, *model.input["image"].shape[1:])))
    for ask in (model.routes, model.cost, model.decide, lambda given: model.predict(given, verbose=0)):
        given = {"cost": np.full((5, 1), 1e-8, "float32")}
        assert_equal(ask({**given, "image": x}), ask({**given, "image": (x / 255).astype("float32")}))


def test_bytes_calibrate_as_floats() -> None:
    thresholds = []
    for scale in (1, 255):
        model, x = small("short_skip_resnet"), as_bytes(images("short_skip_resnet", 8))
        model.set_weights(family_net("short_skip_resnet").get_weights())
        calibrate(model, x if scale == 1 else x / 255, 0.5)
        thresholds.append(model.get_weights())
    assert_equal(*thresholds)


REFUSED = {
    **{dtype: light().astype(dtype) for dtype in ("int32", "int64", "uint16", "int8", "bool", "str", "object")},
    "complex64": light().astype("complex64"),
}


@pytest.mark.parametrize("dtype", REFUSED)
@pytest.mark.parametrize("way", [*WAYS, *LEARNT])
def test_other_types_are_named(way: str, dtype: str, net: RoutedModel) -> None:
    x = REFUSED[dtype]
    expected = rf"must hold images of shape .*floats in \[0, 1\], or uint8.*Received: .*dtype {x.dtype.name}"
    with pytest.raises(ValueError, match=expected):
        {**WAYS, **LEARNT}[way](net, x)


def test_a_dataset_of_other_types_is_named(net: RoutedModel) -> None:
    pairs = tf.data.Dataset.from_tensor_slices((light().astype("int32"), labels())).batch(2)
    for ask in (lambda: net.predict(pairs, verbose=0), lambda: net.fit(pairs, verbose=0), lambda: net.routes(pairs)):
        with pytest.raises(ValueError, match="floats in .*dtype int32"):
            ask()


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (np.zeros((BATCH, 3, 6, 6), "float32"), r"transpose\(x, \(0, 2, 3, 1\)\)"),
        (np.zeros(SHAPE, "float32"), r"batch axis: x\[None\]"),
        (
            np.zeros((BATCH, 8, 6, 3), "float32"),
            r"Received: shape \(4, 8, 6, 3\).*resize\(x, \(6, 6\)\), .*input_shape=\(8, 6, 3\)",
        ),
        (np.zeros((BATCH, 6, 6, 1), "uint8"), r"shape \(4, 6, 6, 1\), dtype uint8.*np\.repeat\(x, 3, axis=-1\)"),
    ],
)
@pytest.mark.parametrize("way", [*WAYS, *LEARNT])
def test_other_shapes_are_named(way: str, given: np.ndarray, hint: str, net: RoutedModel) -> None:
    with pytest.raises(ValueError, match=hint):
        {**WAYS, **LEARNT}[way](net, given)


def test_a_list_of_images_and_bytes_of_another_type_are_told_what_to_do(net: RoutedModel) -> None:
    with pytest.raises(ValueError, match=r"np\.stack\(x\)"):
        net.predict(list(light()), verbose=0)
    for dtype in ("int32", "uint16"):
        with pytest.raises(ValueError, match=rf"dtype {dtype}\..*x\.astype\('uint8'\)"):
            net.predict(as_bytes(light()).astype(dtype), verbose=0)


def test_a_net_that_was_built_on_integers_takes_those_alone() -> None:
    image = keras.Input((4, 4, 1), dtype="int32", name="image")
    model = RoutedModel(image, keras.layers.Flatten()(keras.layers.Rescaling(0.5)(image)))
    x = np.arange(16, dtype="int32").reshape(1, 4, 4, 1)
    np.testing.assert_allclose(model(x), [np.arange(16) / 2])
    for dtype in ("float32", "int64"):
        with pytest.raises(ValueError, match=rf"images of shape .*: int32. Received: .*dtype {dtype}\.$"):
            model(x.astype(dtype))
