"""Keras's own layers as ONNX nodes: one function per kind of layer, found by its class."""

from collections.abc import Callable, Sequence
from functools import singledispatch
from math import ceil, prod
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np

from tf_routing.core.graph import operation_class
from tf_routing.exporting.onnx_writing.graph import Flattened, Graph, Value

_ACTIVATIONS = {
    **{"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softplus": "Softplus", "elu": "Elu"},
    "hard_silu": "HardSwish",
}
POINTWISE = SimpleNamespace(kernel_size=(1, 1), strides=(1, 1), padding="valid", dilation_rate=(1, 1))
"""What `convolve` asks of a layer, for a convolution position by position."""


NAMED: dict[str, Callable[..., Any]] = {}
"""Functions like those of `write_layer`, for layers whose classes have no public name, by module and name."""


@singledispatch
def write_layer(layer: Any, graph: Graph, *inputs: Any, **arguments: Any) -> Any:
    """Adds a layer's nodes for one call.

    Args:
        layer: The layer, or an operation without weights.
        graph: The graph.
        *inputs: What it is called with, `Value`s in the place of tensors.
        **arguments: Its other call arguments.

    Returns:
        Its outputs, `Value`s in the structure of Keras's.

    Raises:
        ValueError: If no function here knows the layer.
    """
    named = NAMED.get(f"{type(layer).__module__}.{type(layer).__name__}")
    if named is not None:
        return named(layer, graph, *inputs, **arguments)
    raise ValueError(
        f"layer {layer.name!r} of type {type(layer).__name__} has no operations of ONNX here: "
        'execution="masked" exports through tf2onnx, which knows more layers and skips nothing.'
    )


def array(weight: Any) -> np.ndarray:
    """Returns a weight's numbers in the precision of files."""
    return np.asarray(keras.ops.convert_to_numpy(weight)).astype("float32")


def activate(graph: Graph, activation: Any, name: str) -> str:
    """Adds an activation by function, and returns the name of its output.

    Raises:
        ValueError: If ONNX has no operation for it here.
    """
    kind = getattr(activation, "__name__", str(activation))
    if kind == "linear":
        return name
    if kind == "softmax":
        return graph.add("Softmax", name, axis=-1)
    if kind == "relu6":
        return graph.add("Clip", name, graph.constant(np.float32(0)), graph.constant(np.float32(6)))
    if kind == "hard_sigmoid":
        return graph.add("HardSigmoid", name, alpha=1 / 6, beta=0.5)
    if kind in ("silu", "swish"):
        return graph.add("Mul", name, graph.add("Sigmoid", name))
    if kind == "gelu":
        halves = graph.add("Mul", name, graph.constant(np.float32(0.5)))
        share = graph.add("Erf", graph.add("Mul", name, graph.constant(np.float32(0.5**0.5))))
        return graph.add("Mul", halves, graph.add("Add", share, graph.constant(np.float32(1))))
    if kind not in _ACTIVATIONS:
        raise ValueError(f'the activation {kind!r} has no operation of ONNX here: execution="masked" exports it.')
    return graph.add(_ACTIVATIONS[kind], name)


def activated(graph: Graph, activation: Any, value: Value) -> Value:
    """Adds an activation, and returns its output."""
    # Maps are held channels first, whose last axis is another.
    if value.is_map and getattr(activation, "__name__", "") == "softmax":
        return Value(graph.add("Softmax", value.name, axis=1), value.shape)
    return Value(activate(graph, activation, value.name), value.shape)


def convolve(
    graph: Graph, value: Value, kernel: np.ndarray, bias: np.ndarray | None, layer: Any, groups: int = 1
) -> Value:
    """Adds a convolution.

    Args:
        graph: The graph.
        value: What it reads, maps.
        kernel: Array `(height, width, channels // groups, filters)`.
        bias: Array `(filters,)`, or `None`.
        layer: A layer with the convolution's `kernel_size`, `strides`, `padding` and `dilation_rate`.
        groups: Integer, groups of channels.
    """
    held = graph.constant(kernel.transpose(3, 2, 0, 1)), None if bias is None else graph.constant(bias)
    return add_convolution(graph, value, held[0], kernel.shape[-1], held[1], layer, groups)


def add_convolution(
    graph: Graph, value: Value, kernel: str, filters: int, bias: str | None, layer: Any, groups: int = 1
) -> Value:
    """Adds a convolution with a kernel that the graph holds, channels first, or makes.

    Args:
        graph: The graph.
        value: What it reads, maps.
        kernel: Name of the kernel `(filters, channels // groups, height, width)`.
        filters: Integer.
        bias: Name of the bias `(filters,)`, or `None`.
        layer: As for `convolve`.
        groups: Integer, groups of channels.
    """
    window = _window(layer.kernel_size, layer.strides, layer.padding, value.shape, layer.dilation_rate)
    weights = [kernel] if bias is None else [kernel, bias]
    attributes = {"kernel_shape": list(layer.kernel_size), "dilations": list(layer.dilation_rate), "group": groups}
    name = graph.add("Conv", value.name, *weights, strides=window["strides"], pads=window["pads"], **attributes)
    return Value(name, (*window["size"], filters))


def _window(
    size: Sequence[int], strides: Sequence[int], padding: str, shape: Sequence[int], dilation: Sequence[int] = (1, 1)
) -> dict[str, Any]:
    """Returns strides, explicit pads and the size of the output."""
    sizes, before, after = [], [], []
    for length, side, stride, rate in zip(shape[:2], size, strides, dilation, strict=True):
        reach = (side - 1) * rate + 1
        if padding == "same":
            count = ceil(length / stride)
            missing = max((count - 1) * stride + reach - length, 0)
        else:
            count, missing = (length - reach) // stride + 1, 0
        sizes.append(count)
        before.append(missing // 2)
        after.append(missing - missing // 2)
    return {"strides": list(strides), "pads": [*before, *after], "size": tuple(sizes)}


def pool(graph: Graph, kind: str, value: Value, size: Sequence[int], strides: Sequence[int], padding: str) -> Value:
    """Adds a `MaxPool` or an `AveragePool`, which leaves padding out of its means."""
    window = _window(size, strides, padding, value.shape)
    name = graph.add(kind, value.name, kernel_shape=list(size), strides=window["strides"], pads=window["pads"])
    return Value(name, (*window["size"], value.channels))


def connect(graph: Graph, value: Value, kernel: np.ndarray, bias: np.ndarray | None) -> str:
    """Adds a product of vectors with a kernel `(units, new units)`, and returns the name of its output."""
    if isinstance(value, Flattened):
        height, width, channels = value.maps.shape
        kernel = kernel.reshape(height, width, channels, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
        read = graph.add("Flatten", value.maps.name, axis=1)
    else:
        read = graph.floats(value)
    weights = [graph.constant(kernel)] + ([] if bias is None else [graph.constant(bias)])
    return graph.add("Gemm", read, *weights)


def normalize(graph: Graph, value: Value, layer: Any) -> Value:
    """Adds a batch normalisation by moving statistics."""
    count = value.channels
    scale = array(layer.gamma) if layer.scale else np.ones(count, "float32")
    shift = array(layer.beta) if layer.center else np.zeros(count, "float32")
    statistics = scale, shift, array(layer.moving_mean), array(layer.moving_variance)
    constants = [graph.constant(each) for each in statistics]
    return Value(graph.add("BatchNormalization", value.name, *constants, epsilon=layer.epsilon), value.shape)


def along_channels(value: Value, numbers: Any) -> np.ndarray:
    """Returns numbers, one per channel or one for all, in the shape that spreads them over a value."""
    numbers = np.asarray(numbers, "float32").reshape(-1)
    return numbers.reshape(1, -1, 1, 1) if value.is_map else numbers.reshape(1, -1)


@write_layer.register
def _conv(layer: keras.layers.Conv2D, graph: Graph, x: Value) -> Value:
    bias = array(layer.bias) if layer.use_bias else None
    return activated(graph, layer.activation, convolve(graph, x, array(layer.kernel), bias, layer, layer.groups))


@write_layer.register
def _depthwise(layer: keras.layers.DepthwiseConv2D, graph: Graph, x: Value) -> Value:
    bias = array(layer.bias) if layer.use_bias else None
    kernel = array(layer.kernel)
    grouped = kernel.reshape(*kernel.shape[:2], 1, -1)
    return activated(graph, layer.activation, convolve(graph, x, grouped, bias, layer, x.channels))


@write_layer.register
def _dense(layer: keras.layers.Dense, graph: Graph, x: Value) -> Value:
    bias = array(layer.bias) if layer.use_bias else None
    if x.is_map:
        return activated(graph, layer.activation, convolve(graph, x, array(layer.kernel)[None, None], bias, POINTWISE))
    if len(x.shape) != 1:
        raise ValueError(f"layer {layer.name!r} is dense and reads {x.shape}, not vectors or maps.")
    name = connect(graph, x, array(layer.kernel), bias)
    return activated(graph, layer.activation, Value(name, (layer.units,)))


@write_layer.register
def _batch_normalization(layer: keras.layers.BatchNormalization, graph: Graph, x: Value) -> Value:
    return normalize(graph, x, layer)


@write_layer.register
def _normalization(layer: keras.layers.Normalization, graph: Graph, x: Value) -> Value:
    # As Keras computes: a deviation below its epsilon counts as that.
    deviation = np.maximum(np.sqrt(array(layer.variance)), keras.backend.epsilon())
    shifted = graph.add("Sub", x.name, graph.constant(along_channels(x, array(layer.mean))))
    return Value(graph.add("Div", shifted, graph.constant(along_channels(x, deviation))), x.shape)


@write_layer.register
def _rescaling(layer: keras.layers.Rescaling, graph: Graph, x: Value) -> Value:
    scaled = graph.add("Mul", x.name, graph.constant(along_channels(x, layer.scale)))
    return Value(graph.add("Add", scaled, graph.constant(along_channels(x, layer.offset))), x.shape)


@write_layer.register
def _activation(layer: keras.layers.Activation, graph: Graph, x: Value) -> Value:
    return activated(graph, layer.activation, x)


@write_layer.register
def _relu(layer: keras.layers.ReLU, graph: Graph, x: Value) -> Value:
    if layer.negative_slope or layer.threshold:
        raise ValueError(f'layer {layer.name!r} has a slope or threshold: execution="masked" exports it.')
    if layer.max_value is None:
        return Value(graph.add("Relu", x.name), x.shape)
    ends = graph.constant(np.float32(0)), graph.constant(np.float32(layer.max_value))
    return Value(graph.add("Clip", x.name, *ends), x.shape)


@write_layer.register
def _leaky_relu(layer: keras.layers.LeakyReLU, graph: Graph, x: Value) -> Value:
    return Value(graph.add("LeakyRelu", x.name, alpha=float(layer.negative_slope)), x.shape)


@write_layer.register
def _softmax(layer: keras.layers.Softmax, graph: Graph, x: Value) -> Value:
    return activated(graph, keras.activations.softmax, x)


@write_layer.register(keras.layers.Identity)
@write_layer.register(keras.layers.Dropout)
def _identity(layer: Any, graph: Graph, x: Value) -> Value:
    return x


@write_layer.register
def _add(layer: keras.layers.Add, graph: Graph, inputs: Sequence[Value]) -> Value:
    return Value(add_up(graph, [each.name for each in inputs]), inputs[0].shape)


def add_up(graph: Graph, names: Sequence[str]) -> str:
    """Adds a sum, and returns the name of its output."""
    total = names[0]
    for name in names[1:]:
        total = graph.add("Add", total, name)
    return total


@write_layer.register
def _average(layer: keras.layers.Average, graph: Graph, inputs: Sequence[Value]) -> Value:
    total = add_up(graph, [each.name for each in inputs])
    return Value(graph.add("Mul", total, graph.constant(np.float32(1 / len(inputs)))), inputs[0].shape)


@write_layer.register
def _concatenate(layer: keras.layers.Concatenate, graph: Graph, inputs: Sequence[Value]) -> Value:
    if layer.axis not in (-1, len(inputs[0].shape)):
        raise ValueError(f"layer {layer.name!r} joins along axis {layer.axis}, not along channels.")
    name = graph.add("Concat", *(each.name for each in inputs), axis=1)
    return Value(name, (*inputs[0].shape[:-1], sum(each.channels for each in inputs)))


@write_layer.register
def _zero_padding(layer: keras.layers.ZeroPadding2D, graph: Graph, x: Value) -> Value:
    (top, bottom), (left, right) = layer.padding
    name = graph.add("Pad", x.name, graph.integers(0, 0, top, left, 0, 0, bottom, right))
    return Value(name, (x.shape[0] + top + bottom, x.shape[1] + left + right, x.channels))


@write_layer.register
def _max_pooling(layer: keras.layers.MaxPooling2D, graph: Graph, x: Value) -> Value:
    return pool(graph, "MaxPool", x, layer.pool_size, layer.strides, layer.padding)


@write_layer.register
def _average_pooling(layer: keras.layers.AveragePooling2D, graph: Graph, x: Value) -> Value:
    return pool(graph, "AveragePool", x, layer.pool_size, layer.strides, layer.padding)


@write_layer.register
def _global_average(layer: keras.layers.GlobalAveragePooling2D, graph: Graph, x: Value) -> Value:
    means = graph.means(x)
    if not layer.keepdims:
        return means
    return Value(graph.add("Unsqueeze", means.name, graph.integers(2, 3)), (1, 1, x.channels))


@write_layer.register
def _global_max(layer: keras.layers.GlobalMaxPooling2D, graph: Graph, x: Value) -> Value:
    return Value(graph.add("Flatten", graph.add("GlobalMaxPool", x.name), axis=1), (x.channels,))


@write_layer.register
def _flatten(layer: keras.layers.Flatten, graph: Graph, x: Value) -> Value:
    return Flattened("", (prod(x.shape),), x) if x.is_map else x


@write_layer.register(operation_class(lambda x: x[..., :1]))
def _slice_channels(layer: Any, graph: Graph, x: Value, key: Any) -> Value:
    if not (isinstance(key, tuple) and len(key) == 2 and key[0] is ... and isinstance(key[1], slice)):
        raise ValueError(f"operation {layer.name!r} takes {key!r} of a tensor, not a range of its channels.")
    start, stop, step = key[1].indices(x.channels)
    name = graph.add("Slice", x.name, *(graph.integers(each) for each in (start, stop, 1, step)))
    return Value(name, (*x.shape[:-1], len(range(start, stop, step))))
