"""The cost model against TensorFlow's own profiler: two FLOPs per multiply-accumulate, exactly."""

import keras
import pytest
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from tests.conformance.subjects import MODELS, small
from tests.gated_net import gated_model
from tf_routing import zoo
from tf_routing.cost import gated_macs, static_macs
from tf_routing.models import RoutedModel
from tf_routing.zoo.architectures import ARCHITECTURES

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


_CONV, _DEPTHWISE = {"Conv2D", "MatMul"}, {"Conv2D", "DepthwiseConv2dNative", "MatMul"}
# Each with the types of operation that its multiply-accumulates must be made of.
_NETS = {
    **dict.fromkeys(("basecnn", "basecnn_2cc", "basecnn_3cp", "sebasecnn", "short_resnext"), _CONV),
    **dict.fromkeys(("short_split_resnet", "resnet50_cifar", "resnext50_4x24d", "dmnn50_cifar_n2"), _CONV),
    **dict.fromkeys(("short_split_mobilenetv2", "mobilenetv2", "dmnn_mobilenetv2_n2"), _DEPTHWISE),
}
# Their blocks are those of the short nets, whose graphs are traced and frozen in a quarter of the time.
_DEEP = {"resnet50_cifar", "resnext50_4x24d", "dmnn50_cifar_n2", "mobilenetv2", "dmnn_mobilenetv2_n2"}


def build(name: str) -> RoutedModel:
    """A small net, or one block of each stage of a ResNeXt."""
    if name != "short_resnext":
        return small(name)
    name = "resnext50_4x24d"
    line = ARCHITECTURES[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHITECTURES, name, line._replace(arguments={**line.arguments, "stage_blocks": (1, 1, 1, 1)}))
        return zoo.get(name, **MODELS[name])


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.heavy) if name in _DEEP else name for name in _NETS]
)
def test_macs_of_the_zoo_are_half_of_the_profilers_flops(name: str) -> None:
    model, kinds = build(name), _NETS[name]
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
