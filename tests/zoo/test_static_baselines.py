"""The nets that dynamic multi-path networks are compared with: where strides, groups, widths and shortcuts are."""

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest

from tf_routing import zoo
from tf_routing.layers import GroupedConv2D
from tf_routing.models import RoutedModel
from tf_routing.zoo.builders.mobilenetv2 import InvertedResidual, add_last, list_inverted_residuals

BLOCKS = {"resnext50_4x24d": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3), "resnet50_cifar": (3, 4, 6, 3)}
WIDTHS = (64, 128, 256, 512)
GROUPED = {"resnext50_2x40d": (2, (80, 160, 320, 640)), "resnext50_4x24d": (4, (96, 192, 384, 768))}


@cache
def wide(name: str) -> RoutedModel:
    """The net at its own width, for small images."""
    return zoo.get(name, classes=5, input_shape=(32, 32, 3))


def narrow(name: str, /, **arguments: Any) -> RoutedModel:
    return zoo.get(name, **{"classes": 5, "input_shape": (32, 32, 3), "width_multiplier": 0.125, **arguments})


def named(model: keras.Model, ending: str) -> list[str]:
    return [layer.name for layer in model.layers if layer.name.endswith(ending)]


def side(model: keras.Model, layer: str) -> int:
    return model.get_layer(layer).output.shape[1]


# Residual nets


# ResNet-101 has more of the same blocks in one stage.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.heavy) if name == "resnet101" else name for name in BLOCKS]
)
def test_every_stage_has_its_blocks_and_one_projection(name: str) -> None:
    model = narrow(name)
    expected = [f"stage_{s}_block_{b}" for s, count in enumerate(BLOCKS[name], 1) for b in range(1, count + 1)]
    assert named(model, "_add") == [f"{block}_add" for block in expected]
    assert named(model, "_shortcut") == [f"stage_{s}_block_1_shortcut" for s in (1, 2, 3, 4)]


@pytest.mark.parametrize("name", ["resnet50", "resnext50_4x24d", "resnet50_cifar"])
def test_the_3x3_convolution_has_the_stride(name: str) -> None:
    model = narrow(name)
    strided = {
        layer.name for layer in model.layers if isinstance(layer, keras.layers.Conv2D) and layer.strides == (2, 2)
    }
    places = [f"stage_{s}_block_1_{what}" for s in (2, 3, 4) for what in ("conv_2", "shortcut")]
    assert strided - {"stem"} == set(places)
    assert [model.get_layer(f"stage_2_block_1_conv_{n}").kernel_size for n in (1, 2, 3)] == [(1, 1), (3, 3), (1, 1)]


def test_the_imagenet_stem_quarters_the_image() -> None:
    model = narrow("resnet50", input_shape=(64, 64, 3))
    sides = [side(model, name) for name in ("stem_pad", "stem", "stem_pool", *named(model, "block_1_add"))]
    assert sides == [70, 32, 16, 16, 8, 4, 2]
    assert model.get_layer("stem").kernel_size == (7, 7)


def test_the_cifar_net_runs_its_stages_at_16_8_4_and_2() -> None:
    model = wide("resnet50_cifar")
    assert [side(model, name) for name in ("stem", "stem_pool", *named(model, "block_1_add"))] == [32, 16, 16, 8, 4, 2]
    assert model.get_layer("stem").kernel.shape == (3, 3, 3, 64)
    assert zoo.get("resnet50_cifar", width_multiplier=0.125).output_shape == (None, 100)


# One number of groups stands for the other.
@pytest.mark.parametrize(
    "name", ["resnet50", pytest.param("resnext50_2x40d", marks=pytest.mark.heavy), "resnext50_4x24d"]
)
def test_inner_and_outer_widths(name: str) -> None:
    groups, widths = GROUPED.get(name, (1, WIDTHS))
    model = wide(name)
    for stage, (inner, outer) in enumerate(zip(widths, (256, 512, 1024, 2048), strict=True), 1):
        convolutions = [model.get_layer(f"stage_{stage}_block_2_conv_{n}") for n in (1, 2, 3)]
        shapes = [(1, 1, outer, inner), (3, 3, inner // groups, inner), (1, 1, inner, outer)]
        assert [each.kernel.shape for each in convolutions] == shapes
        assert [isinstance(each, GroupedConv2D) for each in convolutions] == [False, groups > 1, False]


@pytest.mark.parametrize(
    ("name", "multiplier", "inner"),
    [
        ("resnext50_2x40d", 0.13, (10, 20, 42, 84)),
        ("resnext50_4x24d", 0.13, (12, 24, 48, 100)),
        ("resnext50_4x24d", 0.01, (4, 4, 4, 8)),
        ("resnet50", 0.13, (8, 17, 33, 67)),
    ],
)
def test_inner_widths_stay_multiples_of_the_groups(name: str, multiplier: float, inner: tuple[int, ...]) -> None:
    model = narrow(name, width_multiplier=multiplier)
    assert tuple(model.get_layer(f"stage_{s}_block_1_conv_2").filters for s in (1, 2, 3, 4)) == inner


def test_groups_and_widths_are_arguments_of_the_plain_net() -> None:
    model = narrow("resnet50", groups=4, inner_widths=(96, 192, 384, 768))
    assert model.static_cost == narrow("resnext50_4x24d").static_cost
    assert narrow("resnet50", stem="cifar").static_cost == narrow("resnet50_cifar").static_cost


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("stem", "cifar10"),
        ("groups", 0),
        ("groups", 2.0),
        ("inner_widths", (64, 128, 256)),
        ("inner_widths", (64, 128, 256, 0)),
        ("inner_widths", 64),
    ],
)
def test_wrong_arguments_of_residual_nets_are_named(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"`{argument}` must be .*Received: {argument}=") as raised:
        narrow("resnet50", **{argument: value})
    assert repr(value) in str(raised.value)


def test_groups_that_do_not_divide_the_widths_are_named() -> None:
    with pytest.raises(ValueError, match=r"`groups` divides.*\(64, 128, 256, 512\), groups=3"):
        narrow("resnet50", groups=3)


@pytest.mark.parametrize(
    ("name", "bound"),
    [("resnext50_2x40d", "groups"), ("resnext50_2x40d", "inner_widths"), ("resnet50_cifar", "stem")],
)
def test_what_the_name_binds_is_no_argument(name: str, bound: str) -> None:
    with pytest.raises(TypeError, match=f"'{bound}'"):
        narrow(name, **{bound: None})


# MobileNetV2

_CHANNELS = (16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320)
_CHANNELS_140 = (24, 32, 32, 44, 44, 44, 88, 88, 88, 88, 136, 136, 136, 224, 224, 224, 448)
_STRIDED = (2, 4, 7, 14)
_IDENTITIES = (3, 5, 6, 8, 9, 10, 12, 13, 15, 16)


def test_the_table_of_blocks() -> None:
    expected = [
        InvertedResidual(number, 1 if number == 1 else 6, channels, 2 if number in _STRIDED else 1)
        for number, channels in enumerate(_CHANNELS, 1)
    ]
    assert list_inverted_residuals(1.0) == expected


@pytest.mark.parametrize(
    ("name", "first", "channels", "final"),
    [("mobilenetv2", 32, _CHANNELS, 1280), ("mobilenetv2_140", 44, _CHANNELS_140, 1792)],
)
def test_channels_and_strides(name: str, first: int, channels: tuple[int, ...], final: int) -> None:
    model, before = wide(name), first
    assert model.get_layer("stem").kernel.shape == (3, 3, 3, first)
    assert model.get_layer("stem").strides == (2, 2)
    for number, filters in enumerate(channels, 1):
        expanded = before if number == 1 else 6 * before
        if number > 1:
            assert model.get_layer(f"block_{number}_expand").kernel.shape == (1, 1, before, expanded)
        depthwise = model.get_layer(f"block_{number}_depthwise")
        assert depthwise.kernel.shape == (3, 3, expanded, 1)
        assert depthwise.strides == ((2, 2) if number in _STRIDED else (1, 1))
        assert model.get_layer(f"block_{number}_project").kernel.shape == (1, 1, expanded, filters)
        before = filters
    assert model.get_layer("last").kernel.shape == (1, 1, before, final)
    assert model.get_layer("head").kernel.shape == (final, 5)


def test_shortcuts_are_identities_and_ten() -> None:
    model = wide("mobilenetv2")
    assert named(model, "_add") == [f"block_{number}_add" for number in _IDENTITIES]
    steps = [f"block_{number}_{step}" for number in range(1, 18) for step in ("expand", "depthwise", "project")]
    convolutions = [
        layer.name for layer in model.layers if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D))
    ]
    assert convolutions == ["stem", *(step for step in steps if step != "block_1_expand"), "last"]


def test_a_block_adds_its_input() -> None:
    model = narrow("mobilenetv2")
    before, residual, after = (
        model.get_layer(name).output for name in ("block_4_project_bn", "block_5_project_bn", "block_5_add")
    )
    x = np.random.default_rng(8).uniform(size=(2, 32, 32, 3)).astype("float32")
    tensors = keras.Model(model.input, [before, residual, after])(x, training=False)
    inputs, residuals, outputs = (np.asarray(tensor) for tensor in tensors)
    np.testing.assert_allclose(outputs, inputs + residuals, atol=1e-6)
    assert np.abs(residuals).max() > 1e-4


def test_activations_end_at_six_and_projections_have_none() -> None:
    model = narrow("mobilenetv2")
    rectified = [layer for layer in model.layers if isinstance(layer, keras.layers.ReLU)]
    assert {layer.max_value for layer in rectified} == {6.0}
    assert len(rectified) == 2 + 17 + 16
    outputs = [model.get_layer(name).output for name in ("stem_relu", "block_17_project_bn", "last_relu")]
    x = np.random.default_rng(8).uniform(size=(2, 32, 32, 3)).astype("float32")
    stem, projected, final = (np.asarray(each) for each in keras.Model(model.input, outputs)(1e4 * x, training=False))
    assert (stem.min(), stem.max()) == (0, 6)
    assert (final >= 0).all()
    assert (projected < 0).any()


def test_the_widths_scale_the_last_convolution_up_or_both_ways() -> None:
    widths = (0.35, 1.0), (0.35, 0.125), (1.0, 0.125), (1.1, 0.125)
    filters = {pair: add_last(keras.Input((1, 1, 4)), *pair).shape[-1] for pair in widths}
    assert filters == {(0.35, 1.0): 1280, (0.35, 0.125): 160, (1.0, 0.125): 160, (1.1, 0.125): 176}


def test_the_narrowest_net_has_four_channels() -> None:
    assert {block.filters for block in list_inverted_residuals(0.001)} == {4}
    assert [block.filters for block in list_inverted_residuals(0.125)[-4:]] == [20, 20, 20, 40]


def test_features_are_what_the_last_convolution_sees() -> None:
    assert narrow("mobilenetv2", include_top=False, input_shape=(64, 96, 3)).output_shape == (None, 2, 3, 160)
    assert narrow("mobilenetv2", include_top=False, pooling="avg").output_shape == (None, 160)


def test_depthwise_kernels_start_at_the_scale_of_nine_inputs() -> None:
    kernel = np.asarray(wide("mobilenetv2").get_layer("block_17_depthwise").kernel)
    assert kernel.std() == pytest.approx((2 / 9) ** 0.5, rel=0.05)


@pytest.mark.parametrize("width", [0, -1.4, "wide", True])
def test_a_wrong_width_is_named(width: Any) -> None:
    with pytest.raises(ValueError, match=f"`width` must be a positive number. Received: width={width!r}"):
        narrow("mobilenetv2", width=width)


def test_the_name_binds_the_width() -> None:
    with pytest.raises(TypeError, match="'width'"):
        narrow("mobilenetv2_140", width=1.0)
