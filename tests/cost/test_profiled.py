"""The cost model against TensorFlow's own profiler: two FLOPs per multiply-accumulate, exactly."""

from typing import Any

import keras
import pytest
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from tests.gated_net import gated_model
from tf_routing import zoo
from tf_routing.cost import gated_macs, static_macs

_KERNELS = ("Conv2D", "DepthwiseConv2dNative", "MatMul")


def profiled_flops(model: keras.Model) -> dict[str, int]:
    """FLOPs of one image by type of operation, in the frozen graph of a masked forward pass."""
    call = tf.function(lambda x: model(x, training=False))
    concrete = call.get_concrete_function(tf.TensorSpec((1, *model.input_shape[1:]), tf.float32))
    frozen = convert_variables_to_constants_v2(concrete).graph.as_graph_def()
    found = {}
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(frozen, name="")
        counter = tf.compat.v1.profiler.ProfileOptionBuilder
        for kind in _KERNELS:
            options = counter(counter.float_operation()).with_empty_output().with_accounted_types([f"^{kind}$"])
            profile = tf.compat.v1.profiler.profile(graph, cmd="op", options=options.build())
            found[kind] = int(profile.total_float_ops)
    return found


_CIFAR: dict[str, Any] = {"width_multiplier": 0.125}
_IMAGENET: dict[str, Any] = {"width_multiplier": 0.125, "input_shape": (64, 64, 3), "classes": 10}
# Each with the types of operation that its multiply-accumulates must be made of.
_NETS = {
    "basecnn": (_CIFAR, {"Conv2D", "MatMul"}),
    "basecnn_2cc": (_CIFAR, {"Conv2D", "MatMul"}),
    "basecnn_3cp": (_CIFAR, {"Conv2D", "MatMul"}),
    "sebasecnn": (_CIFAR, {"Conv2D", "MatMul"}),
    "resnet50_cifar": (_CIFAR, {"Conv2D", "MatMul"}),
    "resnext50_4x24d": (_IMAGENET, {"Conv2D", "MatMul"}),
    "mobilenetv2": (_IMAGENET, {"Conv2D", "DepthwiseConv2dNative", "MatMul"}),
    "dmnn50_cifar_n2": (_CIFAR, {"Conv2D", "MatMul"}),
    "dmnn_mobilenetv2_n2": (_IMAGENET, {"Conv2D", "DepthwiseConv2dNative", "MatMul"}),
}


# The same blocks as in the nets of two parts per block, which hold more kinds of layers.
_ONE_PART = {"resnet50_cifar", "mobilenetv2"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.heavy) if name in _ONE_PART else name for name in _NETS]
)
def test_macs_of_the_zoo_are_half_of_the_profilers_flops(name: str) -> None:
    arguments, kinds = _NETS[name]
    model = zoo.get(name, **arguments)
    model.execution = "masked"
    flops = profiled_flops(model)
    assert {kind for kind, count in flops.items() if count} == kinds
    assert sum(flops.values()) == 2 * model.static_cost


def test_macs_of_sub_blocks_are_half_of_the_profilers_flops() -> None:
    model = gated_model()
    _, gated = gated_macs(model)
    for number, name in enumerate(gated, 1):
        for part, macs in zip(model.get_layer(f"block_{number}").sub_blocks, gated[name], strict=True):
            assert profiled_flops(part) == {"Conv2D": 2 * macs, "DepthwiseConv2dNative": 0, "MatMul": 0}


def test_macs_by_hand_are_half_of_the_profilers_flops() -> None:
    x = image = keras.Input((9, 8, 3))
    x = keras.layers.Conv2D(6, 3, padding="same")(x)
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same")(x)
    x = keras.layers.DepthwiseConv2D(3)(x)
    x = keras.layers.Conv2D(4, 1)(x)
    model = keras.Model(image, keras.layers.Dense(5)(keras.layers.Flatten()(x)))
    macs = {
        "Conv2D": 72 * 6 * 27 + 20 * 8 * 54 + 3 * 2 * 8 * 4,
        "DepthwiseConv2dNative": 3 * 2 * 8 * 9,
        "MatMul": 24 * 5,
    }
    assert static_macs(model) == sum(macs.values())
    assert profiled_flops(model) == {kind: 2 * count for kind, count in macs.items()}
