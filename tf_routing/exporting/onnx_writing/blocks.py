"""Blocks whose parts run on the rows that chose them: rows are gathered, and what was computed takes their place."""

from collections.abc import Iterator, Sequence
from functools import partial, reduce
from itertools import combinations

import keras
import numpy as np

from tf_routing.exporting.onnx_writing.graph import Graph, Reordered, Value
from tf_routing.exporting.onnx_writing.layers import activate, write_layer
from tf_routing.exporting.onnx_writing.merged_parts import Step, find_steps, write_merged
from tf_routing.exporting.onnx_writing.walk import write_model
from tf_routing.layers import SkipBlock, SplitBlock

# With more, groups are many and small.
_MOST_FLAGS = 2


@write_layer.register
def _skip_block(layer: SkipBlock, graph: Graph, x: Value, switches: Value) -> Value:
    x = graph.plain(x)
    rows = _list_rows(graph, graph.flags(switches)[0])
    own = Value(graph.add("GatherND", x.name, rows), x.shape)
    if isinstance(layer.shortcut, keras.Model):
        shortcut = write_model(layer.shortcut, graph, x)
        term = Value(graph.add("GatherND", shortcut.name, rows), shortcut.shape)
    else:
        shortcut, term = x, (own := _convolve_by_one(graph, own))
    with graph.of_rows():
        branch = write_model(layer.sub_blocks[0], graph, own)
    finished = branch.name
    if layer.adds_shortcut:
        finished = activate(graph, layer.activation, graph.add("Add", branch.name, term.name))
    maps = Value(graph.add("ScatterND", shortcut.name, rows, finished), shortcut.shape)
    if layer.keeps_what_it_bypasses:
        graph.carry_means(x, maps, rows, finished)
    return maps


@write_layer.register
def _split_block(layer: SplitBlock, graph: Graph, x: Value, switches: Value) -> Value:
    flags = graph.flags(switches)
    write = _write_patterns if len(flags) <= _MOST_FLAGS else _write_parts
    return write(layer, graph, x, flags)


def _write_patterns(layer: SplitBlock, graph: Graph, x: Value, flags: Sequence[str]) -> Value:
    """Runs rows that chose the same parts together; they stay in the order of these groups."""
    groups, numbers, means = [], [], []
    steps = find_steps(layer.sub_blocks)
    for chosen in _list_patterns(len(flags)):
        with graph.inside("_and_".join(layer.sub_blocks[number].name for number in chosen) or "none"):
            rows = graph.list_rows(_is_pattern(graph, flags, chosen))
            group = _write_group(layer, graph, graph.take(x, rows), chosen, steps)
            groups.append(group.name)
            numbers.append(rows)
            means.append(graph.means(group).name)
    joined = Value(
        graph.add("Concat", *groups, axis=0), layer.output_map, is_rectified=layer.activation is keras.activations.relu
    )
    graph.know_means(joined, graph.add("Concat", *means, axis=0))
    rows = graph.add("Concat", *numbers, axis=0)
    order = graph.invert(rows, graph.count_up(graph.add("Shape", rows)))
    return Reordered("", joined.shape, joined, order, is_rectified=joined.is_rectified)


def _list_patterns(count: int) -> list[tuple[int, ...]]:
    return [chosen for size in range(count + 1) for chosen in combinations(range(count), size)]


def _is_pattern(graph: Graph, flags: Sequence[str], chosen: Sequence[int]) -> str:
    signs = [flag if number in chosen else graph.add("Not", flag) for number, flag in enumerate(flags)]
    return reduce(partial(graph.add, "And"), signs)


def _write_group(
    layer: SplitBlock, graph: Graph, x: Value, chosen: Sequence[int], steps: list[list[Step]] | None
) -> Value:
    """Runs the chosen parts on all rows."""
    if layer.shortcut == "identity":
        if not chosen and x.is_rectified and layer.activation is keras.activations.relu:
            return x
        x = _convolve_by_one(graph, x) if chosen else x
    total = _write_shortcut(layer, graph, x)
    for own in _write_chosen(layer, graph, x, chosen, steps):
        total = graph.add("Add", total, own.name)
    return Value(activate(graph, layer.activation, total), layer.output_map)


def _write_chosen(
    layer: SplitBlock, graph: Graph, x: Value, chosen: Sequence[int], steps: list[list[Step]] | None
) -> Iterator[Value]:
    """Yields what is to be added: what parts make that are alike as one, of others each by itself."""
    if steps and chosen:
        yield write_merged(graph, [steps[number] for number in chosen], x)
        return
    for part in (layer.sub_blocks[number] for number in chosen):
        with graph.inside(part.name):
            yield write_model(part, graph, x)


def _write_parts(layer: SplitBlock, graph: Graph, x: Value, flags: Sequence[str]) -> Value:
    """Runs each part on the rows that chose it: what parts make is added to their rows."""
    x = graph.plain(x)
    total = _write_shortcut(layer, graph, x)
    for flag, part in zip(flags, layer.sub_blocks, strict=True):
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
