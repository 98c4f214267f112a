"""Networks that leave early as ONNX nodes: rows shrink from junction to junction, and are put in order at the end."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from tf_routing import exit_tree
from tf_routing.execution.exit_functions import ExitFunctions
from tf_routing.exit_tree import Exit, Stage
from tf_routing.exporting.onnx_writing.graph import BOOL, FLOAT, INT64, Flattened, Graph, Switches, Value
from tf_routing.exporting.onnx_writing.layers import activate, write_layer
from tf_routing.exporting.onnx_writing.walk import check_precision, write_function
from tf_routing.layers import Junction


@dataclass(frozen=True)
class _Rows:
    """Rows that are carried on.

    Args:
        maps: A column's maps, finest first.
        numbers: Name of the vector of their places in the batch.
        cost: What junctions are conditioned on, if they are.
    """

    maps: list[Value]
    numbers: str
    cost: Value | None


@dataclass(frozen=True)
class _Left:
    """Rows that have left: their logits, their places in the batch and their exits, names of tensors."""

    logits: str
    numbers: str
    exits: str


class ExitWriter:
    """Writes a model that leaves early.

    Args:
        model: The model.
        mixture: Its `layers.ExitMixture`.
        graph: The graph.
    """

    def __init__(self, model: Any, mixture: Any, graph: Graph) -> None:
        self.mixture, self.graph, self.cut = mixture, graph, ExitFunctions(model, mixture)

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
        zero, one = (graph.constant(np.int64(number)) for number in (0, 1))
        numbers = graph.add("Range", zero, graph.add("Squeeze", count), one)
        left = self._run(self.cut.tree, _Rows([image], numbers, cost))
        logits, exits = self._put_in_order(left, numbers)
        self._decide(exits)
        classes = self.mixture.output[0].shape[-1]
        return Value(activate(graph, self.mixture.activation, logits), (classes,))

    def _run(self, part: Stage | Exit, rows: _Rows) -> list[_Left]:
        """Returns the rows that come to a part, as they have left."""
        function = self.cut.functions[part]
        outputs = write_function(function, self.graph, *rows.maps[-len(function.inputs) :])
        if isinstance(part, Exit):
            size = self.graph.add("Shape", rows.numbers)
            number = np.array([self.cut.exits.index(part)])
            return [_Left(outputs[0].name, rows.numbers, self.graph.add("Expand", self.graph.constant(number), size))]
        if part.junction is None:
            return self._run(part.sinks[0], _Rows(outputs, rows.numbers, rows.cost))
        flags = self._choose(self.cut.layers[part.junction], outputs[-1], rows.cost)
        left = []
        for flag, sink in zip(flags, part.sinks, strict=True):
            read = outputs[-len(self.cut.functions[sink].inputs) :]
            left += self._carry_on(sink, _Rows(read, rows.numbers, rows.cost), flag)
        return left

    def _carry_on(self, sink: Stage | Exit, rows: _Rows, flag: str) -> list[_Left]:
        """Runs a sink on the rows that chose it; an exit on none of them too, which costs less than a condition."""
        graph = self.graph
        chosen = graph.add("Reshape", graph.add("NonZero", flag), graph.integers(-1))
        if isinstance(sink, Exit):
            return self._run(sink, self._select(rows, chosen))
        classes = self.cut.layers[self.cut.exits[0].layer].output.shape[-1]

        def run() -> list[str]:
            """Runs the sink and all that follows it."""
            return self._join(self._run(sink, self._select(rows, chosen)))

        def run_none() -> list[str]:
            """Returns no rows."""
            # Made, not constants: OpenVINO reads constants of no numbers as scalars.
            logits = graph.add("ConstantOfShape", graph.integers(0, classes))
            return [logits, *(graph.add("Range", *(graph.constant(np.int64(n)) for n in (0, 0, 1))) for _ in range(2))]

        kinds = [(FLOAT, ["left", classes]), (INT64, ["left"]), (INT64, ["left"])]
        # Whole columns at once, so that a condition is no burden; and OpenVINO's pools refuse to pool no rows.
        comes = graph.add("Cast", graph.add("Size", chosen), to=BOOL)
        return [_Left(*graph.branch_on(comes, run, run_none, kinds))]

    def _select(self, rows: _Rows, chosen: str) -> _Rows:
        def select(value: Value) -> Value:
            """Returns the rows of a value that were chosen."""
            return Value(self.graph.add("Gather", value.name, chosen, axis=0), value.shape)

        numbers = self.graph.add("Gather", rows.numbers, chosen, axis=0)
        return _Rows([select(maps) for maps in rows.maps], numbers, None if rows.cost is None else select(rows.cost))

    def _join(self, left: list[_Left]) -> list[str]:
        """Returns logits, places and exits of all that has left, one behind the other."""
        fields = ("logits", "numbers", "exits")
        return [self.graph.add("Concat", *(getattr(each, field) for each in left), axis=0) for field in fields]

    def _choose(self, junction: Junction, maps: Value, cost: Value | None) -> list[str]:
        """Returns the names of booleans by row, one vector per sink: of equal scores the first one's."""
        check_precision(junction)
        graph = self.graph
        with graph.inside(junction.name):
            scores = _junction_scores(graph, junction, maps, cost)
            first = graph.add("ArgMax", scores, axis=1, keepdims=0)
            return [graph.add("Equal", first, graph.constant(np.int64(sink))) for sink in range(junction.sinks)]

    def _put_in_order(self, left: list[_Left], numbers: str) -> tuple[str, str]:
        """Returns logits and exits in the order of the batch."""
        graph = self.graph
        logits, places, exits = self._join(left)
        column = graph.add("Unsqueeze", places, graph.integers(1))
        # Who came to which place: then both are gathered.
        order = graph.add("ScatterND", numbers, column, numbers)
        return graph.add("Gather", logits, order, axis=0), graph.add("Gather", exits, order, axis=0)

    def _decide(self, exits: str) -> None:
        """Tells the graph the switches of every junction: zeros for rows that left before it."""
        for name, by_exit in exit_tree.switches_by_exit(self.cut.tree).items():
            flags = tuple(
                self.graph.add("Gather", self.graph.constant(np.array(taken)), exits, axis=0)
                for taken in zip(*by_exit, strict=True)
            )
            self.graph.decide(name, Switches("", (len(flags),), flags))


def _junction_scores(graph: Graph, layer: Junction, maps: Value, cost: Value | None) -> str:
    units = prod(maps.shape)
    x: Value = Flattened("", (units,), maps) if maps.is_map else maps
    if cost is not None:
        x = Value(graph.add("Concat", graph.floats(x), cost.name, axis=1), (units + 1,))
    for number, dense in enumerate(layer.hidden_layers):
        x = write_layer(dense, graph, x)
        if layer.normalizations:
            x = write_layer(layer.normalizations[number], graph, x)
        x = Value(graph.add("Relu", x.name), x.shape)
    return write_layer(layer.scores_layer, graph, x).name
