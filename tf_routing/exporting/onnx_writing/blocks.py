"""Blocks whose parts run on the rows that chose them: rows are gathered, and what was computed takes their place."""

import keras
import numpy as np

from tf_routing.exporting.onnx_writing.graph import Graph, Value
from tf_routing.exporting.onnx_writing.layers import activate, write_layer
from tf_routing.exporting.onnx_writing.walk import write_model
from tf_routing.layers import SkipBlock, SplitBlock


@write_layer.register
def _skip_block(layer: SkipBlock, graph: Graph, x: Value, switches: Value) -> Value:
    rows = _list_rows(graph, graph.flags(switches)[0])
    own = Value(graph.add("GatherND", x.name, rows), x.shape)
    if isinstance(layer.shortcut, keras.Model):
        shortcut = write_model(layer.shortcut, graph, x)
        term = Value(graph.add("GatherND", shortcut.name, rows), shortcut.shape)
    else:
        shortcut, term = x, (own := _convolve_by_one(graph, own))
    branch = write_model(layer.sub_blocks[0], graph, own)
    finished = activate(graph, layer.activation, graph.add("Add", branch.name, term.name))
    maps = Value(graph.add("ScatterND", shortcut.name, rows, finished), shortcut.shape)
    if layer.keeps_what_it_bypasses:
        graph.carry_means(x, maps, rows, finished)
    return maps


@write_layer.register
def _split_block(layer: SplitBlock, graph: Graph, x: Value, switches: Value) -> Value:
    total = _write_shortcut(layer, graph, x)
    for flag, part in zip(graph.flags(switches), layer.sub_blocks, strict=True):
        with graph.inside(part.name):
            rows = _list_rows(graph, flag)
            own = Value(graph.add("GatherND", x.name, rows), x.shape)
            total = graph.add("ScatterND", total, rows, write_model(part, graph, own).name, reduction="add")
    return Value(activate(graph, layer.activation, total), layer.output_map)


def _write_shortcut(layer: SplitBlock, graph: Graph, x: Value) -> str:
    """Returns the maps to which parts are added: zeros where there is no shortcut."""
    if isinstance(layer.shortcut, keras.Model):
        with graph.inside(layer.shortcut.name):
            return write_model(layer.shortcut, graph, x).name
    if layer.shortcut == "identity":
        return x.name
    height, width, channels = layer.output_map
    count = graph.add("Shape", x.name, start=0, end=1)
    shape = graph.add("Concat", count, graph.integers(channels, height, width), axis=0)
    return graph.add("ConstantOfShape", shape)


def _convolve_by_one(graph: Graph, x: Value) -> Value:
    """Returns the same maps, from a convolution.

    ONNX Runtime keeps what convolutions make in a layout of its own. There it adds these maps to those of a branch's
    last convolution, and activates the sum, within that convolution; from any other layout both are operations of their
    own, which take longer than this one.
    """
    kernel = graph.constant(np.ones((x.channels, 1, 1, 1), "float32"))
    return Value(graph.add("Conv", x.name, kernel, group=x.channels, kernel_shape=[1, 1]), x.shape)


def _list_rows(graph: Graph, flag: str) -> str:
    """Returns the numbers of the rows whose flag is set, as a column."""
    return graph.add("Transpose", graph.add("NonZero", flag), perm=[1, 0])
