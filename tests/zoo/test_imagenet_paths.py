"""Multi-path nets for ImageNet, and the single-path ones beside them: blocks, routers, paths, and what is refused."""

from math import prod
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tf_routing import zoo
from tf_routing.layers import CrossPrediction, GroupedConv2D
from tf_routing.models import RoutedModel
from tf_routing.zoo.registry import find

ROUTED = ["resnet18_2cc", "resnet50_2cc", "vgg13_half_2cc"]
BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "wrn18_1_5": (2, 2, 2, 2)}
HIDDEN = 16


def small(name: str, /, **arguments: Any) -> RoutedModel:
    return zoo.get(name, **{"classes": 5, "input_shape": (64, 64, 3), "width_multiplier": 0.125, **arguments})


def images(count: int = 2, side: int = 64) -> np.ndarray:
    return np.random.default_rng(2).uniform(size=(count, side, side, 3)).astype("float32")


def trainable(model: keras.Model) -> int:
    return sum(prod(weight.shape) for weight in model.trainable_weights)


def shapes_before(model: RoutedModel) -> list[tuple[int, ...]]:
    """The shape of what each router reads, the batch left out."""
    tensors = [keras.tree.flatten(model.get_layer(route).input)[0] for route in model.decision_names]
    return [tuple(tensor.shape[1:]) for tensor in tensors]


def gate_parameters(inputs: int, channels: int, paths: int) -> int:
    """One gate network per input: 16C + 16 + 16n + n."""
    return inputs * (HIDDEN * channels + HIDDEN + HIDDEN * paths + paths)


# One path


@pytest.mark.parametrize("name", BLOCKS)
def test_basic_nets_have_two_3x3_convolutions_per_block(name: str) -> None:
    model = small(name)
    expected = [f"stage_{s}_block_{b}" for s, count in enumerate(BLOCKS[name], 1) for b in range(1, count + 1)]
    assert [layer.name for layer in model.layers if layer.name.endswith("_add")] == [f"{b}_add" for b in expected]
    for block in expected:
        assert [model.get_layer(f"{block}_conv_{n}").kernel_size for n in (1, 2)] == [(3, 3), (3, 3)]
        first = model.get_layer(f"{block}_conv_1")
        assert first.strides == ((2, 2) if block[-1] == "1" and not block.startswith("stage_1") else (1, 1))
        assert not first.use_bias
    shortcuts = [layer.name for layer in model.layers if layer.name.endswith("_shortcut")]
    # The stem of the wide net is narrower than its first stage.
    assert shortcuts == [f"stage_{s}_block_1_shortcut" for s in ((1, 2, 3, 4) if name == "wrn18_1_5" else (2, 3, 4))]


def test_a_basic_block_adds_its_input() -> None:
    model = small("resnet18")
    names = ("stage_2_block_1_relu", "stage_2_block_2_conv_2_bn", "stage_2_block_2_relu")
    tapped = keras.Model(model.input, [model.get_layer(name).output for name in names])
    before, residual, after = (np.asarray(each) for each in tapped(images(), training=False))
    np.testing.assert_allclose(after, np.maximum(before + residual, 0), atol=1e-6)
    assert np.abs(residual).max() > 1e-4


@pytest.mark.parametrize(
    ("name", "inner", "outer"),
    [
        ("resnet18", (8, 16, 32, 64), (8, 16, 32, 64)),
        ("wrn18_1_5", (12, 24, 48, 96), (12, 24, 48, 96)),
        ("wideresnet50_2", (16, 32, 64, 128), (32, 64, 128, 256)),
        ("resnext50_2x64d", (16, 32, 64, 128), (32, 64, 128, 256)),
    ],
)
def test_widths_of_the_stages(name: str, inner: tuple[int, ...], outer: tuple[int, ...]) -> None:
    model = small(name)
    assert model.get_layer("stem").filters == 8
    assert tuple(model.get_layer(f"stage_{s}_block_2_conv_1").filters for s in (1, 2, 3, 4)) == inner
    assert tuple(model.get_layer(f"stage_{s}_block_2_add").output.shape[-1] for s in (1, 2, 3, 4)) == outer
    grouped = isinstance(model.get_layer("stage_1_block_2_conv_2"), GroupedConv2D)
    assert grouped == (name == "resnext50_2x64d")


def test_one_path_of_the_routed_net_is_the_baseline() -> None:
    alone, baseline = small("resnet18_2cc", paths=1, router=None), small("resnet18")
    assert [layer.name for layer in alone.layers] == [layer.name for layer in baseline.layers]
    alone.set_weights(baseline.get_weights())
    np.testing.assert_array_equal(alone.predict(images(), verbose=0), baseline.predict(images(), verbose=0))


# Routers and paths

_RESNET_SIDES = [(16, 16, 8), (16, 16, 8), (8, 8, 16), (4, 4, 32), (2, 2, 64)]
_VGG_SIDES = [(64, 64, 3), (32, 32, 4), (16, 16, 8), (8, 8, 16), (4, 4, 32), (2, 2, 32)]


@pytest.mark.parametrize(
    ("name", "router", "shapes"),
    [
        ("resnet18_2cc", "cc", _RESNET_SIDES),
        ("resnet18_2cc", "cp", _RESNET_SIDES[:-1]),
        ("resnet50_2cc", "cc", [(16, 16, 8), (16, 16, 32), (8, 8, 64), (4, 4, 128), (2, 2, 256)]),
        ("vgg13_half_2cc", "cc", [*_VGG_SIDES, (32,)]),
        ("vgg13_half_2cc", "cp", [*_VGG_SIDES[:-1], (32,)]),
    ],
)
def test_where_the_routers_stand(name: str, router: str, shapes: list[tuple[int, ...]]) -> None:
    model = small(name, router=router)
    assert model.decision_names == [f"route_{number}" for number in range(1, len(shapes) + 1)]
    assert shapes_before(model) == shapes


# ResNet-50 differs from ResNet-18 in its blocks only, and paths go around blocks: here and below it is heavy.
_DEEPER = {"marks": pytest.mark.heavy}


@pytest.mark.parametrize(
    ("name", "router"),
    [("resnet18_2cc", "cc"), pytest.param("resnet50_2cc", "cc", **_DEEPER), ("vgg13_half_2cc", "cp")],
)
def test_any_number_of_paths(name: str, router: str) -> None:
    model = small(name, paths=3, router=router, input_shape=(32, 32, 3), width_multiplier=0.0625)
    assert model.name == name.replace("2cc", f"3{router}")
    gates = model.routes(images(side=32))
    first, *others = [values.shape for values in gates.values()]
    assert first == (2, 1, 3) and set(others) == {(2, 3, 3)}
    for values in gates.values():
        np.testing.assert_allclose(values.sum(axis=2), 1, atol=1e-5)
    assert [layer.name for layer in model.layers if layer.name.endswith("head")] == [
        f"path_{p}_head" for p in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    ("name", "paths"), [("resnet18_2cc", 2), pytest.param("resnet50_2cc", 3, **_DEEPER), ("vgg13_half_2cc", 3)]
)
def test_parameters_of_cross_connections(name: str, paths: int) -> None:
    """What is shared once, each path's own, and the gates by their formula."""
    alone, apart = (small(name, router=None, paths=n) for n in (1, 2))
    own = trainable(apart) - trainable(alone)
    routed = small(name, paths=paths)
    gates = [
        gate_parameters(1 if number == 0 else paths, shape[-1], paths)
        for number, shape in enumerate(shapes_before(routed))
    ]
    assert trainable(routed) == trainable(alone) + (paths - 1) * own + sum(gates)


@pytest.mark.parametrize("name", ["resnet18_2cc", pytest.param("resnet50_2cc", **_DEEPER)])
def test_cross_predictions_are_added_between_the_stages(name: str) -> None:
    paths = 3
    routed, apart = small(name, router="cp", paths=paths), small(name, router=None, paths=paths)
    parameters, macs = 0, 0
    for number, (height, width, channels) in enumerate(shapes_before(routed)):
        inputs = 1 if number == 0 else paths
        kernels = inputs * paths * 9 * channels**2
        parameters += kernels + paths * 2 * channels + gate_parameters(inputs, channels, paths)
        macs += height * width * kernels + inputs * HIDDEN * (channels + paths)
        layer = routed.get_layer(f"route_{number + 1}")
        assert isinstance(layer, CrossPrediction) and layer.kernel_size == 3 and not layer.use_bias
    assert trainable(routed) == trainable(apart) + parameters
    assert routed.static_cost == apart.static_cost + macs


def test_cross_predictions_replace_the_first_convolution_of_each_stage_of_vgg() -> None:
    model = small("vgg13_half_2cc", router="cp")
    convolutions = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert convolutions == [f"path_{p}_conv_{k}" for k in (2, 4, 6, 8, 10) for p in (1, 2)]
    dense = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert dense == ["path_1_dense_1", "path_2_dense_1", "path_1_head", "path_2_head"]


@pytest.mark.parametrize(("name", "router"), [("resnet18_2cc", "cc"), ("resnet18_2cc", "cp"), ("vgg13_half_2cc", "cc")])
def test_heads_logits_are_averaged(name: str, router: str) -> None:
    model = small(name, router=router)
    heads = keras.Model(model.input, [model.get_layer(f"path_{p}_head").output for p in (1, 2)])
    first, second = heads(images(), training=False)
    expected = keras.ops.softmax((first + second) / 2)
    np.testing.assert_allclose(np.asarray(model(images(), training=False)), np.asarray(expected), atol=1e-6)
    assert float(keras.ops.max(keras.ops.abs(first - second))) > 1e-4


def test_names_of_layers() -> None:
    resnet = {layer.name for layer in small("resnet18_2cc").layers}
    assert {"stem", "stem_pool", "path_1_stage_1_block_1_conv_1", "path_2_stage_4_block_2_conv_2", "logits"} <= resnet
    assert {"path_1_pool", "path_2_head", "probabilities", "route_5"} <= resnet
    vgg = {layer.name for layer in small("vgg13_half_2cc").layers}
    assert {"path_1_conv_1", "path_2_conv_10", "path_2_dense_2", "path_1_head", "route_7", "logits"} <= vgg
    assert {"path_1_conv_11", "path_1_dense_3", "route_8"}.isdisjoint(vgg)


def test_another_router_is_saved_and_loaded(tmp_path: Path) -> None:
    model = small("resnet18_2cc", router="cp", paths=3, name="mine", input_shape=(32, 32, 3))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert (model.name, loaded.name) == ("mine", "mine")
    x = images(side=32)
    np.testing.assert_allclose(np.asarray(loaded(x)), np.asarray(model(x)), atol=1e-6)


# Features, defaults and errors


@pytest.mark.parametrize(
    ("name", "maps"),
    [
        ("resnet34", (2, 2, 64)),
        ("resnet18_2cc", (2, 2, 128)),
        pytest.param("resnet50_2cc", (2, 2, 512), **_DEEPER),
        ("vgg13_half_2cc", (2, 2, 64)),
    ],
)
def test_features_stand_side_by_side(name: str, maps: tuple[int, ...]) -> None:
    assert small(name, include_top=False).output_shape == (None, *maps)
    assert small(name, include_top=False, pooling="max").output_shape == (None, maps[-1])


# Rows of the residual nets get it from one function of the table, and `tests/zoo/test_get.py` asks resnet50_2cc for it.
@pytest.mark.parametrize(
    "name", [*(pytest.param(name, **_DEEPER) for name in ("wideresnet50_2", "resnext50_2x64d")), "vgg13_half_2cc"]
)
def test_imagenet_is_the_default(name: str) -> None:
    model = zoo.get(name, width_multiplier=0.0625)
    assert (model.input_shape, model.output_shape) == ((None, 224, 224, 3), (None, 1000))


def test_recipes_and_baselines() -> None:
    whole = ["resnet18", "resnet34", "wrn18_1_5", "resnet18_2cc"]
    subset = ["resnet50_2cc", "wideresnet50_2", "resnext50_2x64d", "vgg13_half_2cc"]
    assert [zoo.card(name).recipe for name in whole] == ["multipath_imagenet"] * 4
    assert [zoo.card(name).recipe for name in subset] == ["multipath_imagenet100"] * 4
    assert [find(name).baseline for name in ROUTED] == ["resnet18", "resnet50", None]


@pytest.mark.parametrize("shape", [(31, 64, 3), (64, 16, 3)])
def test_images_too_small_for_five_pools(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="`input_shape` must be at least 32 pixels .*Received: input_shape=") as raised:
        small("vgg13_half_2cc", input_shape=shape)
    assert repr(shape) in str(raised.value)


@pytest.mark.parametrize(
    ("name", "argument", "value"),
    [
        *((name, "paths", value) for name in ROUTED for value in (0, 2.0, True)),
        *((name, "average", "votes") for name in ROUTED),
        ("resnet18_2cc", "router", "stitch"),
        ("vgg13_half_2cc", "router", "gates"),
        ("resnet18", "groups", 2),
        ("resnet34", "widths", (64, 128, 256)),
        ("resnet34", "widths", (64, 128, 256, 0)),
        ("wideresnet50_2", "widths", 64),
    ],
)
def test_wrong_arguments_are_named(name: str, argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"`{argument}` must be .*Received: {argument}=") as raised:
        small(name, **{argument: value})
    assert repr(value) in str(raised.value)


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        *((name, "stage_blocks") for name in ("resnet18", "resnet50_2cc")),
        *((name, "bottleneck") for name in ("resnet18", "resnet50", "resnet50_2cc", "resnet50_cifar")),
        ("wrn18_1_5", "widths"),
        ("wideresnet50_2", "inner_widths"),
        ("vgg13_half_2cc", "pools"),
    ],
)
def test_what_the_name_binds_is_no_argument(name: str, bound: str) -> None:
    with pytest.raises(TypeError, match=f"'{bound}'"):
        small(name, **{bound: None})
