"""The weights of `keras.applications` give our networks the predictions that theirs have behind their preprocessing."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras.src.applications import resnet as keras_resnet

from tests.conformance.subjects import finish, start_python
from tests.trained_net import like_trained
from tf_routing import widen_paths, zoo
from tf_routing.zoo.architectures import ARCHITECTURES
from tf_routing.zoo.arguments.builder_arguments import list_builder_arguments
from tf_routing.zoo.builders import imagenet_resnet
from tf_routing.zoo.weights import keras_weights

SIDE = 64
APPLICATIONS = {
    "resnet50": (keras.applications.ResNet50, keras.applications.resnet.preprocess_input),
    "resnet101": (keras.applications.ResNet101, keras.applications.resnet.preprocess_input),
    "mobilenetv2": (keras.applications.MobileNetV2, keras.applications.mobilenet_v2.preprocess_input),
}


def images() -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(4, SIDE, SIDE, 3)).astype("float32")


def theirs(name: str) -> tuple[keras.Model, np.ndarray]:
    """A network of `keras.applications`, and its answers to the images."""
    keras.utils.set_random_seed(2)
    application, preprocess = APPLICATIONS[name]
    x = preprocess(255 * images())
    model = like_trained(application(weights=None, classes=7, input_shape=(SIDE, SIDE, 3)), x, "predictions")
    return model, np.asarray(model(x, training=False))


def ours(name: str, **arguments: Any) -> keras.Model:
    shape = (SIDE, SIDE, 3)
    return zoo.get(
        name, **{"classes": 7, **arguments}, input_shape=shape, **keras_weights.match_arguments(name, shape, {}, {})
    )


def test_these_are_the_networks() -> None:
    assert tuple(APPLICATIONS) == keras_weights.IMAGENET_NAMES
    assert [name for name in zoo.list_models() if "imagenet" in zoo.card(name).weights] == list(APPLICATIONS)


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """ResNet-50 with few blocks, theirs and ours: more of a stage repeat what its first two are."""
    stack = keras_resnet.stack_residual_blocks_v1

    def stack_few(x: Any, filters: int, blocks: int, **arguments: Any) -> Any:
        return stack(x, filters, 2 if filters == 64 else 1, **arguments)

    monkeypatch.setattr(keras_resnet, "stack_residual_blocks_v1", stack_few)
    line = ARCHITECTURES["resnet50"]
    few = {**line.arguments, "stage_blocks": (2, 1, 1, 1)}
    monkeypatch.setitem(ARCHITECTURES, "resnet50", line._replace(arguments=few))


@pytest.mark.usefixtures("_short")
def test_predictions_are_those_of_a_short_resnet_and_a_head_of_other_classes_stays_fresh() -> None:
    source = assert_predicts_as_theirs("resnet50")
    model = ours("resnet50", classes=3)
    fresh = np.asarray(model.get_layer("head").kernel)
    assert keras_weights.transfer(model, source, "resnet50") == ["head"]
    np.testing.assert_array_equal(np.asarray(model.get_layer("head").kernel), fresh)


# What is saved answers as MobileNetV2 does, below.
@pytest.mark.heavy
@pytest.mark.parametrize("name", ["resnet50", "mobilenetv2", "resnet101"])
def test_predictions_are_those_of_the_application(name: str) -> None:
    assert_predicts_as_theirs(name)


def assert_predicts_as_theirs(name: str) -> keras.Model:
    """Checks predictions with the weights of an application, which is returned."""
    source, expected = theirs(name)
    model = ours(name)
    assert keras_weights.transfer(model, source, name) == []
    assert np.abs(expected - expected[0]).max() > 1e-2
    answers = np.asarray(model(images(), training=False))
    # Fifty or a hundred layers round; how far depends on the weights that are drawn.
    np.testing.assert_allclose(answers, expected, atol=5e-5 if name == "resnet101" else 2e-5)
    if name == "resnet50":
        wide = widen_paths(model, noise=0)
        np.testing.assert_allclose(np.asarray(wide(images(), training=False)), answers, atol=1e-5)
    return source


def test_what_is_saved_answers_alike(tmp_path: Path) -> None:
    source, expected = theirs("mobilenetv2")
    model = ours("mobilenetv2")
    assert keras_weights.transfer(model, source, "mobilenetv2") == []
    assert np.abs(expected - expected[0]).max() > 1e-2
    model.save(tmp_path / "saved.keras")
    # The epsilon of its batch normalisations is a hundred times ours, and comes along.
    for loaded in (
        keras.saving.load_model(tmp_path / "saved.keras"),
        ours("mobilenetv2", weights=tmp_path / "saved.keras"),
    ):
        np.testing.assert_allclose(np.asarray(loaded(images(), training=False)), expected, atol=1e-5)


@pytest.mark.usefixtures("_short")
def test_other_strides_are_refused_when_weights_are_loaded(tmp_path: Path) -> None:
    small = {"input_shape": (32, 32, 3), "width_multiplier": 0.125, "classes": 3}
    zoo.get("resnet50", **small, keras_strides=True).save(tmp_path / "saved.keras")
    with pytest.raises(ValueError, match="'stem_pool' has padding='same'.*'valid'.*keras_strides"):
        zoo.get("resnet50", **small, weights=tmp_path / "saved.keras")
    zoo.get("resnet50", **small, keras_strides=True, weights=tmp_path / "saved.keras")


@pytest.mark.usefixtures("_short")
def test_keras_strides_leave_shapes_and_weights() -> None:
    small = {"input_shape": (36, 30, 3), "width_multiplier": 0.125, "classes": 3}
    default, theirs_ = (zoo.get("resnet50", **small, keras_strides=flag) for flag in (False, True))
    for layer in default.layers:
        if layer.name != "stem_pool" and "conv_1" not in layer.name:
            assert layer.output.shape == theirs_.get_layer(layer.name).output.shape
    assert theirs_.get_layer("stage_2_block_1_conv_1").strides == (2, 2)
    assert theirs_.get_layer("stage_2_block_1_conv_2").strides == (1, 1)
    assert default.count_params() == theirs_.count_params()
    with pytest.raises(ValueError, match="`keras_strides` must be one of.*'yes'"):
        zoo.get("resnet50", **small, keras_strides="yes")


@pytest.mark.parametrize("name", ["resnet50_2cc", "mobilenetv2_140", "resnet18", "basecnn", "dmnn50_n2"])
def test_a_network_without_such_weights_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"resnet50, resnet101, mobilenetv2.*widen_paths.*'{name}'"):
        zoo.get(name, weights="imagenet")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width_multiplier": 0.5}, "`width_multiplier` must be 1.0 with weights='imagenet'.*0.5"),
        ({"stem": "cifar"}, "`stem` must be 'imagenet' with"),
        ({"keras_strides": False}, "`keras_strides` must be True with"),
        ({"standardize": ((0.5,) * 3, (0.5,) * 3)}, "`standardize` must be .* with"),
        ({"input_shape": (64, 64, 1)}, "`input_shape` must have 3 channels.*(64, 64, 1)"),
    ],
)
def test_arguments_that_the_weights_decide(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        zoo.get("resnet50", weights="imagenet", **arguments)


def test_arguments_as_the_weights_ask_for_them_are_accepted() -> None:
    given = {"width_multiplier": 1.0, "keras_strides": True, "hidden": 16}
    defaults = list_builder_arguments(imagenet_resnet.build)
    asked = keras_weights.match_arguments("resnet50", (224, 224, 3), given, defaults)
    assert asked["keras_strides"] is True


# A cache with one file in it, and no way out: what is there is loaded, and what is not says so.
_CACHE = """
import os
import warnings

import h5py
import keras
import numpy as np
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

from tests.trained_net import like_trained
from tf_routing import zoo

home = os.environ["KERAS_HOME"]
os.makedirs(os.path.join(home, "models"))
shape = (96, 96, 3)
x = np.random.default_rng(0).uniform(size=(2, *shape)).astype("float32")
preprocessed = keras.applications.mobilenet_v2.preprocess_input(255 * x)
source = like_trained(keras.applications.MobileNetV2(weights=None, input_shape=shape), preprocessed, "predictions")
file = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_96.h5"
with h5py.File(os.path.join(home, "models", file), "w") as group:
    save_weights_to_hdf5_group(group, source)

model = zoo.get("mobilenetv2", weights="imagenet", input_shape=shape)
np.testing.assert_allclose(model(x, training=False), source(preprocessed, training=False), atol=1e-5)

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model = zoo.get("mobilenetv2", weights="imagenet", input_shape=shape, classes=3)
said = [each for each in caught if "freshly initialised, for 3 classes: head" in str(each.message)]
assert len(said) == 1 and said[0].filename == "<string>", [str(each.message) for each in caught]
body = zoo.get("mobilenetv2", weights="imagenet", input_shape=shape, include_top=False, pooling="avg")
assert body.output_shape == (None, 1280)

try:
    zoo.get("resnet50", weights="imagenet")
except OSError as error:
    for part in ("ResNet50", "URL fetch failure", "resnet50_weights_tf_dim_ordering_tf_kernels.h5", home):
        assert part in str(error), error
else:
    raise AssertionError("nothing was raised")
"""


def test_the_cache_of_keras_is_read_and_without_a_connection_the_error_says_what_to_do(tmp_path: Path) -> None:
    offline = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    finish(start_python(_CACHE, KERAS_BACKEND="numpy", KERAS_HOME=str(tmp_path / "keras"), **offline))
