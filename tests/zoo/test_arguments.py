"""Arguments of `zoo.get` that say nothing, too little or something else than they seem to."""

from typing import Any

import numpy as np
import pytest

from tests.conformance.subjects import small
from tf_routing import zoo
from tf_routing.exporting.saved_model import _find_architecture

SMALL: dict[str, Any] = {"input_shape": (16, 16, 3), "width_multiplier": 0.125, "classes": 5}


# Classes and images


@pytest.mark.parametrize("classes", [1, np.int64(1)])
def test_one_class_is_refused_with_the_reason(classes: Any) -> None:
    with pytest.raises(ValueError, match="`classes` must be at least 2: .*always 1.*include_top=False.*classes=1"):
        zoo.get("resnet20", classes=classes)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (4, 64, 48), [3, 224, 224], np.array([3, 32, 32])])
def test_channels_first_are_refused(shape: Any) -> None:
    with pytest.raises(ValueError, match=r"`input_shape` must be \(height, width, channels\), the channels last; this"):
        zoo.get("basecnn", input_shape=shape)


@pytest.mark.parametrize(
    ("name", "shape", "least"),
    [
        ("basecnn", (3, 64, 3), 4),
        ("basecnn_ensemble3", (64, 2, 1), 4),
        ("deepcnn", (7, 7, 3), 8),
        ("vgg13_half_2cc", (31, 64, 3), 32),
        ("decide_chain8", (4, 4, 3), 8),
        ("decide_static2", (64, 60, 3), 8),
    ],
)
def test_images_that_are_too_small_are_named_by_the_argument(name: str, shape: tuple[int, ...], least: int) -> None:
    with pytest.raises(ValueError, match=rf"`input_shape` must .*\b{least}\b.* Received: input_shape=\({shape[0]}, "):
        zoo.get(name, input_shape=shape)


# What halves sizes with padding takes any.
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("short_cifar_resnet", {}),
        ("short_imagenet_resnet", {"keras_strides": True}),
        ("short_split_resnet", {}),
        ("short_split_mobilenetv2", {}),
        ("short_skip_resnet", {"router": "conv"}),
    ],
)
def test_one_pixel_is_enough_for_the_others(name: str, arguments: dict[str, Any]) -> None:
    model = small(name, input_shape=(1, 1, 3), **arguments)
    x = np.random.default_rng(0).uniform(size=(2, 1, 1, 3)).astype("float32")
    np.testing.assert_allclose(np.asarray(model(x, training=False)).sum(axis=1), 1, atol=1e-5)


# Paths and routers


@pytest.mark.parametrize(
    ("name", "arguments", "expected", "gates"),
    [
        ("resnet18_2cc", {}, "resnet18_2cc", 5),
        ("resnet18_2cc", {"router": "cp"}, "resnet18_2cp", 4),
        ("resnet18_2cc", {"paths": 3}, "resnet18_3cc", 5),
        ("resnet18_2cc", {"paths": 1}, "resnet18", 0),
        ("resnet18_2cc", {"router": None}, "resnet18_2", 0),
        ("resnet20", {"paths": 2, "router": "cc"}, "resnet20_2cc", 4),
        ("resnet20", {"paths": np.int64(2), "router": "cp"}, "resnet20_2cp", 3),
        ("basecnn", {"paths": 2, "router": "stitch"}, "basecnn_2stitch", 0),
        ("resnet50", {"stem": "cifar"}, "resnet50_own_stem", 0),
        ("basecnn", {"squeeze_excite": {"hidden": 4}}, "basecnn_own_squeeze_excite", 0),
        ("basecnn", {"paths": 2, "router": "cc", "name": "mine"}, "mine", 5),
    ],
)
def test_a_model_is_named_after_what_it_is(name: str, arguments: dict[str, Any], expected: str, gates: int) -> None:
    model = zoo.get(name, **SMALL, **arguments)
    assert model.name == expected
    assert len(model.decision_names) == gates
    # A card is claimed for the zoo's own network only.
    assert _find_architecture(model, None) == (expected if expected in zoo.list_models() else None)


def test_a_tree_of_ones_own_is_no_network_of_the_paper() -> None:
    tree = {"channels": [4], "sinks": ["classify", {"channels": [4], "sinks": ["classify"]}]}
    assert zoo.get("decide_chain8", tree=tree, **SMALL).name == "decide_chain8_own_tree"


def test_one_path_is_the_plain_network() -> None:
    one, plain = zoo.get("resnet18_2cc", paths=1, **SMALL), zoo.get("resnet18", **SMALL)
    assert [layer.name for layer in one.layers] == [layer.name for layer in plain.layers]


@pytest.mark.parametrize("name", ["resnet20", "basecnn", "resnet18", "mobilenetv2"])
def test_paths_that_would_not_route_are_refused(name: str) -> None:
    if name == "mobilenetv2":
        with pytest.raises(TypeError, match="Unknown argument 'paths'"):
            zoo.get(name, paths=3)
        return
    with pytest.raises(ValueError, match="`router` must be given with paths=3: 'cc' .*'cp'.*heads only"):
        zoo.get(name, paths=3)


@pytest.mark.parametrize(("name", "arguments"), [("resnet20", {}), ("resnet18_2cc", {"paths": 1})])
def test_a_router_for_one_path_is_refused(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="`paths` must be at least 2 with router='cp'.*Received: paths=1"):
        zoo.get(name, router="cp", **arguments)


# Arguments that would do nothing


@pytest.mark.parametrize(
    ("name", "arguments", "idle"),
    [
        ("basecnn", {"pooling": "avg"}, "pooling"),
        ("basecnn", {"hidden": 8}, "hidden"),
        ("basecnn", {"average": "probs"}, "average"),
        ("basecnn_2cc", {"per_channel": True}, "per_channel"),
        ("crossstitch2", {"hidden": 8}, "hidden"),
        ("resnet20", {"hidden": 8}, "hidden"),
        ("resnet20_2cc", {"average": "probs", "include_top": False}, "average"),
        ("resnet50", {"average": "probs"}, "average"),
        ("dmnn50_n2", {"target_rate": 0.5, "include_top": False}, "target_rate"),
        ("dmnn_mobilenetv2_n2", {"flops_total": "network", "include_top": False}, "flops_total"),
        ("drn_resnet32", {"router": "conv", "hidden": 8}, "hidden"),
        ("drn_resnet32", {"decision": "first", "keep": 3, "router": "conv"}, "router"),
        ("drn_resnet32", {"decision": "random", "keep": 3, "target": 0.4}, "target"),
        ("drn_resnet32", {"decision": "random", "keep": 3, "beta": 5.0}, "beta"),
        ("decide_static2", {"strategy": "optimistic_critic"}, "strategy"),
        ("decide_static2", {"temperature": 2.0}, "temperature"),
        ("decide_chain8", {"strategy": "pragmatic_critic", "decisiveness_cost": 0.1}, "decisiveness_cost"),
        ("decide_chain8", {"critic_error": "classification"}, "critic_error"),
        ("decide_chain8", {"dynamic_cost": True, "include_top": False}, "dynamic_cost"),
    ],
)
def test_an_argument_that_does_nothing_is_refused(name: str, arguments: dict[str, Any], idle: str) -> None:
    with pytest.raises(ValueError, match=f"`{idle}` counts only .*Received: {idle}={arguments[idle]!r}"):
        zoo.get(name, **arguments)


def test_what_is_the_default_anyway_is_no_mistake() -> None:
    model = zoo.get("basecnn", **SMALL, hidden=16, average="logits", per_channel=False, router=None, pooling=None)
    assert model.name == "basecnn"
