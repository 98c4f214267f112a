"""Routers as ONNX nodes: their decisions stay booleans, which the blocks behind them turn into rows."""

import numpy as np

from tf_routing.exporting.onnx_writing.graph import Graph, Switches, Value
from tf_routing.exporting.onnx_writing.layers import array, connect, write_layer
from tf_routing.layers import BlockPolicy, Controller, Gate, KeptBlocks, RouterMemory, SkipRouter


@write_layer.register
def _skip_router(layer: SkipRouter, graph: Graph, x: Value, switches: Value | None = None) -> Switches:
    if switches is not None and layer.rule == "given":
        return Switches("", (1,), graph.flags(switches))
    if layer.rule != "threshold":
        raise ValueError(f"router {layer.name!r} draws its decisions at random: build it with decision='threshold'.")
    if layer.kind == "recurrent":
        return _open(graph, x.name, np.array([1, -1], "float32"), -array(layer.threshold))
    if layer.kind == "conv":
        x = write_layer(layer.normalization, graph, write_layer(layer.conv, graph, x))
        features = graph.means(Value(graph.add("Relu", x.name), x.shape)).name
    else:
        features = write_layer(layer.hidden_layer, graph, graph.means(x)).name
    kernel, bias = array(layer.scores_layer.kernel), array(layer.scores_layer.bias)
    return _open(graph, features, kernel[:, 0] - kernel[:, 1], bias[1:] - bias[:1])


def _open(graph: Graph, features: str, vector: np.ndarray, threshold: np.ndarray) -> Switches:
    # A product with a vector has one axis, as rows need it: no reshaping.
    margins = graph.add("MatMul", features, graph.constant(vector))
    return Switches("", (1,), (graph.add("GreaterOrEqual", margins, graph.constant(threshold)),))


@write_layer.register
def _router_memory(layer: RouterMemory, graph: Graph, x: Value, state: Value | None = None) -> tuple[Value, Value]:
    """One step of the cell; the gates that take a sigmoid stand side by side, and so do input and state."""
    units, cell = layer.units, layer.cell
    kernel, recurrent = array(cell.kernel), array(cell.recurrent_kernel)
    read = x.name
    if state is not None:
        kernel = np.concatenate([kernel, recurrent, np.zeros_like(recurrent)])
        read = graph.add("Concat", x.name, state.name, axis=1)
    # Keras has them as input, forget, candidate, output.
    order = np.concatenate([np.arange(2 * units), np.arange(3 * units, 4 * units), np.arange(2 * units, 3 * units)])
    summed = graph.add("Gemm", read, graph.constant(kernel[:, order]), graph.constant(array(cell.bias)[order]))
    gates, candidate = graph.split(summed, 3 * units, units)
    opened = graph.add("Sigmoid", gates)
    enters, stays, leaves = graph.split(opened, units, units, units)
    memory = graph.add("Mul", enters, graph.add("Tanh", candidate))
    if state is not None:
        before = graph.split(state.name, units, units)[1]
        memory = graph.add("Add", graph.add("Mul", stays, before), memory)
    output = graph.add("Mul", leaves, graph.add("Tanh", memory))
    scores = write_layer(layer.scores, graph, Value(output, (units,)))
    return scores, Value(graph.add("Concat", output, memory, axis=1), (2 * units,))


@write_layer.register
def _kept_blocks(layer: KeptBlocks, graph: Graph, x: Value) -> list[Switches]:
    if layer.rule == "random":
        raise ValueError(f"layer {layer.name!r} draws the blocks that it keeps at random, which no file does.")
    count = graph.add("Shape", x.name, start=0, end=1)
    everybody, nobody = (graph.add("Expand", graph.constant(np.array([on])), count) for on in (True, False))
    return [Switches("", (1,), (everybody if kept else nobody,)) for kept in layer.keep_by_rule()]


@write_layer.register
def _block_policy(layer: BlockPolicy, graph: Graph, x: Value) -> list[Value]:
    kernel, bias = (each.astype("float32") for each in layer.scores_at_inference())
    # Two scores per block, of which the second is zero.
    pairs = [np.stack([each, np.zeros_like(each)], axis=-1) for each in (kernel, bias)]
    scores = connect(graph, x, pairs[0].reshape(len(kernel), -1), pairs[1].reshape(-1))
    return [Value(name, (2,)) for name in graph.split(scores, *(2,) * layer.blocks)]


@write_layer.register
def _controller(layer: Controller, graph: Graph, x: Value, state: Value | None = None) -> tuple[Switches, Value]:
    new_state = write_layer(layer.summary_layer, graph, graph.means(x))
    if layer.normalization is not None:
        normalized = write_layer(layer.normalization, graph, new_state)
        new_state = Value(graph.add("Relu", normalized.name), normalized.shape)
    if state is not None and layer.use_previous:
        before = write_layer(layer.previous_layer, graph, state)
        new_state = Value(graph.add("Add", new_state.name, before.name), new_state.shape)
    kernel, bias = array(layer.score_layer.kernel), array(layer.score_layer.bias)
    off, on = kernel[:, ::2], kernel[:, 1::2]
    margins = connect(graph, new_state, on - off, bias[1::2] - bias[::2])
    is_open = graph.add("Greater", margins, graph.constant(np.float32(0)))
    if layer.force_one:
        scores = connect(graph, new_state, on, bias[1::2])
        is_open = graph.add("Or", is_open, _first_where_none(graph, margins, scores, layer.sub_block_count))
    parts = layer.sub_block_count
    return Switches("", (parts,), graph.columns(is_open, parts)), new_state


def _first_where_none(graph: Graph, margins: str, scores: str, count: int) -> str:
    """Returns the choice of the largest score, the first of equal ones, for the rows that have no positive margin."""
    first = graph.add("ArgMax", scores, axis=1)
    is_first = graph.add("Equal", first, graph.constant(np.arange(count, dtype="int64")[None]))
    largest = graph.add("ReduceMax", margins, graph.integers(1))
    return graph.add("And", is_first, graph.add("LessOrEqual", largest, graph.constant(np.float32(0))))


@write_layer.register
def _gate(layer: Gate, graph: Graph, x: Value) -> Value:
    hidden = write_layer(layer.hidden_layer, graph, graph.means(x))
    scores = write_layer(layer.choice_layer, graph, hidden)
    return Value(graph.add("Softmax", scores.name, axis=-1), scores.shape)
