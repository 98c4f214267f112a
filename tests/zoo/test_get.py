"""`zoo.get`: arguments, errors, features, weights and the places of the gates."""

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tf_routing import zoo
from tf_routing.models import RoutedModel

SMALL: dict[str, Any] = {"input_shape": (16, 16, 3), "width_multiplier": 0.125}


def small(architecture: str, /, **arguments: Any) -> RoutedModel:
    return zoo.get(architecture, **{**SMALL, **arguments})


def images(count: int = 3, side: int = 16) -> np.ndarray:
    return np.random.default_rng(2).uniform(size=(count, side, side, 3)).astype("float32")


def disturb(model: keras.Model) -> None:
    random = np.random.default_rng(4)
    for weight in model.weights:
        weight.assign(
            np.asarray(weight) * random.uniform(0.9, 1.1, weight.shape) + random.uniform(0, 0.02, weight.shape)
        )


def answer(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return np.asarray(model(x, training=False))


# Errors


def test_an_unknown_name_lists_close_matches() -> None:
    with pytest.raises(ValueError, match=r"Unknown architecture 'resnet20_2c'.*resnet20_2cc"):
        zoo.get("resnet20_2c")


def test_the_architecture_is_positional() -> None:
    with pytest.raises(TypeError):
        zoo.get(architecture="basecnn")


def test_an_unknown_argument_lists_the_known() -> None:
    with pytest.raises(TypeError, match=r"'widht_multiplier'.*width_multiplier") as raised:
        zoo.get("basecnn_2cc", widht_multiplier=0.5)
    for known in ("classes", "weights", "average", "hidden", "standardize"):
        assert known in str(raised.value)


@pytest.mark.parametrize("bound", ["stages", "paths", "router", "members"])
def test_what_the_name_binds_is_no_argument(bound: str) -> None:
    with pytest.raises(TypeError, match=bound):
        zoo.get("basecnn_2cc", **{bound: 3})


@pytest.mark.parametrize("classes", [0, -1, True, "10", 2.0])
def test_wrong_classes(classes: Any) -> None:
    with pytest.raises(ValueError, match=f"`classes`.*{classes!r}"):
        zoo.get("basecnn", classes=classes)


@pytest.mark.parametrize(
    "shape", [(32, 32), 32, (32, 32, 3, 1), (32, "32", 3), (0, 32, 3), (None, None, 3), (True,) * 3]
)
def test_wrong_input_shape(shape: Any) -> None:
    with pytest.raises(ValueError, match="`input_shape`"):
        zoo.get("basecnn", input_shape=shape)


@pytest.mark.parametrize("name", ["basecnn", "vgg16_cifar", "all_ensemble"])
def test_too_small_images(name: str) -> None:
    with pytest.raises(ValueError, match=r"`input_shape` must be at least .*\(3, 3, 3\)"):
        zoo.get(name, input_shape=(3, 3, 3))


@pytest.mark.parametrize("include_top", [1, 0, "no", None])
def test_include_top_is_a_boolean(include_top: Any) -> None:
    with pytest.raises(ValueError, match="`include_top`"):
        zoo.get("basecnn", include_top=include_top)


@pytest.mark.parametrize("width", [0, -0.5, "half", True, float("nan")])
def test_wrong_width(width: Any) -> None:
    with pytest.raises(ValueError, match="`width_multiplier`"):
        zoo.get("basecnn", width_multiplier=width)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("basecnn_2cc", {"average": "votes"}),
        ("basecnn_2cc", {"pooling": "sum", "include_top": False}),
        ("resnet20", {"shortcut": "B"}),
        ("basecnn_2cc", {"hidden": 0}),
    ],
)
def test_wrong_values_are_named(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        zoo.get(name, **arguments)


def test_missing_weights() -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.keras"):
        zoo.get("basecnn", weights="nowhere.keras")
    with pytest.raises(ValueError, match="`weights`.*'cifar11'"):
        zoo.get("basecnn", weights="cifar11")


# Arguments


def test_defaults_are_the_papers() -> None:
    assert (zoo.get("basecnn_2cc").input_shape, zoo.get("basecnn_2cc").output_shape) == ((None, 32, 32, 3), (None, 10))
    model = zoo.get("resnet50_2cc", width_multiplier=0.125)
    assert (model.input_shape, model.output_shape) == ((None, 224, 224, 3), (None, 1000))


def test_the_model_is_named_after_the_architecture_or_as_asked() -> None:
    assert small("basecnn").name == "basecnn"
    assert small("basecnn", name="mine").name == "mine"
    assert small("basecnn_ensemble3", name="ours").name == "ours"


def test_an_input_shape_may_be_a_list() -> None:
    assert small("basecnn", input_shape=[16, 24, 1]).input_shape == (None, 16, 24, 1)


# A residual net's probabilities come from the same function.
@pytest.mark.parametrize("name", ["basecnn", "basecnn_2cc", pytest.param("resnet20_2cp", marks=pytest.mark.heavy)])
def test_no_activation_returns_logits(name: str) -> None:
    x, probabilities, logits = images(), small(name), small(name, classifier_activation=None)
    logits.set_weights(probabilities.get_weights())
    expected = np.asarray(keras.ops.softmax(logits(x, training=False)))
    np.testing.assert_allclose(answer(probabilities, x), expected, atol=1e-6)
    assert not np.allclose(answer(logits, x).sum(axis=1), 1)


@pytest.mark.parametrize("name", ["basecnn_2cc", "basecnn_ensemble3"])
def test_standardize_subtracts_means_and_divides_by_deviations(name: str) -> None:
    means, deviations = (0.5, 0.4, 0.3), (0.25, 0.2, 0.1)
    inside, outside = small(name, standardize=(means, deviations)), small(name)
    disturb(outside)
    outside_weights = outside.get_weights()
    assert len(inside.get_weights()) == len(outside_weights)
    inside.set_weights(outside_weights)
    x = images()
    standardized = ((x - np.array(means)) / np.array(deviations)).astype("float32")
    np.testing.assert_allclose(answer(inside, x), answer(outside, standardized), atol=1e-5)
    assert not np.allclose(answer(inside, x), answer(outside, x), atol=1e-3)


def test_heads_are_averaged_before_or_after_the_softmax() -> None:
    x, logits, probs = images(), small("basecnn_3"), small("basecnn_3", average="probs")
    disturb(logits)
    probs.set_weights(logits.get_weights())
    heads = [logits.get_layer(f"path_{path}_head").output for path in (1, 2, 3)]
    scores = np.stack([np.asarray(each) for each in keras.Model(logits.input, heads)(x, training=False)])
    softmax = lambda values: np.asarray(keras.ops.softmax(values))  # noqa: E731
    np.testing.assert_allclose(answer(logits, x), softmax(scores.mean(axis=0)), atol=1e-6)
    np.testing.assert_allclose(answer(probs, x), softmax(scores).mean(axis=0), atol=1e-6)


def test_width_scales_convolutions_and_hidden_dense_layers_only() -> None:
    model = zoo.get("basecnn_2cc", classes=7, width_multiplier=0.5)
    assert model.get_layer("path_1_conv_1").filters == 16
    assert model.get_layer("path_2_conv_6").filters == 64
    assert model.get_layer("path_1_dense_1").units == 16
    assert model.get_layer("path_1_head").units == 7
    assert model.get_layer("route_2").gates[0].hidden_layer.units == 16


def test_width_scales_predictions_and_residual_nets() -> None:
    model = zoo.get("resnet20_2cp", width_multiplier=0.5)
    assert [model.get_layer(f"route_{route}").filters for route in (1, 2, 3)] == [8, 8, 16]
    assert model.get_layer("path_2_stack_3_block_3_conv_2").filters == 32
    assert model.get_layer("route_1").gates[0].hidden_layer.units == 16
    assert zoo.get("basecnn_2cp", width_multiplier=0.25).get_layer("route_4").units == 8


def test_hidden_sets_the_gates() -> None:
    assert small("basecnn_2cc", hidden=5).get_layer("route_3").gates[1].hidden_layer.units == 5


# Features


@pytest.mark.parametrize(
    ("name", "side", "channels"),
    [
        ("basecnn", 4, 16),
        ("basecnn_2cc", 4, 32),
        # Two paths in the place of three, and the other router, are in the cases beside them.
        pytest.param("basecnn_3cp", 4, 48, marks=pytest.mark.heavy),
        ("crossstitch2", 4, 32),
        ("resnet20_2cp", 4, 16),
        pytest.param("resnet20_3cc", 4, 24, marks=pytest.mark.heavy),
    ],
)
def test_features_stand_side_by_side(name: str, side: int, channels: int) -> None:
    maps = small(name, include_top=False)
    assert maps.output_shape == (None, side, side, channels)
    assert not any(layer.name.endswith(("head", "logits", "dense_1")) for layer in maps.layers)
    x = images()
    for pooling, pool in (("avg", np.mean), ("max", np.max)):
        vectors = small(name, include_top=False, pooling=pooling)
        vectors.set_weights(maps.get_weights())
        np.testing.assert_allclose(answer(vectors, x), pool(answer(maps, x), axis=(1, 2)), atol=1e-5)


def test_features_are_the_paths_in_order() -> None:
    model = small("basecnn_2cc", include_top=False)
    routed = keras.Model(model.input, model.get_layer("route_4").output[:2])
    first, second = (np.asarray(each) for each in routed(images(), training=False))
    np.testing.assert_allclose(answer(model, images()), np.concatenate([first, second], axis=-1), atol=1e-6)


def test_an_ensemble_has_no_features() -> None:
    with pytest.raises(ValueError, match="include_top=False"):
        zoo.get("all_ensemble", include_top=False)


# Weights


def _saved(name: str, tmp_path: Path, **arguments: Any) -> tuple[RoutedModel, str]:
    model, path = small(name, **arguments), str(tmp_path / "saved.keras")
    disturb(model)
    model.save(path)
    return model, path


def _heads_and_body(model: keras.Model) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    heads, body = {}, {}
    for weight in model.weights:
        target = heads if weight.path.split("/")[-2].endswith("head") else body
        target[f"{len(heads) + len(body)}"] = np.asarray(weight)
    return heads, body


# A net with one head, one with a head per path, and one with a head per member; routers and blocks between are loaded
# alike, and `tests/conformance/test_save_and_load.py` loads them all.
NETS = [
    *("basecnn", "basecnn_2cc", "basecnn_ensemble3"),
    *(pytest.param(name, marks=pytest.mark.heavy) for name in ("basecnn_2cp", "resnet20_2cp")),
]


@pytest.mark.parametrize("name", NETS)
def test_a_head_of_other_classes_stays_fresh(name: str, tmp_path: Path) -> None:
    saved, path = _saved(name, tmp_path, classes=10)
    with pytest.warns(UserWarning, match="7 classes.*head") as caught:
        model = small(name, classes=7, weights=path)
    assert len([each for each in caught if "freshly initialised" in str(each.message)]) == 1
    assert model.output_shape == (None, 7)
    (heads, body), (_, expected) = _heads_and_body(model), _heads_and_body(saved)
    assert heads
    assert body.keys() == expected.keys()
    assert all(np.array_equal(body[key], expected[key]) for key in body)
    # Fresh biases are zeros; saved ones were moved off zero.
    assert all(not head.any() for head in heads.values() if head.ndim == 1)


@pytest.mark.parametrize("name", NETS)
def test_the_same_classes_load_everything(name: str, tmp_path: Path) -> None:
    saved, path = _saved(name, tmp_path, classes=10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = small(name, classes=10, weights=path)
    np.testing.assert_allclose(answer(model, images()), answer(saved, images()), atol=1e-6)


def test_weights_may_be_a_path_object(tmp_path: Path) -> None:
    saved, path = _saved("basecnn", tmp_path)
    model = small("basecnn", weights=Path(path))
    np.testing.assert_allclose(answer(model, images()), answer(saved, images()), atol=1e-6)


def test_features_load_from_a_whole_model(tmp_path: Path) -> None:
    saved, path = _saved("basecnn_2cc", tmp_path)
    model = small("basecnn_2cc", include_top=False, weights=path)
    for name in ("path_1_conv_6", "route_4"):
        for ours, theirs in zip(model.get_layer(name).weights, saved.get_layer(name).weights, strict=True):
            np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    image = keras.Input((16, 16, 3))
    foreign = keras.Model(image, keras.layers.Conv2D(2, 3, name="other")(image))
    foreign.save(tmp_path / "foreign.keras")
    with pytest.raises(ValueError, match=r"foreign\.keras holds no layer"):
        small("basecnn", weights=str(tmp_path / "foreign.keras"))


def test_another_width_is_refused(tmp_path: Path) -> None:
    _, path = _saved("basecnn", tmp_path)
    with pytest.raises(ValueError, match="conv_1"):
        small("basecnn", width_multiplier=0.25, weights=path)


# Places of the gates

_CC = {"route_1": (1, 2), "route_2": (2, 2), "route_3": (2, 2), "route_4": (2, 2), "route_5": (2, 2)}
_CP = {"route_1": (1, 2), "route_2": (2, 2), "route_3": (2, 2), "route_4": (2, 2)}
_CC_3 = {"route_1": (1, 3), "route_2": (3, 3), "route_3": (3, 3), "route_4": (3, 3)}
_RESNET_CP = {"route_1": (1, 2), "route_2": (2, 2), "route_3": (2, 2)}


# Where the gates of resnet20_3cc stand is in the next test too.
@pytest.mark.parametrize(
    ("name", "gates"),
    [
        ("basecnn_2cc", _CC),
        ("basecnn_2cp", _CP),
        pytest.param("resnet20_3cc", _CC_3, marks=pytest.mark.heavy),
        ("resnet20_2cp", _RESNET_CP),
        ("basecnn", {}),
    ],
)
def test_gates(name: str, gates: dict[str, tuple[int, int]]) -> None:
    model = small(name)
    routes = model.routes(images())
    assert list(routes) == model.decision_names == list(gates)
    assert {route: values.shape for route, values in routes.items()} == {k: (3, *v) for k, v in gates.items()}
    for values in routes.values():
        np.testing.assert_allclose(values.sum(axis=2), 1, atol=1e-5)


def _sizes_before(model: keras.Model) -> list[tuple[int, ...]]:
    found = []
    for route in model.decision_names:
        tensor = keras.tree.flatten(model.get_layer(route).input)[0]
        found.append(tuple(tensor.shape[1:]))
    return found


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("basecnn_2cc", [(32, 32, 3), (16, 16, 32), (8, 8, 64), (8, 8, 128), (32,)]),
        ("basecnn_2cp", [(32, 32, 3), (16, 16, 32), (8, 8, 64), (32,)]),
        ("resnet20_3cc", [(32, 32, 16), (32, 32, 16), (16, 16, 32), (8, 8, 64)]),
        ("resnet20_2cp", [(32, 32, 3), (32, 32, 16), (16, 16, 32)]),
    ],
)
def test_gates_read_the_tensors_of_the_paper(name: str, shapes: list[tuple[int, ...]]) -> None:
    assert _sizes_before(zoo.get(name)) == shapes
