"""A folded model computes at inference what the model computes, without the batch normalisations it can do without."""

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tests.conformance.subjects import MODELS, disturb, images, small
from tests.snippets import run_snippet
from tf_routing import zoo
from tf_routing.layers import GroupedConv2D
from tf_routing.models import Ensemble, RoutedModel
from tf_routing.transforms.folding import fold_batch_norm

LEFT = {"resnet20": 0, "basecnn_2cc": 0, "resnet20_2cp": 6, "basecnn_ensemble3": 0}
"""Normalisations that stay: a cross-prediction's are of gated sums, which no one kernel can take in."""


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).normal(size=shape).astype("float32")


def functional(shape: tuple[int, ...], *stack: keras.layers.Layer) -> keras.Model:
    """A functional model of layers one behind the other, every weight disturbed."""
    tensor = image = keras.Input(shape, name="image")
    for layer in stack:
        tensor = layer(tensor)
    model = keras.Model(image, tensor)
    disturb(model)
    return model


def count(model: keras.Model) -> int:
    """Batch normalisations in a model and in everything inside it."""
    return sum(isinstance(layer, layers.BatchNormalization) for layer in model._flatten_layers())


def difference(model: keras.Model, folded: keras.Model, x: Any) -> float:
    """Largest difference of the outputs, relative to the largest output."""
    expected, found = (keras.tree.flatten(each(x, training=False)) for each in (model, folded))
    pairs = [(np.asarray(a, "float64"), np.asarray(b, "float64")) for a, b in zip(expected, found, strict=True)]
    return max(np.abs(a - b).max() / np.abs(a).max() for a, b in pairs)


def assert_folds(model: keras.Model, x: Any, left: int, tolerance: float = 1e-5) -> keras.Model:
    """Folds, and checks the numbers, what is left, and that the model itself is as it was."""
    before, outputs = model.get_weights(), np.asarray(keras.tree.flatten(model(x, training=False))[0])
    folded = fold_batch_norm(model)
    assert difference(model, folded, x) <= tolerance
    assert count(folded) == left
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(np.asarray(keras.tree.flatten(model(x, training=False))[0]), outputs)
    assert not {id(weight) for weight in model.weights} & {id(weight) for weight in folded.weights}
    assert folded.name == model.name
    return folded


def net(name: str) -> RoutedModel:
    """A small net of the zoo that returns logits, which differ more than probabilities do."""
    model = zoo.get(name, **{**MODELS[name], "classifier_activation": None})
    disturb(model)
    return model


# MobileNetV2 has the ordinary convolutions of ResNet-50 and depthwise ones.
@pytest.mark.parametrize("application", [pytest.param("ResNet50", marks=pytest.mark.heavy), "MobileNetV2"])
def test_applications_lose_every_normalisation(application: str) -> None:
    build = getattr(keras.applications, application)
    model = build(weights=None, input_shape=(64, 64, 3), classes=5, classifier_activation=None)
    disturb(model)
    folded = assert_folds(model, np.random.default_rng(1).uniform(size=(4, 64, 64, 3)), left=0)
    assert len(folded.layers) == len(model.layers) - count(model)


@pytest.mark.parametrize("name, left", LEFT.items())
def test_nets_of_the_zoo(name: str, left: int) -> None:
    model = net(name)
    folded = assert_folds(model, images(name), left)
    assert type(folded) is type(model)
    assert folded.decision_names == model.decision_names
    assert folded.static_cost == model.static_cost


def test_routes_and_cost_are_the_same() -> None:
    model, x = net("basecnn_2cc"), images("basecnn_2cc")
    folded = fold_batch_norm(model)
    routes, expected = folded.routes(x), model.routes(x)
    assert list(routes) == list(expected) == model.decision_names
    for name, gates in routes.items():
        np.testing.assert_allclose(gates, expected[name], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(folded.cost(x), model.cost(x))


def test_members_of_an_ensemble_are_folded_and_keep_their_names() -> None:
    model = net("basecnn_ensemble3")
    folded = fold_batch_norm(model)
    assert isinstance(folded, Ensemble)
    assert [each.name for each in folded.members] == [each.name for each in model.members]
    assert all(count(each) == 0 and type(each) is RoutedModel for each in folded.members)


def test_layers_that_are_left_keep_name_and_order() -> None:
    model = small("basecnn_2cc")
    kept = [layer.name for layer in model.layers if not isinstance(layer, layers.BatchNormalization)]
    assert sorted(layer.name for layer in fold_batch_norm(model).layers) == sorted(kept)


def test_kernel_and_bias_by_hand() -> None:
    model = functional((3, 3, 1), layers.Conv2D(2, 1, name="conv"), layers.BatchNormalization(epsilon=1.0))
    conv, normalization = model.layers[1:]
    conv.set_weights([np.array([[[[2.0, 3.0]]]]), np.array([1.0, -1.0])])
    # By order: gamma, beta, mean, variance. Factors are 2 / sqrt(3 + 1) = 1 and 6 / sqrt(8 + 1) = 2.
    normalization.set_weights([np.array(each) for each in ([2.0, 6.0], [0.5, 0.25], [3.0, 1.0], [3.0, 8.0])])
    kernel, bias = fold_batch_norm(model).get_layer("conv").get_weights()
    np.testing.assert_allclose(kernel.ravel(), [2.0, 6.0], rtol=1e-7)
    np.testing.assert_allclose(bias, [(1 - 3) * 1 + 0.5, (-1 - 1) * 2 + 0.25], rtol=1e-7)


def test_depthwise_channels_are_ordered_by_channel_then_multiplier() -> None:
    conv = layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False, name="conv")
    model = functional((5, 5, 3), conv, layers.BatchNormalization(epsilon=0.0))
    model.layers[2].set_weights([np.arange(1.0, 7), np.zeros(6), np.zeros(6), np.ones(6)])
    folded = assert_folds(model, noise(2, 5, 5, 3), left=0).get_layer("conv")
    assert folded.kernel.shape == (3, 3, 3, 2) and folded.bias.shape == (6,)
    factors = np.asarray(folded.kernel) / np.asarray(conv.kernel)
    np.testing.assert_allclose(factors, np.broadcast_to([[1, 2], [3, 4], [5, 6]], factors.shape), rtol=1e-6)


@pytest.mark.parametrize("axis, left", [(1, 0), (-3, 0), (-1, 1)])
def test_channels_may_come_first(axis: int, left: int) -> None:
    # Built, not called: TensorFlow has no such convolution on a CPU.
    conv = layers.Conv2D(4, 3, data_format="channels_first", name="conv")
    folded = fold_batch_norm(functional((3, 6, 6), conv, layers.BatchNormalization(axis=axis)))
    assert count(folded) == left
    last = functional((6, 6, 3), layers.Conv2D(4, 3, name="conv"), layers.BatchNormalization())
    last.get_layer("conv").set_weights(conv.get_weights())
    expected = conv if left else fold_batch_norm(last).get_layer("conv")
    for found, weight in zip(folded.get_layer("conv").get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(found, weight, rtol=1e-7)


@pytest.mark.parametrize(
    "layer, shape",
    [
        (lambda: layers.Conv2D(6, 3, 2, "same", use_bias=False), (6, 6, 4)),
        (lambda: layers.Conv2D(6, 3, groups=2), (6, 6, 4)),
        (lambda: layers.Conv2D(4, 3), (4, 4, 4)),
        (lambda: GroupedConv2D(6, 3, groups=2), (6, 6, 4)),
        (lambda: layers.DepthwiseConv2D(3), (6, 6, 4)),
        (lambda: layers.Dense(5), (4,)),
        (lambda: layers.Dense(5, use_bias=False), (3, 4)),
        (lambda: type("Renamed", (layers.Conv2D,), {})(3, 3), (6, 6, 4)),
    ],
)
@pytest.mark.parametrize("scale, center", [(True, True), (False, True), (True, False), (False, False)])
def test_every_kind_of_layer_and_normalisation(layer: Any, shape: tuple[int, ...], scale: bool, center: bool) -> None:
    model = functional(shape, layer(), layers.BatchNormalization(scale=scale, center=center), layers.ReLU())
    assert_folds(model, noise(4, *shape), left=0)


def test_sequential() -> None:
    stack = [layers.Conv2D(3, 3), layers.BatchNormalization(), layers.ReLU(), layers.Flatten()]
    model = keras.Sequential(
        [keras.Input((6, 6, 2)), *stack, layers.Dense(4), layers.BatchNormalization()], name="stack"
    )
    disturb(model)
    model.compile("sgd", "mse")
    folded = assert_folds(model, noise(4, 6, 6, 2), left=0)
    assert isinstance(folded, keras.Sequential) and folded.compiled
    assert [each.name for each in folded.layers] == [model.layers[i].name for i in (0, 2, 3, 4)]


def test_a_sequential_that_was_built_by_a_call() -> None:
    model = keras.Sequential([layers.Dense(3), layers.BatchNormalization(), layers.Dense(2)])
    model(noise(2, 4))
    disturb(model)
    assert_folds(model, noise(2, 4), left=0)


def test_models_inside_models() -> None:
    inner = functional((6, 6, 2), layers.Conv2D(3, 3), layers.BatchNormalization())
    stack = keras.Sequential([keras.Input((4, 4, 3)), layers.Conv2D(2, 1), layers.BatchNormalization()])
    model = functional((6, 6, 2), inner, stack, layers.ReLU())
    folded = assert_folds(model, noise(4, 6, 6, 2), left=0)
    assert [layer.name for layer in folded.layers] == [layer.name for layer in model.layers]


def test_operations_several_inputs_and_structured_outputs() -> None:
    left, right = keras.Input((4,), name="left"), keras.Input((4,))
    x = layers.BatchNormalization()(layers.Dense(3)(left)) * 2 + keras.ops.relu(layers.Dense(3)(right))[:, :1]
    model = keras.Model({"left": left, "right": right}, {"sum": x, "mean": keras.ops.mean(x, axis=1)})
    disturb(model)
    folded = assert_folds(model, {"left": noise(2, 4), "right": 2 * noise(2, 4)}, left=0)
    assert {layer.name for layer in folded.layers} < {layer.name for layer in model.layers}


class Scaled(layers.Conv2D):
    """A convolution that is not linear in its kernel."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        return super().convolution_op(inputs, kernel / keras.ops.sum(keras.ops.abs(kernel)))


@pytest.mark.parametrize(
    "stack",
    [
        lambda: [layers.Conv2D(3, 3, activation="relu"), layers.BatchNormalization()],
        lambda: [layers.BatchNormalization(), layers.Conv2D(3, 3)],
        lambda: [layers.Conv2D(3, 3), layers.ReLU(), layers.BatchNormalization()],
        lambda: [layers.Conv2D(4, 3), layers.BatchNormalization(axis=1)],
        lambda: [layers.SeparableConv2D(3, 3), layers.BatchNormalization()],
        lambda: [Scaled(3, 3), layers.BatchNormalization()],
    ],
    ids=["activation", "before", "not_adjacent", "other_axis", "separable", "own_convolution"],
)
def test_what_cannot_be_folded_stays(stack: Any) -> None:
    assert_folds(functional((6, 6, 4), *stack()), noise(4, 6, 6, 4), left=1)


def test_a_normalisation_of_a_sum_stays() -> None:
    image = keras.Input((6, 6, 3))
    added = layers.Add()([layers.Conv2D(3, 1)(image), image])
    model = keras.Model(image, layers.Conv2D(2, 1)(layers.BatchNormalization()(added)))
    disturb(model)
    assert_folds(model, noise(4, 6, 6, 3), left=1)


@pytest.mark.parametrize("is_output", [True, False])
def test_a_convolution_that_something_else_reads_stays(is_output: bool) -> None:
    image = keras.Input((6, 6, 3))
    maps = layers.Conv2D(3, 1)(image)
    normalized = layers.BatchNormalization()(maps)
    model = keras.Model(image, [normalized, maps] if is_output else layers.Add()([normalized, maps]))
    disturb(model)
    assert_folds(model, noise(4, 6, 6, 3), left=1)


def test_shared_layers_stay() -> None:
    image = keras.Input((6, 6, 3))
    conv, normalization, own = layers.Conv2D(3, 1), layers.BatchNormalization(), layers.BatchNormalization()
    first = normalization(conv(image))
    model = keras.Model(image, [first, own(conv(first)), normalization(layers.Conv2D(3, 3)(image))])
    disturb(model)
    folded = assert_folds(model, noise(4, 6, 6, 3), left=2)
    assert len(folded.layers) == len(model.layers)


def test_a_layer_that_another_model_uses_too_is_folded() -> None:
    conv, normalization = layers.Conv2D(3, 1), layers.BatchNormalization()
    model = functional((6, 6, 3), conv, normalization)
    functional((4, 4, 3), layers.ReLU(), conv, normalization)
    assert_folds(model, noise(4, 6, 6, 3), left=0)


def test_normalisation_that_is_told_to_train_stays() -> None:
    image = keras.Input((6, 6, 3))
    inner = functional((6, 6, 3), layers.Conv2D(3, 1), layers.BatchNormalization())
    x = inner(layers.BatchNormalization()(layers.Conv2D(3, 1)(image), training=True), training=True)
    model = keras.Model(image, layers.BatchNormalization()(layers.Conv2D(3, 1)(x), training=False))
    disturb(model)
    # Not `assert_folds`: a call moves the averages of what is told to train, in the model and in its copy.
    folded = fold_batch_norm(model)
    assert count(folded) == 2 and difference(model, folded, noise(4, 6, 6, 3)) <= 1e-5


class Pair(keras.layers.Layer):
    """A layer that owns two models, as split blocks do."""

    def __init__(self, parts: list[keras.Model], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parts = parts

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.parts[0](inputs, training=training) + self.parts[1](inputs, training=training)

    def rebuilt(self, transform: Any) -> "Pair":
        own = {"name": self.name, "dtype": self.dtype_policy, "trainable": self.trainable}
        return Pair([transform(part) for part in self.parts], **own)


def test_layers_that_own_models_are_rebuilt() -> None:
    parts = [functional((6, 6, 2), layers.Conv2D(3, 3), layers.BatchNormalization()) for _ in range(2)]
    model = functional((6, 6, 2), Pair(parts, name="pair"), layers.ReLU())
    model.get_layer("pair").trainable = False
    folded = assert_folds(model, noise(4, 6, 6, 2), left=0).get_layer("pair")
    assert isinstance(folded, Pair) and not folded.trainable
    assert [part.name for part in folded.parts] == [part.name for part in parts]


def test_statistics_of_preprocessing_are_kept() -> None:
    standardize = layers.Normalization()
    standardize.adapt(3 + 2 * noise(50, 4))
    image = keras.Input((4,))
    model = keras.Model(image, layers.BatchNormalization()(layers.Dense(3)(standardize(image))))
    assert_folds(model, noise(4, 4), left=0)


def test_trainable_flags_are_kept() -> None:
    model = net("basecnn_2cc")
    model.get_layer("path_1_conv_2").trainable = False
    model.get_layer("route_1").gates[0].hidden_layer.trainable = False
    folded = fold_batch_norm(model)
    assert not folded.get_layer("path_1_conv_2").trainable and folded.get_layer("path_2_conv_2").trainable
    gate = folded.get_layer("route_1").gates[0]
    assert gate.trainable and not gate.hidden_layer.trainable and gate.choice_layer.trainable
    model.trainable = False
    assert not fold_batch_norm(model).trainable and not fold_batch_norm(model).trainable_weights


def test_execution_and_default_objective_are_kept() -> None:
    model = small("basecnn_2cc")
    model.execution = "masked"
    folded = fold_batch_norm(model)
    assert folded.execution == "masked"
    assert folded.default_objective().get_config() == model.default_objective().get_config()


def test_a_compiled_model_is_compiled_the_same() -> None:
    model = net("basecnn_2cc")
    model.compile(metrics=["accuracy"])
    x, y = images("basecnn_2cc"), np.arange(4)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        folded = fold_batch_norm(model)
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    assert folded.evaluate(x, y, verbose=0, return_dict=True) == pytest.approx(expected, rel=1e-4)


# One policy that mixes types stands for the other.
@pytest.mark.parametrize(
    "policy", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.heavy), "float64"]
)
def test_dtype_policies_are_kept(policy: str) -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = net("basecnn_2cc")
    finally:
        keras.config.set_dtype_policy(before)
    tolerance = {"mixed_float16": 1e-2, "mixed_bfloat16": 5e-2, "float64": 1e-12}[policy]
    folded = assert_folds(model, images("basecnn_2cc"), left=0, tolerance=tolerance)
    # An input layer has a dtype, and a policy that means nothing.
    computing = [layer for layer in folded.layers if not isinstance(layer, layers.InputLayer)]
    assert all(layer.dtype_policy == model.get_layer(layer.name).dtype_policy for layer in computing)
    assert folded.input.dtype == model.input.dtype


@pytest.mark.parametrize("name", ["basecnn_2cc", "basecnn_ensemble3"])
def test_a_folded_model_is_saved_and_loaded(name: str, tmp_path: Path) -> None:
    folded = fold_batch_norm(net(name))
    folded.save(tmp_path / "folded.keras")
    again = keras.saving.load_model(tmp_path / "folded.keras")
    assert type(again) is type(folded) and again.decision_names == folded.decision_names and count(again) == 0
    assert difference(folded, again, images(name)) <= 1e-6


class Subclassed(keras.Model):
    """A model without a graph."""

    def call(self, inputs: Any) -> Any:
        return inputs


@pytest.mark.parametrize("model", [Subclassed(name="free"), keras.Sequential([layers.Dense(3)], name="free"), None])
def test_a_model_without_a_graph_is_refused(model: Any) -> None:
    shown = f"Received: model={model and 'free'!r} of type {type(model).__name__}"
    with pytest.raises(ValueError, match=f"`model` must be a functional model or a built Sequential.*{shown}"):
        fold_batch_norm(model)


_ON_JAX = """
import sys

sys.modules["tensorflow"] = None

import keras
import numpy as np
from keras import layers
from tests.conformance.subjects import disturb
from tf_routing.transforms.folding import fold_batch_norm
from tf_routing.models import RoutedModel

keras.utils.set_random_seed(0)
image = keras.Input((4, 4, 3))
maps = layers.BatchNormalization()(layers.DepthwiseConv2D(3)(layers.BatchNormalization()(layers.Conv2D(3, 1)(image))))
model = RoutedModel(image, layers.BatchNormalization()(layers.Dense(2)(layers.Flatten()(maps))))
disturb(model)
folded, x = fold_batch_norm(model), np.ones((2, 4, 4, 3), "float32")
assert type(folded) is RoutedModel and len(folded.layers) == len(model.layers) - 3
np.testing.assert_allclose(folded(x, training=False), model(x, training=False), rtol=1e-5, atol=1e-6)
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_jax_folds_too() -> None:
    run_snippet(_ON_JAX, backend="jax")
