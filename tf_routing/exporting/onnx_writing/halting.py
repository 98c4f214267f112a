"""Stages that halt as ONNX nodes: the scores of units, who goes on, and the mean of what units make."""

from collections.abc import Sequence

import numpy as np

from tf_routing.exporting.onnx_writing.graph import FLOAT, Graph, Switches, Value
from tf_routing.exporting.onnx_writing.layers import add_up, array, connect, write_layer
from tf_routing.layers import HaltedPositions, HaltingMean, HaltingRouter


@write_layer.register
def _halting_router(
    layer: HaltingRouter, graph: Graph, x: Value, remaining: Value | None = None
) -> tuple[Switches, Value, Value]:
    shape = (*x.shape[:2], 1) if layer.spatial else (1,)
    score = graph.add("Sigmoid", _write_logits(layer, graph, x))
    before = graph.constant(np.float32(1)) if remaining is None else remaining.name
    left = graph.add("Sub", before, score)
    goes_on = graph.add("Greater", left, graph.constant(np.float32(layer.tolerance)))
    weight = graph.add("Where", goes_on, score, before)
    after = graph.add("Sub", before, weight)
    return Switches("", (1,), (_anywhere(layer, graph, goes_on),)), Value(weight, shape), Value(after, shape)


def _write_logits(layer: HaltingRouter, graph: Graph, x: Value) -> str:
    """Returns the logits of scores, `(batch, 1)`, or maps of one channel where positions halt."""
    means = graph.means(x)
    if layer.normalization is not None:
        means = write_layer(layer.normalization, graph, means)
    logits = connect(graph, means, array(layer.score_layer.kernel), array(layer.score_layer.bias))
    if not layer.spatial:
        return logits
    maps = x if layer.local_normalization is None else write_layer(layer.local_normalization, graph, x)
    return graph.add("Add", write_layer(layer.local_layer, graph, maps).name, _spread(graph, Value(logits, (1,))))


def _anywhere(layer: HaltingRouter, graph: Graph, flags: str) -> str:
    """Returns which samples have a flag, at any position where there are some, as a vector."""
    if not layer.spatial:
        return graph.add("Reshape", flags, graph.integers(-1))
    most = graph.add("ReduceMax", graph.add("Cast", flags, to=FLOAT), graph.integers(1, 2, 3), keepdims=0)
    return graph.add("Greater", most, graph.constant(np.float32(0.5)))


@write_layer.register
def _halting_mean(layer: HaltingMean, graph: Graph, inputs: Sequence[Value], shares: Sequence[Value]) -> Value:
    terms = [graph.add("Mul", maps.name, _spread(graph, share)) for maps, share in zip(inputs, shares, strict=True)]
    return Value(add_up(graph, terms), inputs[0].shape)


def _spread(graph: Graph, share: Value) -> str:
    """Returns the name of one number per sample in the rank of maps; of one per position as it is."""
    return share.name if share.is_map else graph.add("Unsqueeze", share.name, graph.integers(2, 3))


@write_layer.register
def _halted_positions(layer: HaltedPositions, graph: Graph, x: Value, before: Value, remaining: Value) -> Value:
    goes_on = graph.add("Greater", remaining.name, graph.constant(np.float32(0)))
    return Value(graph.add("Where", goes_on, x.name, before.name), x.shape)
