"""An ONNX graph under construction: nodes, constants, and the values that layers hand on.

Maps are kept channels first, `(batch, channels, height, width)`, as runtimes compute them; shapes are those of Keras.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

OPSET = 18
"""The version of ONNX's operations; the newest that the converter for masked files knows is the same."""

_IR_VERSION = 9
FLOAT, INT32, INT64, BOOL = 1, 6, 7, 9
"""Types of tensors, as ONNX numbers them."""


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of the graph.

    Args:
        name: Its name.
        shape: Its shape in Keras, without the batch: `(height, width, channels)` for maps.
        is_rectified: Whether it is known to hold nothing below zero.
    """

    name: str
    shape: tuple[int, ...]
    is_rectified: bool = field(default=False, kw_only=True)

    @property
    def is_map(self) -> bool:
        """Whether these are maps, which are held channels first."""
        return len(self.shape) == 3

    @property
    def channels(self) -> int:
        """The channels of maps, or the units of vectors."""
        return self.shape[-1]


@dataclass(frozen=True, eq=False)
class Switches(Value):
    """A decision of 0 and 1, held as one vector of booleans per choice; `name` is empty, for no tensor holds it.

    Args:
        flags: Names of booleans `(batch,)`, one per choice.
    """

    flags: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class TabledSwitches(Value):
    """A decision of 0 and 1 that follows from a number per image, as those of junctions from the exit; `name` is empty.

    Args:
        table: Booleans `(numbers, choices)`.
        numbers: Name of the numbers `(batch,)`.
    """

    table: np.ndarray
    numbers: str


@dataclass(frozen=True, eq=False)
class Flattened(Value):
    """Maps as vectors, held as the maps: who multiplies them with a kernel changes its order rather than theirs.

    Args:
        maps: The maps; `name` is empty.
    """

    maps: Value


@dataclass(frozen=True, eq=False)
class Reordered(Value):
    """Maps whose rows are held in another order: who takes some of them changes the numbers, not the maps.

    Args:
        maps: The maps as they are held; `name` is empty.
        order: Name of a vector that tells for each row of the batch where it is.
    """

    maps: Value
    order: str


class Graph:
    """Nodes and constants in the order in which they are added.

    Example:

    >>> graph = Graph()
    >>> graph.add("Add", "x", graph.constant(np.float32(1.0)))
    'Add'
    >>> [node.op_type for node in graph.nodes]
    ['Add']
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[Any, Any] = {}
        self.decisions: dict[str, Value] = {}
        self._means: dict[str, str] = {}
        self._scope: list[str] = []
        self._named: Counter[str] = Counter()
        self._is_of_rows = False

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Puts a name in front of those of all nodes that are added until the block ends."""
        self._scope.append(name)
        yield
        self._scope.pop()

    def add(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node of one output, and returns the output's name."""
        return self.add_all(operation, *inputs, outputs=[self.new_name(operation)], **attributes)[0]

    def split(self, tensor: str, *sizes: int) -> Sequence[str]:
        """Divides a tensor along its second axis into parts of such sizes, and returns their names."""
        name = self.new_name("Split")
        outputs = [f"{name}/{number}" for number in range(len(sizes))]
        return self.add_all("Split", tensor, self.integers(*sizes), outputs=outputs, axis=1)

    def add_all(self, operation: str, *inputs: str, outputs: Sequence[str], **attributes: Any) -> Sequence[str]:
        """Adds a node whose outputs have names already, and returns these."""
        from onnx import helper

        self.nodes.append(helper.make_node(operation, inputs, outputs, outputs[0], **attributes))
        return outputs

    def new_name(self, kind: str) -> str:
        """Returns a name within the present scope that no node and no tensor has."""
        name = "/".join([*self._scope, kind])
        self._named[name] += 1
        return name if self._named[name] == 1 else f"{name}_{self._named[name]}"

    def constant(self, value: Any) -> str:
        """Returns the name of a constant, which is in the file once however often it is asked for."""
        from onnx import numpy_helper

        array = np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.constants:
            self.constants[key] = numpy_helper.from_array(array, self.new_name("constant"))
        return self.constants[key].name

    def integers(self, *values: int) -> str:
        """Returns the name of a vector of constant integers, as shapes and axes are."""
        return self.constant(np.array(values, "int64"))

    def floats(self, value: Value) -> str:
        """Returns the name of a value's numbers; those of switches are made."""
        if isinstance(value, Flattened):
            return self.add("Flatten", self.add("Transpose", value.maps.name, perm=[0, 2, 3, 1]), axis=1)
        if isinstance(value, TabledSwitches):
            return self.add("Gather", self.constant(value.table.astype("float32")), value.numbers, axis=0)
        if not isinstance(value, Switches):
            return value.name
        axis = self.integers(1)
        columns = [self.add("Unsqueeze", flag, axis) for flag in value.flags]
        joined = self.add("Concat", *columns, axis=1) if len(columns) > 1 else columns[0]
        return self.add("Cast", joined, to=FLOAT)

    def plain(self, value: Any) -> Any:
        """Returns a value as numbers in a tensor of its own; anything else unchanged."""
        if isinstance(value, Reordered):
            name = self.add("Gather", value.maps.name, value.order, axis=0)
            if value.maps.name in self._means:
                self._means[name] = self.means(value).name
            return Value(name, value.shape, is_rectified=value.is_rectified)
        return Value(self.floats(value), value.shape) if isinstance(value, (Switches, Flattened)) else value

    def take(self, value: Value, rows: str) -> Value:
        """Returns some rows of a value, by their numbers in the batch."""
        if isinstance(value, Reordered):
            return self.take(value.maps, self.add("Gather", value.order, rows, axis=0))
        return Value(self.add("Gather", value.name, rows, axis=0), value.shape, is_rectified=value.is_rectified)

    def list_rows(self, flag: str) -> str:
        """Returns the numbers of the rows whose flag is set, a vector."""
        return self.add("Reshape", self.add("NonZero", flag), self.integers(-1))

    def count_up(self, count: str) -> str:
        """Returns the numbers from 0 on, so many as a vector of one says."""
        zero, one = (self.constant(np.int64(number)) for number in (0, 1))
        return self.add("Range", zero, self.add("Squeeze", count), one)

    def invert(self, numbers: str, places: str) -> str:
        """Returns where each number is: the permutation that undoes another.

        Args:
            numbers: Name of the permutation.
            places: Name of the numbers in order, as many.
        """
        return self.add("ScatterND", places, self.add("Unsqueeze", numbers, self.integers(1)), places)

    def flags(self, value: Value) -> tuple[str, ...]:
        """Returns the names of switches as booleans `(batch,)`, one per choice."""
        if isinstance(value, Switches):
            return value.flags
        if isinstance(value, TabledSwitches):
            return tuple(self.add("Gather", self.constant(column), value.numbers, axis=0) for column in value.table.T)
        is_on = self.add("Greater", value.name, self.constant(np.float32(0.5)))
        return self.columns(is_on, value.channels)

    def columns(self, matrix: str, count: int) -> tuple[str, ...]:
        """Returns the names of the columns of a matrix that has so many, as vectors."""
        columns = self.split(matrix, *(1,) * count) if count > 1 else [matrix]
        return tuple(self.add("Reshape", column, self.integers(-1)) for column in columns)

    def decide(self, name: str, decision: Value) -> None:
        """Notes a decision by the name of its router, behind those of the models that it is inside of."""
        self.decisions["/".join([*self._scope, name])] = decision

    def means(self, value: Value) -> Value:
        """Returns the means of maps over their positions, computed once; vectors pass unchanged."""
        if not value.is_map:
            return value
        if isinstance(value, Reordered):
            means = self.means(value.maps)
            return Value(self.add("Gather", means.name, value.order, axis=0), means.shape)
        if value.name not in self._means:
            self._means[value.name] = self._average(value.name)
        return Value(self._means[value.name], (value.channels,))

    def know_means(self, value: Value, means: str) -> None:
        """Takes what is known to be the means of maps for them."""
        self._means[value.name] = means

    def _average(self, maps: str) -> str:
        if self._is_of_rows:
            # No pool: OpenVINO's refuse to pool no rows.
            return self.add("ReduceMean", maps, self.integers(2, 3), keepdims=0)
        return self.add("Flatten", self.add("GlobalAveragePool", maps), axis=1)

    @contextmanager
    def of_rows(self) -> Iterator[None]:
        """Lets all nodes that are added until the block ends read rows that may be none."""
        self._is_of_rows = True
        yield
        self._is_of_rows = False

    def carry_means(self, before: Value, maps: Value, rows: str, finished: str) -> None:
        """Hands the means of maps on to those in which some rows were replaced: theirs alone are computed.

        Args:
            before: The maps that were read.
            maps: Those with rows replaced.
            rows: Which, as a column of numbers.
            finished: What came in their place.
        """
        if before.name in self._means:
            with self.of_rows():
                own = self._average(finished)
            self._means[maps.name] = self.add("ScatterND", self._means[before.name], rows, own)

    def branch_on(
        self,
        condition: str,
        write: Callable[[], Sequence[str]],
        otherwise: Callable[[], Sequence[str]],
        kinds: Sequence[tuple[int, list[Any]]],
    ) -> Sequence[str]:
        """Adds a condition of two branches, and returns the names of what they give.

        A branch holds constants of its own: of those outside ONNX Runtime makes no convolution in its own layout.

        Args:
            condition: Name of one boolean.
            write: Adds the nodes of what is to run where it is true, and returns the names of their outputs.
            otherwise: The same for where it is not.
            kinds: Pairs of the types of the outputs, as ONNX numbers them, and their shapes.
        """
        outputs = [self.new_name("If") for _ in kinds]
        then_branch, else_branch = (self._write_branch(each, kinds) for each in (write, otherwise))
        return self.add_all("If", condition, outputs=outputs, then_branch=then_branch, else_branch=else_branch)

    def _write_branch(self, write: Callable[[], Sequence[str]], kinds: Sequence[Any]) -> Any:
        from onnx import helper

        outer, (self.nodes, self.constants) = (self.nodes, self.constants), ([], {})
        outputs = [helper.make_tensor_value_info(name, *kind) for name, kind in zip(write(), kinds, strict=True)]
        branch = helper.make_graph(self.nodes, self.new_name("branch"), [], outputs, list(self.constants.values()))
        self.nodes, self.constants = outer
        return branch

    def build(self, name: str, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
        """Returns the file.

        Args:
            name: Name of the graph.
            inputs: Its inputs, as `onnx.helper.make_tensor_value_info` makes them.
            outputs: Its outputs, of names that nodes have.
        """
        from onnx import checker, helper

        # Here, as all that needs the extra `onnx`.
        from tf_routing.exporting.onnx_writing.channel_padding import pad_channels

        graph = helper.make_graph(self.nodes, name, inputs, outputs, list(self.constants.values()))
        pad_channels(graph)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)
        checker.check_model(model, full_check=True)
        return model
