"""A widened net starts with the predictions of the single-path net, and its paths part when it trains."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.few_layers import few_layers
from tests.snippets import run_snippet
from tests.trained_net import like_trained
from tf_routing import fold_batch_norm, widen_paths, zoo
from tf_routing.models import RoutedModel
from tf_routing.zoo.architectures import ARCHITECTURES

SMALL: dict[str, Any] = {"input_shape": (32, 32, 3), "width_multiplier": 0.25, "classes": 5}
STANDARDIZE = ((0.5, 0.4, 0.3), (0.25, 0.2, 0.1))
CASES = [
    ("basecnn", 2, "cc", {"standardize": STANDARDIZE}),
    ("basecnn", 3, "cp", {}),
    ("sebasecnn", 2, "cc", {}),
    # BaseCNN with more stages.
    pytest.param("vgg16_cifar", 2, "cp", {}, marks=pytest.mark.heavy),
    # Three paths, and residual nets, are in other cases.
    pytest.param("resnet20", 3, "cc", {}, marks=pytest.mark.heavy),
    ("resnet20", 2, "cc", {"shortcut": "projection", "use_bias": True}),
    ("resnet18", 2, "cc", {"standardize": STANDARDIZE}),
    pytest.param("resnext50_4x24d", 2, "cc", {}, marks=pytest.mark.heavy),
]


# A second block of a stage, of its first shape, and one of another.
_FEW_BLOCKS = {
    "resnet20": {"stack_blocks": 1},
    "resnet20_2cc": {"stack_blocks": 1},
    "resnet18": {"stage_blocks": (2, 1, 1, 1)},
    "resnet18_2cc": {"stage_blocks": (2, 1, 1, 1)},
}


@pytest.fixture(scope="module", autouse=True)
def _few_layers() -> Iterator[None]:
    """Widening goes through a net layer by layer, and building is what takes the time."""
    with pytest.MonkeyPatch.context() as patch:
        few_layers(patch)
        for name, few in _FEW_BLOCKS.items():
            line = ARCHITECTURES[name]
            patch.setitem(ARCHITECTURES, name, line._replace(arguments={**line.arguments, **few}))
        yield


def images() -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(6, 32, 32, 3)).astype("float32")


def trained(name: str, **arguments: Any) -> RoutedModel:
    return like_trained(zoo.get(name, **{**SMALL, **arguments}), images())


def answer(model: keras.Model, training: bool = False) -> np.ndarray:
    return np.asarray(model(images(), training=training))


@pytest.mark.parametrize(("name", "paths", "router", "arguments"), CASES)
def test_predictions_are_those_of_the_single_path_net(
    name: str, paths: int, router: str, arguments: dict[str, Any]
) -> None:
    model = trained(name, **arguments)
    wide = widen_paths(model, paths, router, noise=0)
    expected = answer(model)
    assert np.abs(expected - expected[0]).max() > 1e-2
    np.testing.assert_allclose(answer(wide), expected, atol=1e-5)
    assert wide.name == f"{name}_{paths}{router}"
    for gates in wide.routes(images()).values():
        np.testing.assert_allclose(gates, 1 / paths, atol=1e-6)
    np.testing.assert_allclose(answer(wide, training=True), answer(model, training=True), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "architecture", "router", "arguments"),
    [
        # The residual nets are widened by cross-connections too.
        pytest.param("basecnn", "basecnn_2cc", "cc", {}, marks=pytest.mark.heavy),
        ("basecnn", "basecnn_2cp", "cp", {}),
        ("resnet20", "resnet20_2cc", "cc", {"use_bias": False}),
        # ResNet-20 with another stem and another stage.
        pytest.param("resnet18", "resnet18_2cc", "cc", {}, marks=pytest.mark.heavy),
    ],
)
def test_layers_are_those_of_the_zoos_net(
    name: str, architecture: str, router: str, arguments: dict[str, Any], tmp_path: Path
) -> None:
    wide = widen_paths(trained(name, standardize=STANDARDIZE, **arguments), 2, router)
    own = zoo.get(architecture, **SMALL, standardize=STANDARDIZE, **arguments)
    assert {layer.name: type(layer) for layer in wide.layers} == {layer.name: type(layer) for layer in own.layers}
    assert wide.decision_names == own.decision_names
    assert wide.static_cost == own.static_cost
    wide.save(tmp_path / "wide.keras")
    loaded = zoo.get(architecture, **SMALL, standardize=STANDARDIZE, **arguments, weights=tmp_path / "wide.keras")
    np.testing.assert_allclose(answer(loaded), answer(wide), atol=1e-6)


def test_the_single_path_net_stays_as_it_is() -> None:
    model = trained("resnet20")
    before, weights = answer(model), model.get_weights()
    widen_paths(model, 2, "cc")
    np.testing.assert_array_equal(answer(model), before)
    assert all(np.array_equal(old, new) for old, new in zip(weights, model.get_weights(), strict=True))


def test_a_saved_and_a_cloned_net_are_widened(tmp_path: Path) -> None:
    model = trained("basecnn")
    model.save(tmp_path / "single.keras")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    for other in (keras.saving.load_model(tmp_path / "single.keras"), clone):
        np.testing.assert_allclose(answer(widen_paths(other, noise=0)), answer(model), atol=1e-5)


def gradients(model: RoutedModel, layer: str) -> list[np.ndarray]:
    import tensorflow as tf

    kernels = [model.get_layer(f"path_{path}_{layer}").kernel for path in (1, 2)]
    labels = np.arange(6) % 5
    with tf.GradientTape() as tape:
        loss = keras.ops.mean(keras.losses.sparse_categorical_crossentropy(labels, model(images(), training=True)))
    return [np.asarray(each) for each in tape.gradient(loss, [kernel.value for kernel in kernels])]


def test_noise_parts_the_paths() -> None:
    model = trained("basecnn")
    first, second = gradients(widen_paths(model, noise=0), "conv_2")
    np.testing.assert_allclose(first, second, atol=1e-6)
    first, second = gradients(widen_paths(model, noise=0.05), "conv_2")
    assert np.abs(first - second).max() > 0.01 * np.abs(first).max()


def test_noise_is_a_share_of_each_kernels_deviation() -> None:
    model = trained("basecnn", width_multiplier=1.0)
    wide = widen_paths(model, noise=0.1)
    for path in (1, 2):
        kernel = np.asarray(model.get_layer("conv_2").kernel)
        added = np.asarray(wide.get_layer(f"path_{path}_conv_2").kernel) - kernel
        np.testing.assert_allclose(added.std(), 0.1 * kernel.std(), rtol=0.02)


def test_the_same_seed_gives_the_same_bits() -> None:
    model = trained("basecnn")
    first, same, other = (widen_paths(model, 2, "cp", seed=seed).get_weights() for seed in (4, 4, 5))
    assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_it_trains_and_its_gates_part_from_uniform(tmp_path: Path) -> None:
    wide = widen_paths(trained("basecnn"), noise=0.05)
    wide.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    wide.fit(images(), np.arange(6) % 5, epochs=3, verbose=0)
    assert np.ptp(wide.routes(images())[wide.decision_names[-1]]) > 1e-6
    wide.save(tmp_path / "wide.keras")
    np.testing.assert_allclose(answer(keras.saving.load_model(tmp_path / "wide.keras")), answer(wide), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"paths": 1}, "`paths` must be at least 2.*paths=1"),
        ({"paths": 2.0}, "`paths` must be a positive integer.*2.0"),
        ({"router": "stitch"}, "`router` must be one of 'cc', 'cp'.*'stitch'"),
        ({"noise": -0.1}, "`noise`.*-0.1"),
        ({"hidden": 0}, "`hidden`.*0"),
        ({"seed": None}, "`seed`.*None"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        widen_paths(keras.Sequential(), **arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "router", "message"),
    [
        ("basecnn_2cc", {}, "cc", "must have one path.*'basecnn_2cc'"),
        ("basecnn_3", {}, "cc", "must have one path.*'basecnn_3'"),
        ("mobilenetv2", {}, "cc", "single-path residual or VGG-like.*'mobilenetv2'"),
        ("drn_resnet32", {}, "cc", "single-path residual or VGG-like.*'drn_resnet32'"),
        ("basecnn_ensemble3", {}, "cc", "single-path residual or VGG-like.*'basecnn_ensemble3'"),
        ("resnet20", {}, "cp", "`router` must be 'cc' for a residual net"),
        ("sebasecnn", {}, "cp", "`router` must be 'cc' for a net with squeeze-and-excite"),
        ("resnet20", {"include_top": False}, "cc", "include_top=True"),
    ],
)
def test_other_nets_are_refused(name: str, arguments: dict[str, Any], router: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        widen_paths(zoo.get(name, **SMALL, **arguments), 2, router)


def test_nets_without_their_normalisations_are_refused() -> None:
    with pytest.raises(ValueError, match="`model` must normalise.*'conv_1'"):
        widen_paths(fold_batch_norm(trained("basecnn")), 2, "cp")
    with pytest.raises(ValueError, match="single-path residual or VGG-like"):
        widen_paths(fold_batch_norm(trained("resnet20")), 2, "cc")


@pytest.mark.parametrize("model", [None, keras.Sequential([keras.layers.Dense(3)])])
def test_what_has_no_graph_is_refused(model: Any) -> None:
    with pytest.raises(ValueError, match="`model` must be a functional model or a built Sequential"):
        widen_paths(model)


_ON_JAX = """
import sys

sys.modules["tensorflow"] = None

import numpy as np
from tf_routing import widen_paths, zoo

model = zoo.get("resnet20", width_multiplier=0.25, input_shape=(16, 16, 3))
x = np.random.default_rng(0).uniform(size=(4, 16, 16, 3)).astype("float32")
wide = widen_paths(model, 3, "cc", noise=0)
np.testing.assert_allclose(wide(x, training=False), model(x, training=False), atol=1e-5)
wide = widen_paths(model, 3, "cc")
wide.compile("sgd")
wide.fit(x, np.arange(4), verbose=0)
"""


@pytest.mark.heavy
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_jax_widens_too() -> None:
    run_snippet(_ON_JAX, backend="jax")
