"""What weights do not hold comes from their file, or is compared and refused by name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.conformance.subjects import draw_scores, images, labels, small
from tests.few_layers import few_layers
from tf_routing import calibrate
from tf_routing.models import RoutedModel
from tf_routing.zoo.weights.layer_settings import compare_layers

STANDARDIZE = ((0.4, 0.5, 0.6), (0.21, 0.22, 0.23))
OTHER = ((0.4, 0.5, 0.6), (0.21, 0.22, 0.25))


@pytest.fixture(scope="module", autouse=True)
def _few_layers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        few_layers(patch, ("basecnn_2cc", "basecnn_2cp"))
        yield


def answer(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return np.asarray(model(x, training=False))


def saved(model: keras.Model, folder: Path) -> str:
    model.save(folder / "model.keras")
    return str(folder / "model.keras")


def changed(model: RoutedModel, name: str, **settings: Any) -> RoutedModel:
    """A copy of a model, with other settings of one layer and the same weights."""

    def copy(layer: Any) -> Any:
        own = settings if layer.name == name else {}
        return type(layer).from_config({**layer.get_config(), **own})

    other = keras.models.clone_model(model, clone_function=copy)
    other.set_weights(model.get_weights())
    return other


# All families, and an ensemble, whose layers are in models inside.
_OWN: dict[str, dict[str, Any]] = {
    "basecnn_2cp": {},
    "basecnn_ensemble3": {},
    "short_cifar_resnet": {},
    "short_split_resnet": {},
    "short_skip_resnet": {"router": "recurrent"},
    "short_chain": {"gamma": 1.5},
}


@pytest.mark.parametrize(("name", "own"), _OWN.items())
def test_predictions_are_the_files_to_the_bit(name: str, own: dict[str, Any], tmp_path: Path) -> None:
    model, x = small(name, standardize=STANDARDIZE, **own), images(name, 8)
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    draw_scores(model)
    model.train_on_batch(x, labels(8))
    if name.startswith(("short_split", "short_skip", "short_chain")):
        calibrate(model, x, rate=0.5)
    # Preprocessing is what the user need not repeat, and how parts run is no part of what was trained.
    loaded = small(name, weights=saved(model, tmp_path), **{key: value for key, value in own.items() if key != "gamma"})
    # What runs on the images that chose it alone is rounded otherwise: a convolution of fewer rows adds up in other
    # blocks. The same way of running gives the same bits.
    for each in (model, loaded):
        each.execution = "masked"
    assert np.ptp(answer(model, x), axis=0).max() > 1e-4
    np.testing.assert_array_equal(answer(loaded, x), answer(model, x))
    assert not list(compare_layers(loaded, model))


@pytest.mark.parametrize(
    ("name", "trained", "asked", "message"),
    [
        ("basecnn_2cc", {"standardize": STANDARDIZE}, {"standardize": None}, "reads input 1;.*standardize:.*`standard"),
        ("basecnn_2cc", {}, {"standardize": STANDARDIZE}, "no layer 'standardize'.*`standardize`"),
        ("basecnn_2cc", {"standardize": STANDARDIZE}, {"standardize": OTHER}, "variance=.*0.0625.*`standardize`"),
        ("basecnn_2cc", {"classifier_activation": "sigmoid"}, {}, "'softmax'.*'sigmoid'.*`classifier_activation`"),
        ("basecnn_2cc", {"average": "probs"}, {}, "'logits'"),
        ("short_chain", {"gamma": 1.5}, {"gamma": 2.2}, "exponent=2.2;.*1.5.*`gamma`"),
        ("short_chain", {"gamma": 1.0}, {"gamma": 2.2}, "no layer 'gamma'.*`gamma`"),
        ("short_chain", {"pyramid": "average"}, {}, "method='strided';.*'average'.*`pyramid`"),
        ("short_split_resnet", {"force_one": True}, {}, "force_one=False;.*True.*`force_one`"),
        ("short_skip_resnet", {"beta": 5.0}, {}, "beta=10.0;.*5.0.*`beta`"),
        ("short_skip_resnet", {"decision": "bernoulli"}, {}, "'threshold';.*'bernoulli'.*`decision`"),
        ("short_cifar_resnet", {"shortcut": "projection"}, {}, "shortcut'.*shapes|IdentityShortcut"),
    ],
)
def test_other_settings_are_refused_by_name(
    name: str, trained: dict[str, Any], asked: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = saved(small(name, **trained), tmp_path)
    with pytest.raises(ValueError, match=message):
        small(name, **asked, weights=path)


# Of a file from elsewhere: none of these is an argument here, and none changes a weight's shape.
@pytest.mark.parametrize(
    ("layer", "setting", "value"),
    [
        ("conv_2", "dilation_rate", (2, 2)),
        ("conv_2", "activation", "tanh"),
        ("conv_2_relu", "max_value", 6.0),
        ("conv_2_relu", "negative_slope", 0.1),
        ("pool_2", "padding", "same"),
        ("dense_1", "activation", "tanh"),
    ],
)
def test_every_setting_is_compared(layer: str, setting: str, value: Any, tmp_path: Path) -> None:
    model = small("basecnn")
    path = saved(changed(model, layer, **{setting: value}), tmp_path)
    with pytest.raises(ValueError, match=f"'{layer}' has {setting}="):
        small("basecnn", weights=path)


def test_layers_in_another_order_are_refused(tmp_path: Path) -> None:
    model = small("basecnn")
    tensor = model.get_layer("conv_2_bn").output
    names = [layer.name for layer in model.layers]
    # The layers of the zoo's network with the same weights, pooled before the ReLU.
    for name in ("pool_2", "conv_2_relu", *names[names.index("pool_2") + 1 :]):
        layer = model.get_layer(name)
        tensor = type(layer).from_config(layer.get_config())(tensor)
    path = saved(RoutedModel(model.input, tensor), tmp_path)
    with pytest.raises(ValueError, match="'conv_2_relu' reads conv_2_bn; that of .* reads pool_2"):
        small("basecnn", weights=path)


def test_epsilon_and_momentum_come_with_the_statistics(tmp_path: Path) -> None:
    model, x = small("short_split_resnet"), images("short_split_resnet")
    norms = [each for each in model._flatten_layers() if isinstance(each, keras.layers.BatchNormalization)]
    assert len(norms) > len([each for each in model.layers if isinstance(each, keras.layers.BatchNormalization)])
    for norm in norms:
        norm.epsilon, norm.momentum = 0.3, 0.7
    loaded = small("short_split_resnet", weights=saved(model, tmp_path))
    np.testing.assert_array_equal(answer(loaded, x), answer(model, x))
    found = [each for each in loaded._flatten_layers() if isinstance(each, keras.layers.BatchNormalization)]
    assert {(each.epsilon, each.momentum) for each in found} == {(0.3, 0.7)}


def test_logits_of_a_trained_network_may_be_asked_for(tmp_path: Path) -> None:
    model, x = small("basecnn_2cc"), images("basecnn_2cc")
    logits = small("basecnn_2cc", classifier_activation=None, weights=saved(model, tmp_path))
    np.testing.assert_allclose(np.asarray(keras.ops.softmax(answer(logits, x))), answer(model, x), atol=1e-6)


@pytest.mark.parametrize("asked", [{"decision": "bernoulli"}, {"decision": "first", "keep": 2}])
def test_decisions_may_be_taken_otherwise_than_in_training(asked: dict[str, Any], tmp_path: Path) -> None:
    model = small("short_skip_resnet")
    loaded = small("short_skip_resnet", **asked, weights=saved(model, tmp_path))
    np.testing.assert_array_equal(
        np.asarray(loaded.get_layer("stem").kernel), np.asarray(model.get_layer("stem").kernel)
    )


@pytest.mark.parametrize("arguments", [{"classes": 7}, {"include_top": False}])
def test_a_body_alone_takes_the_preprocessing_too(arguments: dict[str, Any], tmp_path: Path) -> None:
    model, x = small("basecnn_2cc", standardize=STANDARDIZE), images("basecnn_2cc")
    path = saved(model, tmp_path)
    if "classes" in arguments:
        with pytest.warns(UserWarning, match="freshly initialised, for 7 classes"):
            loaded = small("basecnn_2cc", **arguments, weights=path)
    else:
        loaded = small("basecnn_2cc", **arguments, weights=path)
    own, theirs = (keras.Model(each.input, each.get_layer("route_1").output[0]) for each in (loaded, model))
    np.testing.assert_array_equal(answer(own, x), answer(theirs, x))
    with pytest.raises(ValueError, match="`standardize`"):
        small("basecnn_2cc", **arguments, standardize=None, weights=path)
