"""The layout of dynamic multi-path networks: widths, strides, shortcuts, and who reads what."""

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest

from tf_routing import zoo
from tf_routing.cost import layer_costs
from tf_routing.layers import Controller, SplitBlock
from tf_routing.models import RoutedModel
from tf_routing.zoo.arguments.builder_arguments import call_builder
from tf_routing.zoo.builders import split_mobilenetv2, split_resnet

BLOCKS = [
    f"stage_{stage}_block_{block}" for stage, count in enumerate((3, 4, 6, 3), 1) for block in range(1, count + 1)
]
OUTER = (256, 512, 1024, 2048)
IDENTITIES = (3, 5, 6, 8, 9, 10, 12, 13, 15, 16)
PROJECTIONS, NO_SHORTCUT = (1, 11, 17), (2, 4, 7, 14)


@cache
def resnet() -> RoutedModel:
    """At its own width, for small images."""
    return zoo.get("dmnn50_cifar_n2")


@cache
def mobilenet() -> RoutedModel:
    """At its own width, for small images."""
    return zoo.get("dmnn_mobilenetv2_n2", classes=5, input_shape=(32, 32, 3))


def of_type(model: keras.Model, kind: type) -> list[Any]:
    return [layer for layer in model.layers if isinstance(layer, kind)]


def blocks(model: RoutedModel) -> list[SplitBlock]:
    return of_type(model, SplitBlock)


def convolutions(part: keras.Model) -> list[Any]:
    return of_type(part, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D))


# Both families


@pytest.mark.parametrize(("net", "count"), [(resnet, 16), (mobilenet, 17)])
def test_every_block_has_a_controller_that_reads_its_input_and_the_state_before(net: Any, count: int) -> None:
    model = net()
    controllers = of_type(model, Controller)
    assert [each.name for each in controllers] == [f"controller_{n}" for n in range(1, count + 1)]
    assert len(blocks(model)) == count
    state = None
    for controller, block in zip(controllers, blocks(model), strict=True):
        read = controller.input if isinstance(controller.input, list) else [controller.input]
        maps, switches = block.input
        assert read[0] is maps and controller.output[0] is switches
        assert read[1:] == ([] if state is None else [state])
        assert controller.hidden == 32 and controller.sub_block_count == len(block.sub_blocks) == 2
        state = controller.output[1]


@pytest.mark.parametrize("net", [resnet, mobilenet])
def test_sub_blocks_have_weights_and_normalisations_of_their_own(net: Any) -> None:
    for block in blocks(net()):
        weights = [{id(weight) for weight in part.weights} for part in block.sub_blocks]
        assert not weights[0] & weights[1]
        for part in block.sub_blocks:
            assert len(of_type(part, keras.layers.BatchNormalization)) == len(convolutions(part))
            assert not any(each.use_bias for each in convolutions(part))


@pytest.mark.parametrize("net", [resnet, mobilenet])
def test_sub_blocks_are_switched_and_shortcuts_always_run(net: Any) -> None:
    rows = [row for row in layer_costs(net()) if row.macs and "/" in row.layer]
    for row in rows:
        block, part, _ = row.layer.split("/")
        number = [each.name for each in blocks(net())].index(block) + 1
        expected = None if part == "shortcut" else f"controller_{number}[{int(part[-1]) - 1}]"
        assert (str(row.gate) if row.gate else None) == expected


# Residual nets


@pytest.mark.parametrize(
    ("sub_blocks", "widths"),
    [(2, [38, 76, 153, 307]), (3, [29, 59, 119, 238]), (4, [24, 48, 96, 192]), (1, [64, 128, 256, 512])],
)
def test_inner_widths_by_the_number_of_sub_blocks(sub_blocks: int, widths: list[int]) -> None:
    assert split_resnet._inner_widths(None, sub_blocks, 1.0) == widths


@pytest.mark.parametrize("sub_blocks", [1, 2, 3, 4, 5, 6, 8, 16])
def test_more_sub_blocks_than_the_paper_s_have_the_weights_of_the_whole_block(sub_blocks: int) -> None:
    """Eq. 1 and 2: a bottleneck of inner width C with 4 C channels in and out, against N of inner width w."""
    whole = 4 * 64 * 64 + 9 * 64 * 64 + 64 * 4 * 64
    width = split_resnet.equal_share(sub_blocks) * 64
    assert sub_blocks * (4 * 64 * width + 9 * width**2 + width * 4 * 64) == pytest.approx(whole)
    # The paper's own widths come near it.
    found = split_resnet._inner_widths(None, sub_blocks, 1.0)
    assert found == [pytest.approx(width * factor, rel=0.05, abs=1) for factor in (1, 2, 4, 8)]


def test_a_residual_sub_block_is_a_narrow_bottleneck() -> None:
    assert [block.name for block in blocks(resnet())] == BLOCKS
    for block in blocks(resnet()):
        stage, first = int(block.name[6]), block.name.endswith("_block_1")
        inner, outer = (38, 76, 153, 307)[stage - 1], OUTER[stage - 1]
        incoming = outer if not first else (64, *OUTER)[stage - 1]
        shapes = [(1, 1, incoming, inner), (3, 3, inner, inner), (1, 1, inner, outer)]
        stride = 2 if first and stage > 1 else 1
        for part in block.sub_blocks:
            assert [tuple(each.kernel.shape) for each in convolutions(part)] == shapes
            assert [each.strides for each in convolutions(part)] == [(1, 1), (stride, stride), (1, 1)]
            assert [layer.name for layer in of_type(part, keras.layers.ReLU)] == ["conv_1_relu", "conv_2_relu"]


def test_the_first_block_of_a_residual_stage_has_a_projection_and_the_others_none() -> None:
    for block in blocks(resnet()):
        if not block.name.endswith("_block_1"):
            assert block.shortcut == "identity"
            continue
        (projection,) = convolutions(block.shortcut)
        stage = int(block.name[6])
        assert tuple(projection.kernel.shape) == (1, 1, (64, *OUTER)[stage - 1], OUTER[stage - 1])
        assert projection.strides == ((2, 2) if stage > 1 else (1, 1))
        assert len(of_type(block.shortcut, keras.layers.BatchNormalization)) == 1


@pytest.mark.parametrize("number", [0, 1])
def test_a_residual_block_with_all_off_is_its_shortcut_rectified(number: int) -> None:
    block = blocks(resnet())[number]
    x = np.random.default_rng(0).normal(size=(2, *block.input[0].shape[1:])).astype("float32")
    shortcut = x if block.shortcut == "identity" else np.asarray(block.shortcut(x, training=False))
    output = np.asarray(block(x, np.zeros((2, 2), "float32"), training=False))
    assert (shortcut < 0).any()
    np.testing.assert_allclose(output, np.maximum(shortcut, 0), atol=1e-5)


def test_the_cifar_net_runs_at_16_8_4_and_2() -> None:
    stem = resnet().get_layer("stem")
    assert (tuple(stem.kernel.shape), stem.strides) == ((3, 3, 3, 64), (1, 1))
    firsts = [name for name in BLOCKS if name.endswith("_block_1")]
    sides = [resnet().get_layer(name).output.shape[1] for name in ("stem", "stem_pool", *firsts)]
    assert sides == [32, 16, 16, 8, 4, 2]
    assert resnet().output_shape == (None, 100)


def test_the_imagenet_net_quarters_the_image_first() -> None:
    model = zoo.get("dmnn50_n3", input_shape=(64, 64, 3), width_multiplier=0.0625)
    sides = [model.get_layer(name).output.shape[1] for name in ("stem", "stem_pool", BLOCKS[2], BLOCKS[-1])]
    assert sides == [32, 16, 16, 2]
    assert {len(block.sub_blocks) for block in blocks(model)} == {3}
    assert model.output_shape == (None, 1000)


# MobileNetV2


def test_mobilenet_sub_blocks_share_out_the_expansion() -> None:
    for number, block in enumerate(blocks(mobilenet()), 1):
        incoming, outgoing = block.input[0].shape[-1], block.output.shape[-1]
        divided = incoming * (1 if number == 1 else 6) // 2
        stride = 2 if number in NO_SHORTCUT else 1
        assert block.activation is keras.activations.linear
        for part in block.sub_blocks:
            *expand, depthwise, project = convolutions(part)
            assert [tuple(each.kernel.shape) for each in expand] == ([(1, 1, incoming, divided)] if number > 1 else [])
            assert tuple(depthwise.kernel.shape) == (3, 3, divided, 1) and depthwise.strides == (stride, stride)
            assert tuple(project.kernel.shape) == (1, 1, divided, outgoing)
            assert all(each.max_value == 6 for each in of_type(part, keras.layers.ReLU))
            assert len(of_type(part, keras.layers.ReLU)) == len(expand) + 1


def test_mobilenet_shortcuts() -> None:
    kinds: dict[int, Any] = {number: block.shortcut for number, block in enumerate(blocks(mobilenet()), 1)}
    assert [number for number, kind in kinds.items() if kind == "identity"] == list(IDENTITIES)
    assert [number for number, kind in kinds.items() if kind is None] == list(NO_SHORTCUT)
    projections = {number: kind for number, kind in kinds.items() if isinstance(kind, keras.Model)}
    assert list(projections) == list(PROJECTIONS)
    channels = {number: convolutions(kind)[0].kernel.shape for number, kind in projections.items()}
    assert channels == {1: (1, 1, 32, 16), 11: (1, 1, 64, 96), 17: (1, 1, 160, 320)}
    assert {len(of_type(kind, keras.layers.BatchNormalization)) for kind in projections.values()} == {1}


def test_the_first_mobilenet_block_shares_out_its_input_channels() -> None:
    x = np.random.default_rng(1).normal(size=(1, 16, 16, 32)).astype("float32")
    own, other = np.zeros_like(x), np.zeros_like(x)
    own[..., :16], other[..., 16:] = 1, 1
    for part, read, unread in zip(blocks(mobilenet())[0].sub_blocks, (own, other), (other, own), strict=True):
        plain = np.asarray(part(x, training=False))
        np.testing.assert_array_equal(np.asarray(part(x + unread, training=False)), plain)
        assert np.abs(np.asarray(part(x + read, training=False)) - plain).max() > 1e-3


def test_blocks_without_a_shortcut_always_run_one_sub_block() -> None:
    model = zoo.get("dmnn_mobilenetv2_n2", classes=5, input_shape=(32, 32, 3), width_multiplier=0.125)
    model.execution = "masked"
    controllers = of_type(model, Controller)
    assert [n for n, each in enumerate(controllers, 1) if each.force_one] == list(NO_SHORTCUT)
    for controller in controllers:
        controller.score_layer.set_weights([np.zeros((32, 4)), np.array([9.0, -9.0] * 2)])
    x = np.random.default_rng(2).uniform(size=(3, 32, 32, 3)).astype("float32")
    # Eagerly: a network of this depth takes long to trace.
    outputs = model(x, training=False, return_outputs=True)
    switches = [np.asarray(outputs[name]) for name in model.decision_names]
    counts = {number: each.sum(axis=1).tolist() for number, each in enumerate(switches, 1)}
    assert counts == {number: [float(number in NO_SHORTCUT)] * 3 for number in range(1, 18)}


@pytest.mark.parametrize(("sub_blocks", "divided", "block"), [(5, 32, 1), (3, 32, 1), (32, 144, 3)])
def test_sub_blocks_must_divide_every_block(sub_blocks: int, divided: int, block: int) -> None:
    arguments = {"classes": 5, "input_shape": (32, 32, 3)}
    message = f"`sub_blocks` must divide {divided}, the width of block {block}. Received: {sub_blocks}"
    with pytest.raises(ValueError, match=message):
        call_builder(split_mobilenetv2.build, {"sub_blocks": sub_blocks, "name": "net", **arguments})


def test_the_wider_mobilenet_rounds_to_multiples_of_four() -> None:
    model = zoo.get("dmnn_mobilenetv2_140_n2", classes=5, input_shape=(32, 32, 3))
    assert model.get_layer("controller_1").input.shape[-1] == 44
    channels = list(dict.fromkeys(block.output.shape[-1] for block in blocks(model)))
    assert channels == [24, 32, 44, 88, 136, 224, 448]
    assert model.get_layer("head").kernel.shape == (1792, 5)
