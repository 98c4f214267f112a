"""Pads channels between convolutions with zeros, up to numbers that runtimes compute in blocks.

ONNX Runtime keeps maps in a layout of its own, in blocks of 8 channels, or 16 with AVX-512. A convolution that reads
another number of channels is computed in the plain layout, with a change of layout before and behind it.
"""

from collections import defaultdict
from typing import Any

import numpy as np
from onnx import numpy_helper

_BLOCKS = ((16, 1 / 8), (8, 1 / 4))
"""Sizes of blocks, and the share of the channels that may be added for them."""


def pad_channels(graph: Any) -> None:
    """Adds channels of zeros where only convolutions, and activations before them, read what a convolution makes.

    Args:
        graph: An `onnx.GraphProto`, which is changed; the branches inside of it too.

    Example:

    Of a convolution of 7 filters, which another one reads:

    >>> from onnx import helper
    >>> shapes = {"first": (7, 3, 1, 1), "second": (5, 7, 1, 1)}
    >>> kernels = [numpy_helper.from_array(np.ones(shape, "float32"), name) for name, shape in shapes.items()]
    >>> nodes = [helper.make_node("Conv", *names) for names in ((["x", "first"], ["y"]), (["y", "second"], ["z"]))]
    >>> graph = helper.make_graph(nodes, "two", [], [helper.make_tensor_value_info("z", 1, None)], kernels)
    >>> pad_channels(graph)
    >>> sorted(tuple(kernel.dims) for kernel in graph.initializer)
    [(5, 8, 1, 1), (8, 3, 1, 1)]
    """
    for node in graph.node:
        for branch in _branches(node):
            pad_channels(branch)
    _Padding(graph).pad()


class _Padding:
    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.constants = {each.name: each for each in graph.initializer}
        self.readers: dict[str, list[Any]] = defaultdict(list)
        # Of what others read no channel is added: outputs, and what is read inside of branches.
        self.read_elsewhere = {output.name for output in graph.output}
        for node in graph.node:
            for name in node.input:
                self.readers[name].append(node)
            self.read_elsewhere.update(name for branch in _branches(node) for name in _reads(branch))

    def pad(self) -> None:
        """Exchanges kernels and offsets in all nodes where channels are missing."""
        for node in self.graph.node:
            if not self._is_plain(node):
                continue
            missing = missing_channels(self.constants[node.input[1]].dims[0])
            readers = self._find_readers(node.output[0]) if missing else []
            for reader in readers:
                self._grow(reader, 1, axis=1, missing=missing)
            for position in range(1, len(node.input) if readers else 0):
                self._grow(node, position, axis=0, missing=missing)
        used = {name for node in self.graph.node for name in node.input} | self.read_elsewhere
        del self.graph.initializer[:]
        self.graph.initializer.extend(each for name, each in self.constants.items() if name in used)

    def _is_plain(self, node: Any) -> bool:
        grouped = any(each.name == "group" and each.i != 1 for each in node.attribute)
        return node.op_type == "Conv" and not grouped and all(name in self.constants for name in node.input[1:])

    def _find_readers(self, tensor: str) -> list[Any]:
        """Returns the convolutions that read a tensor; none if anything else does."""
        found: list[Any] = []
        for node in self.readers[tensor]:
            if node.op_type == "Relu":
                readers = self._find_readers(node.output[0])
            else:
                readers = [node] if self._is_plain(node) else []
            if not readers:
                return []
            found += readers
        return [] if tensor in self.read_elsewhere else found

    def _grow(self, node: Any, position: int, axis: int, missing: int) -> None:
        """Exchanges a constant that a node reads for one with zeros at the end of an axis."""
        name = f"{node.input[position]}/padded_{axis}"
        if name not in self.constants:
            array = numpy_helper.to_array(self.constants[node.input[position]])
            width = [(0, missing if each == axis else 0) for each in range(array.ndim)]
            self.constants[name] = numpy_helper.from_array(np.pad(array, width), name)
        node.input[position] = name


def missing_channels(count: int) -> int:
    """Returns how many channels are missing to whole blocks, 0 if these would be too many."""
    for size, share in _BLOCKS:
        missing = -count % size
        if missing <= share * count:
            return missing
    return 0


def _branches(node: Any) -> list[Any]:
    return [each.g for each in node.attribute if each.HasField("g")]


def _reads(graph: Any) -> list[str]:
    inside = [name for node in graph.node for branch in _branches(node) for name in _reads(branch)]
    return [*inside, *(name for node in graph.node for name in node.input), *(each.name for each in graph.output)]
