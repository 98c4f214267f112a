"""Networks that leave early as ONNX nodes: rows shrink from junction to junction, and are put in order at the end."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from tf_routing import exit_tree
from tf_routing.execution.exit_functions import ExitFunctions
from tf_routing.exit_tree import Exit, Stage
from tf_routing.exporting.onnx_writing.graph import (
    BOOL,
    FLOAT,
    INT64,
    Flattened,
    Graph,
    Switches,
    TabledSwitches,
    Value,
)
from tf_routing.exporting.onnx_writing.layers import activate, write_layer
from tf_routing.exporting.onnx_writing.walk import check_precision, write_function
from tf_routing.layers import ConfidenceJunction, Junction
from tf_routing.layers.routers.confidence_junction import LEAST_DOUBT
from tf_routing.layers.routers.exit_router import ExitRouter
from tf_routing.models.decisions import routers_between


@dataclass(frozen=True)
class _Rows:
    """Rows that are carried on.

    Args:
        maps: What the next part reads.
        numbers: Name of the vector of their places in the batch.
        cost: What junctions are conditioned on, if they are.
        flags: Names of vectors of booleans, what routers between junctions decided for these rows, by name.
    """

    maps: list[Value]
    numbers: str
    cost: Value | None
    flags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Left:
    """Rows that have left: their logits, their places in the batch, their exits, and what routers decided on the way.

    All are names of tensors.
    """

    logits: str
    numbers: str
    exits: str
    flags: tuple[str, ...] = ()

    @property
    def tensors(self) -> tuple[str, ...]:
        """All of them."""
        return (self.logits, self.numbers, self.exits, *self.flags)


class ExitWriter:
    """Writes a model that leaves early.

    Args:
        model: The model.
        mixture: Its `layers.ExitMixture`.
        graph: The graph.
        subgraphs: Boolean, whether what no row may come to stands in subgraphs, which are then not entered.
    """

    def __init__(self, model: Any, mixture: Any, graph: Graph, subgraphs: bool) -> None:
        self.mixture, self.graph, self.cut = mixture, graph, ExitFunctions(model, mixture)
        self.subgraphs = subgraphs
        self.names = model.decision_names
        self.routers = routers_between(model)

    def write(self, image: Value, cost: Value | None, count: str) -> Value:
        """Adds all nodes, and returns the probabilities; the graph is told the decisions.

        Args:
            image: The images.
            cost: The column of costs, where the network is conditioned on it.
            count: Name of the number of images, a vector of one.
        """
        graph = self.graph
        if cost is not None:
            (cost,) = write_function(self.cut.read_cost, graph, cost)
        numbers = graph.count_up(count)
        left = self._run(self.cut.tree, _Rows([image], numbers, cost))
        logits, exits, *flags = self._put_in_order(left, numbers)
        self._decide(exits)
        for name, flag in zip(self.routers, flags, strict=True):
            graph.decide(name, Switches("", (1,), (flag,)))
        graph.decisions = {name: graph.decisions[name] for name in self.names}
        classes = self.mixture.output[0].shape[-1]
        return Value(activate(graph, self.mixture.activation, logits), (classes,))

    def _run(self, part: Stage | Exit, rows: _Rows) -> list[_Left]:
        """Returns the rows that come to a part, as they have left."""
        outputs = write_function(self.cut.functions[part], self.graph, *rows.maps)
        if isinstance(part, Exit):
            return [self._leave(part, outputs[0].name, rows)]
        rows = replace(rows, flags={**rows.flags, **self._take_decisions(part)})
        if part.junction is None:
            return self._run(part.sinks[0], self._select_read(part.sinks[0], rows, outputs))
        flags = self._choose(self.cut.layers[part.junction], outputs[-1], rows.cost)
        left = []
        for flag, sink in zip(flags, part.sinks, strict=True):
            left += self._carry_on(sink, self._select_read(sink, rows, outputs), flag)
        return left

    def _select_read(self, sink: Stage | Exit, rows: _Rows, outputs: list[Value]) -> _Rows:
        """Returns rows with what a sink reads of the outputs of the stage before it."""
        return replace(rows, maps=[outputs[number] for number in self.cut.reads[sink]])

    def _take_decisions(self, stage: Stage) -> dict[str, str]:
        """Returns what routers of a stage decided for the rows that came to it, which are some of the batch's."""
        decisions = self.graph.decisions
        return {name: self.graph.flags(decisions.pop(name))[0] for name in stage.columns if name in self.routers}

    def _leave(self, leaf: Exit, logits: str, rows: _Rows) -> _Left:
        size = self.graph.add("Shape", rows.numbers)
        number = self.graph.add("Expand", self.graph.constant(np.array([self.cut.exits.index(leaf)])), size)
        missing = set(self.routers) - set(rows.flags)
        closed = self.graph.add("Expand", self.graph.constant(np.array([False])), size) if missing else ""
        flags = tuple(rows.flags.get(name, closed) for name in self.routers)
        return _Left(logits, rows.numbers, number, flags)

    def _carry_on(self, sink: Stage | Exit, rows: _Rows, flag: str) -> list[_Left]:
        """Runs a sink on the rows that chose it; an exit on none of them too, which costs less than a condition."""
        graph = self.graph
        chosen = graph.list_rows(flag)
        if isinstance(sink, Exit) or not self.subgraphs:
            return self._run(sink, self._select(rows, chosen))
        classes = self.cut.layers[self.cut.exits[0].layer].output.shape[-1]

        def run() -> list[str]:
            """Runs the sink and all that follows it."""
            return self._join(self._run(sink, self._select(rows, chosen)))

        def run_none() -> list[str]:
            """Returns no rows."""
            # Made, not constants: OpenVINO reads constants of no numbers as scalars.
            logits = graph.add("ConstantOfShape", graph.integers(0, classes))
            numbers = [graph.add("Range", *(graph.constant(np.int64(n)) for n in (0, 0, 1))) for _ in range(2)]
            return [logits, *numbers, *(graph.add("Cast", numbers[0], to=BOOL) for _ in self.routers)]

        kinds: list[tuple[int, list[Any]]] = [(FLOAT, ["left", classes]), (INT64, ["left"]), (INT64, ["left"])]
        kinds += [(BOOL, ["left"]) for _ in self.routers]
        # Whole columns at once, so that a condition is no burden; and OpenVINO's pools refuse to pool no rows.
        comes = graph.add("Cast", graph.add("Size", chosen), to=BOOL)
        logits, numbers, exits, *flags = graph.branch_on(comes, run, run_none, kinds)
        return [_Left(logits, numbers, exits, tuple(flags))]

    def _select(self, rows: _Rows, chosen: str) -> _Rows:
        def select(value: Value) -> Value:
            """Returns the rows of a value that were chosen."""
            return Value(self.graph.add("Gather", value.name, chosen, axis=0), value.shape)

        numbers = self.graph.add("Gather", rows.numbers, chosen, axis=0)
        flags = {name: self.graph.add("Gather", flag, chosen, axis=0) for name, flag in rows.flags.items()}
        cost = None if rows.cost is None else select(rows.cost)
        return _Rows([select(maps) for maps in rows.maps], numbers, cost, flags)

    def _join(self, left: list[_Left]) -> list[str]:
        """Returns logits, places, exits and flags of all that has left, one behind the other."""
        return [
            self.graph.add("Concat", *parts, axis=0) for parts in zip(*(each.tensors for each in left), strict=True)
        ]

    def _choose(self, junction: ExitRouter, maps: Value, cost: Value | None) -> list[str]:
        """Returns the names of booleans by row, one vector per sink: of equal scores the first one's."""
        check_precision(junction)
        graph = self.graph
        with graph.inside(junction.name):
            if isinstance(junction, ConfidenceJunction):
                return _confidence_flags(graph, junction, maps)
            scores = _junction_scores(graph, junction, maps, cost)
            first = graph.add("ArgMax", scores, axis=1, keepdims=0)
            return [graph.add("Equal", first, graph.constant(np.int64(sink))) for sink in range(junction.sinks)]

    def _put_in_order(self, left: list[_Left], numbers: str) -> list[str]:
        """Returns logits, exits and flags in the order of the batch."""
        graph = self.graph
        logits, places, *others = self._join(left)
        order = graph.invert(places, numbers)
        return [graph.add("Gather", each, order, axis=0) for each in (logits, *others)]

    def _decide(self, exits: str) -> None:
        """Tells the graph the switches of every junction: zeros for rows that left before it."""
        for name, by_exit in exit_tree.switches_by_exit(self.cut.tree).items():
            table = np.array(by_exit)
            self.graph.decide(name, TabledSwitches("", table.shape[1:], table, exits))


def _junction_scores(graph: Graph, layer: Junction, maps: Value, cost: Value | None) -> str:
    units = maps.channels if layer.pooling else prod(maps.shape)
    x: Value = maps
    if maps.is_map:
        x = graph.means(maps) if layer.pooling else Flattened("", (units,), maps)
    if cost is not None:
        x = Value(graph.add("Concat", graph.floats(x), cost.name, axis=1), (units + 1,))
    for number, dense in enumerate(layer.hidden_layers):
        x = write_layer(dense, graph, x)
        if layer.normalizations:
            x = write_layer(layer.normalizations[number], graph, x)
        x = Value(graph.add("Relu", x.name), x.shape)
    return write_layer(layer.scores_layer, graph, x).name


def _confidence_flags(graph: Graph, layer: ConfidenceJunction, logits: Value) -> list[str]:
    """Returns who leaves and who goes on: whose classes weigh more than one and the threshold's doubt do."""
    relative = graph.add("Exp", graph.add("Sub", logits.name, graph.add("ReduceMax", logits.name, graph.integers(1))))
    weight = graph.add("ReduceSum", relative, graph.integers(1), keepdims=0)
    doubt = np.exp(-np.array(layer.threshold, "float64"))
    # Beyond the least doubt that the layer tells apart everybody goes on.
    bound = np.where(doubt < LEAST_DOUBT, 0.0, 1 + doubt).astype("float32")
    goes = graph.add("Greater", weight, graph.constant(bound))
    return [graph.add("Not", goes), goes]
