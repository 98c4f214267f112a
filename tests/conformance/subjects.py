"""What the conformance tests run over: every public layer and every name of the zoo, small.

A layer or a name that is missing here fails `test_builds.py`.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Collection
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

from tf_routing import layers, models, zoo
from tf_routing.zoo.architectures import ARCHITECTURES
from tf_routing.zoo.builders import mobilenetv2

ROOT = Path(__file__).resolve().parents[2]
BATCH = 4
CLASSES = 5


class LayerSubject(NamedTuple):
    """One way to use a layer: its name, arguments, input shapes and expected output shapes (batch left out).

    `parts` makes the arguments that are models. Inputs are one list or several `lists` of equal length, or `separate`
    arguments; those numbered in `switches` hold pairs of 0 and 1, and all of them numbers in [0, 1] where they are
    `shares`.
    """

    layer: str
    arguments: dict[str, Any]
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    parts: Callable[[], dict[str, Any]] = dict
    separate: bool = False
    switches: tuple[int, ...] = ()
    lists: int = 1
    shares: bool = False

    def build(self) -> keras.layers.Layer:
        """Returns a new layer."""
        return getattr(layers, self.layer)(**self.parts(), **self.arguments)

    def tensors(self) -> list[np.ndarray]:
        """Returns one batch for each input, the same on every call."""
        random = np.random.default_rng(7)
        # Every pattern of two switches once.
        patterns = np.arange(BATCH)[:, None] >> np.arange(2) & 1
        draw = random.uniform if self.shares else random.normal
        drawn = [draw(size=(BATCH, *shape)) for shape in self.inputs]
        return [
            (patterns[:, : shape[0]] if i in self.switches else each).astype("float32")
            for i, (shape, each) in enumerate(zip(self.inputs, drawn, strict=True))
        ]

    def call(self, layer: keras.layers.Layer, tensors: list[Any]) -> list[Any]:
        """Calls a layer on one tensor for each input, and returns all that it returns."""
        length = len(tensors) // self.lists
        lists = [tensors[first : first + length] for first in range(0, len(tensors), length)]
        return keras.tree.flatten(layer(*(tensors if self.separate or len(tensors) == 1 else lists)))


_MAPS, _VECTOR = (6, 8, 4), (6,)


def _split(shortcut: str | None = None, filters: int = 4, strides: int = 1) -> dict[str, Any]:
    """Returns the parts of a split block: two sub-blocks, and a shortcut of their shapes."""

    def part(name: str) -> keras.Model:
        maps = keras.Input(_MAPS)
        y = keras.layers.Conv2D(filters, 3, strides, padding="same", name="conv")(maps)
        return keras.Model(maps, keras.layers.BatchNormalization(name="norm")(y), name=name)

    parts = {"sub_blocks": [part("sub_block_1"), part("sub_block_2")]}
    return {**parts, "shortcut": part("shortcut") if shortcut == "projection" else shortcut}


def _skip(shortcut: str = "identity", filters: int = 4, strides: int = 1) -> dict[str, Any]:
    """Returns the parts of a skip block: one of the sub-blocks of a split block, and a shortcut."""
    parts = _split(shortcut, filters, strides)
    return {"branch": parts["sub_blocks"][0], "shortcut": parts["shortcut"]}


_TWO_EXITS = {"columns": ["column_1"], "junction": "junction_1", "sinks": [{"exit": "exit_1"}, {"exit": "exit_2"}]}
_PYRAMID = ((8, 8, 3), (4, 4, 3), (2, 2, 3))

LAYERS: dict[str, LayerSubject] = {
    "block_policy": LayerSubject("BlockPolicy", {"blocks": 3, "bound": 0.9}, (_VECTOR,), ((2,),) * 3),
    "confidence_junction_first": LayerSubject(
        "ConfidenceJunction", {"confidence": 0.4}, (_VECTOR,), ((2,), (2,), (1,), (1,))
    ),
    "confidence_junction_next": LayerSubject(
        "ConfidenceJunction", {"confidence": 0.5}, (_VECTOR, (1,)), ((2,), (2,), (1,), (1,)), separate=True
    ),
    "controller_first": LayerSubject("Controller", {"sub_blocks": 3, "init_open_rate": 0.7}, (_MAPS,), ((3,), (32,))),
    "controller_next": LayerSubject(
        "Controller", {"sub_blocks": 2, "hidden": 5, "force_one": True}, (_MAPS, (5,)), ((2,), (5,)), separate=True
    ),
    "controller_vectors": LayerSubject(
        "Controller", {"sub_blocks": 2, "use_previous": False}, (_VECTOR, (32,)), ((2,), (32,)), separate=True
    ),
    "controller_normalized": LayerSubject(
        "Controller", {"sub_blocks": 1, "hidden": 5, "use_previous": False, "normalize": True}, (_MAPS,), ((1,), (5,))
    ),
    "cross_connection_maps": LayerSubject("CrossConnection", {"paths": 3}, (_MAPS,) * 2, (_MAPS,) * 3),
    "cross_connection_vectors": LayerSubject("CrossConnection", {"paths": 2}, (_VECTOR,) * 2, (_VECTOR,) * 2),
    "cross_connection_one_to_many": LayerSubject("CrossConnection", {"paths": 2}, (_MAPS,), (_MAPS,) * 2),
    "cross_prediction_maps": LayerSubject(
        "CrossPrediction", {"paths": 3, "filters": 5}, (_MAPS,) * 2, ((6, 8, 5),) * 3
    ),
    "cross_prediction_vectors": LayerSubject("CrossPrediction", {"paths": 2, "units": 5}, (_VECTOR,) * 3, ((5,),) * 2),
    "cross_prediction_one_to_many": LayerSubject(
        "CrossPrediction", {"paths": 2, "filters": 5, "use_bias": False}, (_MAPS,), ((6, 8, 5),) * 2
    ),
    "cross_stitch": LayerSubject("CrossStitch", {"paths": 2}, (_MAPS,) * 2, (_MAPS,) * 2),
    "cross_stitch_per_channel": LayerSubject(
        "CrossStitch", {"paths": 3, "per_channel": True}, (_VECTOR,) * 2, (_VECTOR,) * 3
    ),
    "exit_mixture": LayerSubject(
        "ExitMixture", {"tree": _TWO_EXITS}, ((5,), (5,), (1,), (1,)), ((5,), (2, 5)), lists=2
    ),
    # Only light can be raised to a power.
    "gamma": LayerSubject("Gamma", {"exponent": 2.0}, (_MAPS,), (_MAPS,), shares=True),
    "gate_maps": LayerSubject("Gate", {"choices": 3}, (_MAPS,), ((3,),)),
    "gate_vectors": LayerSubject("Gate", {"choices": 2, "hidden": 8}, (_VECTOR,), ((2,),)),
    "grouped_conv": LayerSubject(
        "GroupedConv2D", {"filters": 6, "kernel_size": (3, 3), "groups": 2}, (_MAPS,), ((4, 6, 6),)
    ),
    "grouped_conv_strides": LayerSubject(
        "GroupedConv2D",
        {"filters": 4, "kernel_size": (3, 3), "strides": (2, 2), "padding": "same", "groups": 4, "use_bias": False},
        (_MAPS,),
        ((3, 4, 4),),
    ),
    "halted_positions": LayerSubject("HaltedPositions", {}, (_MAPS, _MAPS, (6, 8, 1)), (_MAPS,), separate=True),
    "halting_mean": LayerSubject("HaltingMean", {}, (_MAPS, _MAPS, (1,), (1,)), (_MAPS,), lists=2),
    "halting_mean_positions": LayerSubject("HaltingMean", {}, (*(_MAPS,) * 2, *((6, 8, 1),) * 2), (_MAPS,), lists=2),
    "halting_router_first": LayerSubject("HaltingRouter", {"tolerance": 0.5, "init_bias": 0.0}, (_MAPS,), ((1,),) * 3),
    "halting_router_next": LayerSubject(
        "HaltingRouter", {"init_bias": -1.0, "normalize": True}, (_MAPS, (1,)), ((1,),) * 3, separate=True, shares=True
    ),
    "halting_router_positions": LayerSubject(
        "HaltingRouter",
        {"spatial": True, "tolerance": 0.5, "init_bias": 3.0},
        (_MAPS,),
        ((1,), (6, 8, 1), (6, 8, 1)),
    ),
    "halting_router_positions_next": LayerSubject(
        "HaltingRouter",
        {"spatial": True, "tolerance": 0.5, "init_bias": 3.0, "normalize": True},
        (_MAPS, (6, 8, 1)),
        ((1,), (6, 8, 1), (6, 8, 1)),
        separate=True,
    ),
    "identity_shortcut": LayerSubject("IdentityShortcut", {"filters": 7}, ((7, 8, 4),), ((4, 4, 7),)),
    "identity_shortcut_no_padding": LayerSubject(
        "IdentityShortcut", {"filters": 4, "strides": 3}, (_MAPS,), ((2, 3, 4),)
    ),
    "image_pyramid_strided": LayerSubject("ImagePyramid", {"scales": 2}, (_MAPS,), (_MAPS, (3, 4, 4))),
    "image_pyramid_average": LayerSubject(
        "ImagePyramid", {"scales": 3, "method": "average"}, ((8, 8, 4),), ((8, 8, 4), (4, 4, 4), (2, 2, 4))
    ),
    "junction_first": LayerSubject("Junction", {"sinks": 3, "hidden": 5}, (_MAPS,), ((3,), (3,), *((1,),) * 3)),
    "junction_next": LayerSubject(
        "Junction", {"sinks": 2, "hidden": 5}, (_VECTOR, (1,)), ((2,), (2,), (1,), (1,)), separate=True
    ),
    "junction_told_of_cost": LayerSubject(
        "Junction", {"sinks": 2, "hidden": 5}, (_MAPS, (1,), (1,)), ((2,), (2,), (1,), (1,)), separate=True
    ),
    "kept_blocks_distributed": LayerSubject(
        "KeptBlocks", {"rule": "distributed", "stage_blocks": [2, 1], "keep": 2}, (_VECTOR,), ((1,),) * 3
    ),
    "pyramid_column": LayerSubject(
        "PyramidColumn", {"filters": [4, 5, 6]}, _PYRAMID, ((8, 8, 4), (4, 4, 5), (2, 2, 6))
    ),
    "pyramid_column_coarsest": LayerSubject(
        "PyramidColumn", {"filters": [4, 5, 6], "outputs": 1}, _PYRAMID, ((2, 2, 6),)
    ),
    "router_memory_first": LayerSubject("RouterMemory", {"units": 3}, (_VECTOR,), ((2,), (6,))),
    "router_memory_next": LayerSubject(
        "RouterMemory", {"units": 3, "init_open_rate": 0.7}, (_VECTOR, (6,)), ((2,), (6,)), separate=True
    ),
    "skip_block_identity": LayerSubject("SkipBlock", {}, (_MAPS, (1,)), (_MAPS,), _skip, True, (1,)),
    "skip_block_projection": LayerSubject(
        "SkipBlock", {}, (_MAPS, (1,)), ((3, 4, 5),), partial(_skip, "projection", 5, 2), True, (1,)
    ),
    "skip_block_bypass": LayerSubject(
        "SkipBlock",
        {"activation": "linear", "adds_shortcut": False},
        (_MAPS, (1,)),
        ((3, 4, 5),),
        partial(_skip, "projection", 5, 2),
        True,
        (1,),
    ),
    "skip_router_linear": LayerSubject("SkipRouter", {"init_open_rate": 0.6}, (_MAPS,), ((1,),)),
    "skip_router_channels": LayerSubject(
        "SkipRouter", {"hidden": "channels", "hidden_activation": "linear", "beta": 25.0}, (_MAPS,), ((1,),)
    ),
    "skip_router_straight_through": LayerSubject("SkipRouter", {"relaxation": "straight_through"}, (_MAPS,), ((1,),)),
    "skip_router_sampled": LayerSubject("SkipRouter", {"kind": "recurrent", "relaxation": "sampled"}, ((2,),), ((1,),)),
    "skip_router_conv": LayerSubject("SkipRouter", {"kind": "conv"}, (_MAPS,), ((1,),)),
    "skip_router_recurrent": LayerSubject("SkipRouter", {"kind": "recurrent", "beta": 5.0}, ((2,),), ((1,),)),
    "split_block_identity": LayerSubject(
        "SplitBlock", {"activation": "relu"}, (_MAPS, (2,)), (_MAPS,), partial(_split, "identity"), True, (1,)
    ),
    "split_block_projection": LayerSubject(
        "SplitBlock", {}, (_MAPS, (2,)), ((3, 4, 5),), partial(_split, "projection", 5, 2), True, (1,)
    ),
    "split_block_no_shortcut": LayerSubject(
        "SplitBlock", {}, (_MAPS, (2,)), ((3, 4, 5),), partial(_split, None, 5, 2), True, (1,)
    ),
    "squeeze_excite_hidden": LayerSubject("SqueezeExcite", {"hidden": 8}, (_MAPS,), (_MAPS,)),
    "squeeze_excite_ratio": LayerSubject("SqueezeExcite", {"ratio": 2}, (_MAPS,), (_MAPS,)),
}

_RICH_SHAPE = (8, 8, 3)
_SMALL = {"classes": CLASSES, "input_shape": (16, 16, 3), "width_multiplier": 0.125}
# Five pools, and five halvings, need larger images.
_LARGE = {**_SMALL, "input_shape": (64, 64, 3)}
_MIDDLE = {**_SMALL, "input_shape": (32, 32, 3)}
_OWN = dict.fromkeys(("vgg16_cifar", "vgg13_half_2cc"), _MIDDLE)
_OWN |= dict.fromkeys(("resnet18", "resnet34", "wrn18_1_5", "resnet18_2cc"), _LARGE)
_OWN |= dict.fromkeys(("wideresnet50_2", "resnext50_2x64d"), _LARGE)
_OWN |= dict.fromkeys(("resnet50_2cc", "resnet50", "resnet101", "mobilenetv2", "mobilenetv2_140"), _LARGE)
_OWN |= dict.fromkeys(("resnext50_2x40d", "resnext50_4x24d", "resnext101_2x40d"), _LARGE)
_SUPERVISED = {**_MIDDLE, "categories": [0, 1, 1, 2, 0]}
_OWN |= dict.fromkeys(("dmnn50_n2", "dmnn50_n3", "dmnn50_n4", "dmnn101_n2"), _MIDDLE)
_OWN |= dict.fromkeys(("dmnn_mobilenetv2_n2", "dmnn_mobilenetv2_140_n2"), _MIDDLE)
_OWN |= dict.fromkeys(("dmnn50_cifar_n2", "dmnn50_cifar_n4"), _SUPERVISED)
_OWN |= dict.fromkeys(("convnet_aig_50", "convnet_aig_101"), _MIDDLE)
_OWN |= dict.fromkeys(("msdnet_imagenet_4", "msdnet_imagenet_7"), _MIDDLE)
_OWN |= dict.fromkeys((f"{kind}_resnet{depth}" for kind in ("act", "sact") for depth in (50, 101)), _MIDDLE)

MODELS: dict[str, dict[str, Any]] = {name: _OWN.get(name, _SMALL) for name in zoo.list_models()}
"""Arguments that make each network small; `_OWN` has those that need larger images."""

LEFT_OUT: dict[str, str] = {
    "resnet110": "resnet20 with six times the blocks: the same builder, and the slowest net to build and train",
    "resnet101": "resnet50 with twice the blocks, from the same builder",
    "resnext50_2x40d": "resnext50_4x24d with other group sizes, from the same builder",
    "resnext101_2x40d": "resnext50_4x24d with other group sizes and twice the blocks, from the same builder",
    "mobilenetv2_140": "mobilenetv2 with wider layers, from the same builder",
    "dmnn50_n3": "dmnn50_n2 with a third sub-block per block, from the same builder",
    "dmnn50_n4": "dmnn50_n2 with twice the sub-blocks per block, from the same builder",
    "dmnn101_n2": "dmnn50_n2 with twice the blocks, from the same builder",
    "dmnn_mobilenetv2_140_n2": "dmnn_mobilenetv2_n2 with wider layers, from the same builder",
    **dict.fromkeys(("resnet32", "resnet44", "resnet56", "resnet74"), "resnet20 with more blocks, same builder"),
    **dict.fromkeys(
        ("drn_resnet44", "drn_resnet56", "drn_resnet74", "drn_resnet110"), "drn_resnet32 with more blocks, same builder"
    ),
    **dict.fromkeys(
        (f"decide_static{n}" for n in (1, 3, 4, 5, 6, 7, 8)), "decide_static2 of another depth, from the same builder"
    ),
    "decide_tree": "decide_chain8 with eight branches and 47 columns, from the same builder, and slow to build",
    "dmnn50_cifar_n4": "dmnn50_cifar_n2 with twice the sub-blocks per block, from the same builder",
    "convnet_aig_110": "convnet_aig_50 with 54 basic blocks, from the same builder",
    **dict.fromkeys(("skipnet_74", "skipnet_110"), "skipnet_38 with more blocks, from the same builder"),
    "blockdrop_110": "blockdrop_32 with more blocks, from the same builder",
    "convnet_aig_101": "convnet_aig_50 with twice the blocks, from the same builder",
    **dict.fromkeys(
        ("msdnet_7", "msdnet_anytime_7", "msdnet_anytime_10"),
        "msdnet_5 with more layers or exits, from the same builder",
    ),
    **dict.fromkeys(
        ("msdnet_imagenet_4", "msdnet_imagenet_7"),
        "msdnet_5 with another stem and a fourth scale, from the same builder",
    ),
    "act_resnet110": "act_resnet32 with more units, from the same builder",
    "sact_resnet110": "sact_resnet32 with more units, from the same builder",
    **dict.fromkeys(("act_resnet101", "sact_resnet101"), "sact_resnet50 with twice the units, from the same builder"),
}
"""Names that only `test_builds.py` runs, with the reason, and that only in `make heavy`, in which
`tests/zoo/test_counts.py` builds each of them at full size."""

_HEAVY = {
    *("widecnn", "deepcnn", "deepcnn_10conv", "basecnn_3", "all_ensemble", "sedeepcnn"),
    *("basecnn_3cp", "basecnn_4cp", "basecnn_3cc", "basecnn_4cc"),
    *("resnet20_3cp", "resnet20_4cp", "resnet20_3cc", "resnet20_4cc", "resnet32_2cc", "resnet32_3cc", "resnet32_4cc"),
    *("resnet18", "resnet34", "wrn18_1_5", "wideresnet50_2", "resnext50_2x64d"),
    # Beside resnet50_2cc: basic blocks of the same stages, one path, and one path of grouped convolutions.
    *("resnet18_2cc", "resnet50", "resnext50_4x24d"),
    # Beside basecnn_2cc, with more stages, and beside resnet20_2cc, with the router of basecnn_2cp.
    *("vgg13_half_2cc", "resnet20_2cp"),
    # Beside dmnn50_cifar_n2, with the stem of resnet50_2cc, and beside dmnn_mobilenetv2_n2, with one part per block.
    *("dmnn50_n2", "mobilenetv2"),
    # Beside drn_resnet32, with the blocks of resnet50_cifar.
    "drn_resnet50_tinyimagenet",
    # Beside act_resnet32 and sact_resnet50, which halt images or positions.
    *("act_resnet50", "sact_resnet32"),
}
"""Neighbours of other names, with more paths or convolutions, with one path of the same blocks, or with blocks, stem or
router of a third name: `make heavy` runs them, `make test` the neighbour."""

_NAMES = [name for name in MODELS if name not in LEFT_OUT]


class Short(NamedTuple):
    """A net of the zoo with fewer blocks: the `bound` arguments of its line changed, or those of `zoo.get`."""

    name: str
    bound: dict[str, Any]
    arguments: dict[str, Any]


_STAGES = {"stage_blocks": (2, 1, 1, 1)}
_TREE = {
    "channels": [32, 32],
    "sinks": ["classify", {"channels": [64], "sinks": ["classify", {"channels": [64], "sinks": ["classify"]}]}],
}
SHORT: dict[str, Short] = {
    "short_cifar_resnet": Short("resnet20_2cc", {"stack_blocks": 1}, {}),
    "short_imagenet_resnet": Short("resnet50_2cc", _STAGES, {}),
    "short_bottlenecks": Short("resnet50_cifar", _STAGES, {}),
    "short_split_resnet": Short("dmnn50_cifar_n2", _STAGES, {}),
    "short_split_mobilenetv2": Short("dmnn_mobilenetv2_n2", {}, {}),
    "short_skip_resnet": Short("drn_resnet32", {"stage_blocks": (2, 1, 1)}, {}),
    "short_chain": Short("decide_chain8", {}, {"tree": _TREE}),
    "short_blockdrop": Short("blockdrop_32", {"stage_blocks": (2, 1, 1)}, {}),
    "short_skipnet": Short("skipnet_38", {"stage_blocks": (3, 1, 1)}, {}),
    "short_act": Short("act_resnet32", {"stage_blocks": (3, 2, 1)}, {}),
    "short_sact": Short("sact_resnet50", {"stage_blocks": (3, 2, 1, 1)}, {}),
    "short_aig_resnet": Short("convnet_aig_50", {**_STAGES, "fixed_rates": (1.0, 0.8, None, None, None)}, {}),
    "short_msdnet": Short("msdnet_5", {"block_layers": (1, 2, 2)}, {}),
}
"""What `make test` runs in place of deep nets: more blocks of the same stage repeat what the first two do."""

# The blocks of MobileNetV2 are no argument: of each row of its table one, and of the first strided one two.
_FEW_BLOCKS = tuple((expansion, filters, min(count, 1 + (filters == 24)), strides)
                    for expansion, filters, count, strides in mobilenetv2._TABLE)  # fmt: skip


def marked(names: Collection[str]) -> list[Any]:
    """Returns names to parametrize a test by: heavy are those with a neighbour, left out, or with a short version."""
    longer = _HEAVY | LEFT_OUT.keys() | {short.name for short in SHORT.values()}
    short = [name for name, each in SHORT.items() if each.name in names]
    return [pytest.param(name, marks=pytest.mark.heavy) if name in longer else name for name in names] + short


TRAINED = marked(_NAMES)
FAMILIES = ["basecnn", "basecnn_2cp", "basecnn_ensemble3", "widecnn_cascade", *SHORT]
"""One small net of each builder."""
_CHOOSING = ("dmnn", "drn", "decide_chain", "decide_tree", "convnet_aig", "skipnet", "blockdrop", "msdnet")
_CHOOSING += ("act_", "sact_", "widecnn_cascade")
GATED = [name for name in _NAMES if name.startswith(_CHOOSING)]
"""Names whose images choose what runs."""
GATED_LEFT_OUT = [name for name in LEFT_OUT if name.startswith(_CHOOSING)]
"""Further ones, of `LEFT_OUT`."""


def small(name: str, /, **arguments: Any) -> models.RoutedModel:
    """Returns a new small net of the zoo, perhaps with other arguments, or a `SHORT` one, or the `rich_model`."""
    if name == "rich":
        return rich_model()
    if name not in SHORT:
        return zoo.get(name, **{**MODELS[name], **arguments})
    short = SHORT[name]
    line = ARCHITECTURES[short.name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHITECTURES, short.name, line._replace(arguments={**line.arguments, **short.bound}))
        patch.setattr(mobilenetv2, "_TABLE", _FEW_BLOCKS)
        return zoo.get(short.name, **{**MODELS[short.name], **short.arguments, "name": name, **arguments})


def images(name: str, count: int = BATCH) -> np.ndarray:
    """Returns images in [0, 1] for a small net, the same on every call."""
    zoos = SHORT[name].name if name in SHORT else name
    shape = (count, *(_RICH_SHAPE if name == "rich" else MODELS[zoos]["input_shape"]))
    return np.random.default_rng(11).uniform(size=shape).astype("float32")


@cache
def family_net(name: str) -> models.RoutedModel:
    """Returns a small net whose images differ in what they choose, shared by tests that change no weight."""
    keras.utils.set_random_seed(1)
    model = small(name)
    disturb(model)
    draw_scores(model)
    return model


def many_routers(count: int = 11) -> models.RoutedModel:
    """Returns a model of so many routers that the order of their names is not that of their depth."""
    image = keras.Input((4, 4, 3), name="image")
    routers = [layers.SkipRouter("linear", hidden=2, seed=n, name=f"router_{n}") for n in range(1, count + 1)]
    switches = keras.layers.Concatenate(name="switches")([router(image) for router in routers])
    vector = keras.layers.Concatenate(name="joined")([keras.layers.Flatten(name="flat")(image), switches])
    return models.RoutedModel(image, keras.layers.Dense(CLASSES, "softmax", name="head")(vector), name="many")


def labels(count: int = BATCH) -> np.ndarray:
    """Returns class indices for `images`."""
    return np.arange(count) % CLASSES


def layer_model(subject: LayerSubject, cls: type[keras.Model] = keras.Model) -> keras.Model:
    """Returns a functional model of one layer and a dense layer on everything it returns."""
    inputs = [keras.Input(shape, name=f"input_{i}") for i, shape in enumerate(subject.inputs, 1)]
    outputs = subject.call(subject.build(), inputs)
    flat = [keras.layers.Flatten()(output) for output in outputs]
    joined = keras.layers.Concatenate()(flat) if len(flat) > 1 else flat[0]
    prediction = keras.layers.Dense(CLASSES, "softmax", dtype="float32", name="prediction")(joined)
    return cls(inputs if len(inputs) > 1 else inputs[0], prediction)


def layer_batch(subject: LayerSubject) -> Any:
    """Returns what `layer_model` takes: one array, or a list of them."""
    tensors = subject.tensors()
    return tensors if len(tensors) > 1 else tensors[0]


ENDS_OF_TREES = {"ConfidenceJunction", "ExitMixture", "Junction"}
"""Layers that only make sense in a tree of exits, whose sparse run is of the whole model: chains and cascades."""

PARTS_OF_STAGES = {"HaltedPositions", "HaltingMean", "HaltingRouter"}
"""Layers that only make sense in a stage that ends early, such as those of `short_sact`."""


def rich_model() -> models.RoutedModel:
    """Returns a model that holds every public layer but `ENDS_OF_TREES` and `PARTS_OF_STAGES`."""
    image = keras.Input(_RICH_SHAPE, name="image")
    tensors = layers.CrossPrediction(2, filters=4, name="route_1")(image, return_gates=True)[0]
    tensors = layers.CrossConnection(2, name="route_2")(tensors, return_gates=True)[0]
    tensors = layers.CrossStitch(2, name="stitch")(tensors)
    maps = keras.layers.Average(name="average")(tensors)
    maps = layers.GroupedConv2D(4, 3, padding="same", groups=2, name="grouped_conv")(maps)
    maps = layers.SqueezeExcite(hidden=3, name="squeeze_excite")(maps)
    maps = layers.IdentityShortcut(6, name="shortcut")(maps)
    pyramid = layers.ImagePyramid(2, name="pyramid")(layers.Gamma(2.2, name="gamma")(image))
    maps = keras.layers.Add(name="joined_maps")([maps, *layers.PyramidColumn([2, 6], 1, name="column")(pyramid)])
    switches, _ = layers.Controller(2, init_open_rate=0.7, name="controller")(maps)
    parts = [_part(maps, f"sub_block_{number}") for number in (1, 2)]
    maps = layers.SplitBlock(parts, "identity", "relu", name="split_block")(maps, switches)
    scores, _ = layers.RouterMemory(3, name="memory")(keras.layers.GlobalAveragePooling2D(name="summary")(maps))
    decision = layers.SkipRouter("recurrent", name="router")(scores)
    maps = layers.SkipBlock(_part(maps, "branch"), name="skip_block")(maps, decision)
    # Switches no block: a rule has no threshold, and this model's gates are calibrated.
    kept = layers.KeptBlocks("first", [1], keep=1, name="kept_blocks")(image)
    gate = layers.Gate(3, name="gate")(maps)
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(maps)
    # Decides about nothing either.
    policy = layers.BlockPolicy(2, name="policy")(pooled)
    vector = keras.layers.Concatenate(name="joined")([pooled, gate, *kept, *policy])
    return models.RoutedModel(image, keras.layers.Dense(CLASSES, "softmax", name="head")(vector), name="rich")


def _part(x: Any, name: str) -> keras.Model:
    # Named: TensorFlow adds gradients up in an order that names decide, and a number that Keras gives would change it.
    maps = keras.Input(x.shape[1:])
    return keras.Model(maps, keras.layers.Conv2D(x.shape[-1], 3, padding="same", name="conv")(maps), name=name)


def draw_scores(model: keras.Model) -> None:
    """Gives routers random last kernels where they start with none, or with one near zero: all images decide alike.

    Without a kernel no gradient passes either.
    """
    random = np.random.default_rng(5)
    for layer in model.layers:
        draw_last_kernel(layer, random)


def draw_last_kernel(layer: Any, random: np.random.Generator | None = None) -> None:
    """Gives a router a random last kernel if it starts with none, or with one near zero."""
    random = random or np.random.default_rng(5)
    last = None
    if isinstance(layer, layers.Junction):
        last = layer.scores_layer
    elif isinstance(layer, layers.Controller) and layer.normalize:
        last = layer.score_layer
    if last is not None:
        last.kernel.assign(random.normal(size=last.kernel.shape))


def disturb(model: keras.Model) -> None:
    """Moves every weight off its initial value, so that a weight that is lost on the way shows."""
    random = np.random.default_rng(3)
    for weight in model.weights:
        # Mostly by a factor: moving variances stay positive, and the softmax unsaturated.
        weight.assign(
            np.asarray(weight) * random.uniform(0.9, 1.1, weight.shape) + random.uniform(0, 0.02, weight.shape)
        )


def start_python(code: str, *arguments: Any, **environment: str) -> subprocess.Popen[str]:
    """Starts a fresh Python process on `code` that can import the package and this module."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    """Waits for a process and returns what it printed; fails with its errors if it failed."""
    printed, errors = process.communicate()
    assert process.returncode == 0, errors[-4000:]
    return printed
