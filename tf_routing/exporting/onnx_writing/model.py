"""Writes a whole network as an ONNX file that skips: its inputs, its answers, its decisions and what they cost."""

from typing import Any

import numpy as np

from tf_routing import cost
from tf_routing.exit_tree import find_mixture
from tf_routing.exporting.model_inputs import ModelInputs
from tf_routing.exporting.onnx_writing import blocks, classifier_layers, halting, pyramids, routers  # noqa: F401
from tf_routing.exporting.onnx_writing.exits import ExitWriter
from tf_routing.exporting.onnx_writing.graph import FLOAT, INT32, INT64, Graph, Switches, TabledSwitches, Value
from tf_routing.exporting.onnx_writing.walk import write_model


def write_skipping(model: Any, subgraphs: bool = True) -> Any:
    """Returns the file of a model that skips, an `onnx.ModelProto`; see `onnx.export_onnx` for what it holds.

    Args:
        model: A `RoutedModel`, folded or not.
        subgraphs: As for `onnx.export_onnx`.

    Raises:
        ValueError: If a layer cannot be written; the message names it.
    """
    return _File(model, subgraphs).build()


class _File:
    """The nodes around the network: what is given becomes what it reads, and what it says becomes what is answered."""

    def __init__(self, model: Any, subgraphs: bool) -> None:
        self.model, self.graph, self.inputs = model, Graph(), ModelInputs(model)
        self.subgraphs = subgraphs
        self.outputs: list[tuple[str, int, list[Any]]] = []

    def build(self) -> Any:
        """Returns the file."""
        from onnx import helper

        graph = self.graph
        self.count = graph.add("Shape", "images", start=0, end=1)
        # A batch of no images computes one of zeros, which is cut off at the end: OpenVINO's pools refuse no rows.
        self.missing = graph.add("Cast", graph.add("Equal", self.count, graph.integers(0)), to=INT64)
        images = self._fill("images", 4)
        # Infinity is not less than itself, NaN than nothing.
        size = graph.add("ReduceL1", images, graph.integers(1, 2, 3))
        finite = graph.add("Less", size, graph.constant(np.float32(np.inf)))
        known = graph.add("Where", finite, images, graph.constant(np.float32(0)))
        image = Value(graph.add("Transpose", known, perm=[0, 3, 1, 2]), self.inputs.image_shape)
        self.finite = graph.add("Reshape", finite, graph.integers(-1, 1))
        probabilities = self._write_network(image)
        self._answer(probabilities)
        given: list[tuple[str, list[Any]]] = [("images", ["batch", *self.inputs.image_shape])]
        given += [(name, ["batch"]) for name in self.inputs.auxiliary]
        return graph.build(
            self.model.name,
            [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in given],
            [helper.make_tensor_value_info(*each) for each in self.outputs],
        )

    def _fill(self, name: str, rank: int) -> str:
        """Returns an input, or one row of zeros where it has none."""
        graph = self.graph
        nothing = graph.integers(*(0,) * (rank - 1))
        pads = graph.add("Concat", self.missing, nothing, graph.integers(*(0,) * rank), axis=0)
        return graph.add("Pad", name, pads)

    def _write_network(self, image: Value) -> Value:
        graph = self.graph
        columns = [
            Value(graph.add("Unsqueeze", self._fill(name, 1), graph.integers(1)), (1,))
            for name in self.inputs.auxiliary
        ]
        mixture = find_mixture(self.model)
        if mixture is not None:
            rows = graph.add("Shape", image.name, start=0, end=1)
            writer = ExitWriter(self.model, mixture, graph, self.subgraphs)
            return writer.write(image, columns[0] if columns else None, rows)
        return write_model(self.model, graph, self.inputs.join(image, *columns))

    def _answer(self, probabilities: Value) -> None:
        """Makes outputs of what the network says, NaN for images that hold NaN or infinity."""
        graph = self.graph
        classes = graph.add("ArgMax", probabilities.name, axis=1)
        classes = graph.add("Where", self.finite, classes, graph.integers(-1))
        classes = graph.add("Cast", graph.add("Reshape", classes, graph.integers(-1)), to=INT32)
        self._show("probabilities", self._cut(self._mark(probabilities.name)), FLOAT, [probabilities.channels])
        self._show("classes", self._cut(classes), INT32, [])
        kinds = (Switches, TabledSwitches)
        switches = {name: each for name, each in graph.decisions.items() if isinstance(each, kinds)}
        flags = self._join_flags(switches)
        for name, decision in graph.decisions.items():
            if name not in switches:
                self._show(name, self._cut(self._mark(decision.name)), FLOAT, list(decision.shape))
        if flags:
            self._show_switches(switches, flags)
        self._show("macs", self._cut(self._count_macs(switches, flags)), INT64, [])

    def _join_flags(self, switches: dict[str, Any]) -> str:
        """Returns all decisions side by side, booleans `(batch, choices)`: one operation for what many would do."""
        graph = self.graph
        table = _join_tables(switches)
        if table is not None:
            return graph.add("Gather", graph.constant(table.table), table.numbers, axis=0)
        flags = [flag for each in switches.values() for flag in graph.flags(each)]
        if not flags:
            return ""
        joined = graph.add("Concat", *flags, axis=0)
        return graph.add("Transpose", graph.add("Reshape", joined, graph.integers(len(flags), -1)), perm=[1, 0])

    def _show_switches(self, switches: dict[str, Any], flags: str) -> None:
        marked = self._cut(self._mark(self.graph.add("Cast", flags, to=FLOAT)))
        names = [name.replace("/", "_") for name in switches]
        sizes = [each.channels for each in switches.values()]
        self.graph.add_all("Split", marked, self.graph.integers(*sizes), outputs=names, axis=1)
        self.outputs += [(name, FLOAT, ["batch", size]) for name, size in zip(names, sizes, strict=True)]

    def _count_macs(self, switches: dict[str, Any], flags: str) -> str:
        """Returns the MACs executed for each image: one that holds NaN or infinity has no route."""
        graph = self.graph
        fixed, gated = cost.gated_macs(self.model)
        if not flags:
            rows = graph.add("Shape", self.finite, start=0, end=1)
            return graph.add("Expand", graph.integers(fixed), rows)
        macs = np.concatenate([_as_many(gated.get(name, ()), each.channels) for name, each in switches.items()])
        table = _join_tables(switches)
        if table is not None:
            by_number = graph.add("Gather", graph.constant(fixed + table.table @ macs), table.numbers, axis=0)
            finite = graph.add("Reshape", self.finite, graph.integers(-1))
            return graph.add("Where", finite, by_number, graph.integers(fixed))
        taken = graph.add("Cast", graph.add("And", flags, self.finite), to=INT64)
        added = graph.add("ReduceSum", graph.add("Mul", taken, graph.constant(macs)), graph.integers(1), keepdims=0)
        return graph.add("Add", added, graph.integers(fixed))

    def _mark(self, tensor: str) -> str:
        return self.graph.add("Where", self.finite, tensor, self.graph.constant(np.float32(np.nan)))

    def _cut(self, tensor: str) -> str:
        """Returns rows without the one that stood in for none."""
        return self.graph.add("Slice", tensor, self.graph.integers(0), self.count, self.graph.integers(0))

    def _show(self, name: str, tensor: str, kind: int, shape: list[int]) -> None:
        self.graph.add_all("Identity", tensor, outputs=[name.replace("/", "_")])
        self.outputs.append((name.replace("/", "_"), kind, ["batch", *shape]))


def _join_tables(switches: dict[str, Any]) -> TabledSwitches | None:
    """Returns decisions side by side where all of them follow from the same numbers, else `None`."""
    tables = [each for each in switches.values() if isinstance(each, TabledSwitches)]
    if not tables or len(tables) < len(switches) or len({each.numbers for each in tables}) > 1:
        return None
    joined = np.concatenate([each.table for each in tables], axis=1)
    return TabledSwitches("", joined.shape[1:], joined, tables[0].numbers)


def _as_many(macs: Any, choices: int) -> np.ndarray:
    """Returns the MACs of all choices: a decision may govern nothing, or nothing with its last ones."""
    return np.pad(np.asarray(macs, "int64"), (0, choices - len(macs)))
