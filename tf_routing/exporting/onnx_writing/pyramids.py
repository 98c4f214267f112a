"""Images at several sizes and the columns that convolve them, as ONNX nodes."""

from typing import Any

import numpy as np

from tf_routing.exporting.onnx_writing.graph import Graph, Value
from tf_routing.exporting.onnx_writing.layers import pool, write_layer
from tf_routing.layers import Gamma, IdentityShortcut, ImagePyramid, PyramidColumn


@write_layer.register
def _gamma(layer: Gamma, graph: Graph, x: Value) -> Value:
    return Value(graph.add("Pow", x.name, graph.constant(np.float32(layer.exponent))), x.shape)


@write_layer.register
def _image_pyramid(layer: ImagePyramid, graph: Graph, x: Value) -> list[Value]:
    factors = [2**scale for scale in range(1, layer.scales)]
    if layer.method == "strided":
        return [x, *(subsample(graph, x, factor) for factor in factors)]
    return [x, *(pool(graph, "AveragePool", x, (factor, factor), (factor, factor), "valid") for factor in factors)]


def subsample(graph: Graph, x: Value, stride: int) -> Value:
    """Adds what keeps one of so many rows and columns of maps."""
    height, width, channels = x.shape
    ends, steps = graph.integers(height, width), graph.integers(stride, stride)
    name = graph.add("Slice", x.name, graph.integers(0, 0), ends, graph.integers(2, 3), steps)
    return Value(name, (-(-height // stride), -(-width // stride), channels))


@write_layer.register
def _identity_shortcut(layer: IdentityShortcut, graph: Graph, x: Value) -> Value:
    kept = subsample(graph, x, layer.strides) if layer.strides > 1 else x
    missing = layer.filters - x.channels
    if not missing:
        return kept
    return Value(
        graph.add("Pad", kept.name, graph.integers(0, 0, 0, 0, 0, missing, 0, 0)), (*kept.shape[:2], layer.filters)
    )


@write_layer.register
def _pyramid_column(layer: PyramidColumn, graph: Graph, inputs: Any) -> list[Value]:
    maps = inputs if isinstance(inputs, (list, tuple)) else [inputs]
    linear = [write_layer(layer.across[0], graph, maps[0])]
    for across, down, x in zip(layer.across[1:], layer.down, maps[1:], strict=True):
        finer = pool(graph, "MaxPool", linear[-1], (2, 2), (2, 2), "valid")
        own = write_layer(across, graph, x)
        linear.append(Value(graph.add("Add", own.name, write_layer(down, graph, finer).name), own.shape))
    normalized = [
        write_layer(normalization, graph, y)
        for y, normalization in zip(linear[-layer.outputs :], layer.normalizations, strict=True)
    ]
    return [Value(graph.add("Relu", y.name), y.shape) for y in normalized]
