"""Layers and operations of classifiers made elsewhere as ONNX nodes: squeeze-and-excite, layer scale, swish."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tf_routing.core.graph import operation_class
from tf_routing.exporting.onnx_writing.graph import Graph, Value
from tf_routing.exporting.onnx_writing.layers import (
    NAMED,
    POINTWISE,
    activated,
    add_up,
    along_channels,
    array,
    convolve,
    write_layer,
)

# What does something in training alone.
_IDLE = (
    keras.layers.RandomFlip,
    keras.layers.RandomRotation,
    keras.layers.RandomZoom,
    keras.layers.RandomTranslation,
    keras.layers.RandomContrast,
    keras.layers.RandomBrightness,
    keras.layers.SpatialDropout2D,
    keras.layers.GaussianNoise,
)


for _layer in _IDLE:

    @write_layer.register(_layer)
    def _idle(layer: Any, graph: Graph, x: Value) -> Value:
        return x


@write_layer.register
def _multiply(layer: keras.layers.Multiply, graph: Graph, inputs: Sequence[Value]) -> Value:
    first, *others = inputs
    product = first
    for other in others:
        product = _product(graph, product, other)
    return product


def _product(graph: Graph, first: Value, second: Value) -> Value:
    _check_like(first, second)
    shape = max(first.shape, second.shape, key=lambda each: (np.prod(each), each))
    return Value(graph.add("Mul", first.name, second.name), shape)


def _check_like(first: Value, second: Value) -> None:
    """Raises a `ValueError` if maps meet vectors: the axes of maps stand in another order in a file."""
    if len(first.shape) != len(second.shape):
        raise ValueError(f"tensors of shapes {first.shape} and {second.shape} are combined, which is not written here.")


@write_layer.register
def _reshape(layer: keras.layers.Reshape, graph: Graph, x: Value) -> Value:
    shape = tuple(layer.target_shape)
    if x.is_map or shape not in ((1, 1, x.channels), (1, 1, -1)):
        raise ValueError(f"layer {layer.name!r} makes {shape} of {x.shape}: only vectors become maps of one position.")
    return Value(graph.add("Unsqueeze", x.name, graph.integers(2, 3)), (1, 1, x.channels))


@write_layer.register
def _layer_normalization(layer: keras.layers.LayerNormalization, graph: Graph, x: Value) -> Value:
    if list(layer.axis) not in ([-1], [len(x.shape)]) or getattr(layer, "rms_scaling", False):
        raise ValueError(f"layer {layer.name!r} normalises along {layer.axis}, not along channels.")
    scale = array(layer.gamma) if layer.scale else np.ones(x.channels, "float32")
    shift = array(layer.beta) if layer.center else np.zeros(x.channels, "float32")
    read = graph.add("Transpose", x.name, perm=[0, 2, 3, 1]) if x.is_map else x.name
    name = graph.add(
        "LayerNormalization", read, graph.constant(scale), graph.constant(shift), axis=-1, epsilon=layer.epsilon
    )
    return Value(graph.add("Transpose", name, perm=[0, 3, 1, 2]) if x.is_map else name, x.shape)


@write_layer.register
def _separable(layer: keras.layers.SeparableConv2D, graph: Graph, x: Value) -> Value:
    depthwise = array(layer.depthwise_kernel)
    grouped = depthwise.reshape(*depthwise.shape[:2], 1, -1)
    maps = convolve(graph, x, grouped, None, layer, x.channels)
    bias = array(layer.bias) if layer.use_bias else None
    return activated(graph, layer.activation, convolve(graph, maps, array(layer.pointwise_kernel), bias, POINTWISE))


@write_layer.register(operation_class(lambda x: x + x))
def _add_operation(layer: Any, graph: Graph, first: Any, second: Any) -> Value:
    x, other = _with_constant(graph, first, second)
    if isinstance(other, Value):
        _check_like(x, other)
        return Value(add_up(graph, [x.name, other.name]), x.shape)
    return Value(graph.add("Add", x.name, other), x.shape)


@write_layer.register(operation_class(lambda x: x * x))
def _multiply_operation(layer: Any, graph: Graph, first: Any, second: Any) -> Value:
    x, other = _with_constant(graph, first, second)
    return _product(graph, x, other) if isinstance(other, Value) else Value(graph.add("Mul", x.name, other), x.shape)


def _with_constant(graph: Graph, first: Any, second: Any) -> tuple[Value, Any]:
    """Returns the value that an operation reads, and a second one, or the name of a constant along channels."""
    if not isinstance(first, Value):
        first, second = second, first
    if isinstance(second, Value):
        return first, second
    numbers = np.asarray(second, "float32")
    if numbers.size not in (1, first.channels):
        raise ValueError(f"a constant of shape {numbers.shape} meets {first.shape}, which is not written here.")
    return first, graph.constant(along_channels(first, numbers))


@write_layer.register(operation_class(lambda x: keras.ops.mean(x, axis=(1, 2))))
def _mean_operation(layer: Any, graph: Graph, x: Value) -> Value:
    if not x.is_map or tuple(layer.axis) != (1, 2) or layer.keepdims:
        raise ValueError(
            f"operation {layer.name!r} takes means along {layer.axis}: only those over positions are written."
        )
    return graph.means(x)


for _function in ("relu", "relu6", "sigmoid", "silu", "gelu", "softmax", "hard_sigmoid", "hard_silu"):

    @write_layer.register(operation_class(getattr(keras.ops, _function)))
    def _activation_operation(layer: Any, graph: Graph, x: Value, kind: str = _function) -> Value:
        return activated(graph, keras.activations.get(kind), x)


def _layer_scale(layer: Any, graph: Graph, x: Value) -> Value:
    return Value(graph.add("Mul", x.name, graph.constant(along_channels(x, array(layer.gamma)))), x.shape)


def _stochastic_depth(layer: Any, graph: Graph, x: Value) -> Value:
    return x


NAMED["keras.src.applications.convnext.LayerScale"] = _layer_scale
NAMED["keras.src.applications.convnext.StochasticDepth"] = _stochastic_depth
