"""Finds the residual blocks of a network: sums of a block's own input and what the block makes of it."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tf_routing.transforms.routing.flat_calls import FlatCall, FlatGraph
from tf_routing.transforms.routing.sums import activation_left_by, activation_of, summands

# What Keras calls a sum that nobody named, with a number that depends on what was built before.
_UNNAMED = re.compile(r"add(_\d+)?")


@dataclass(frozen=True, eq=False)
class ResidualBlock:
    """A residual block that images can bypass, `y = act(x + f(x))`.

    Args:
        name: What it is called once it can be skipped: as the layer that ended it, where that has a name.
        source: The tensor x.
        branch: The calls of f, in order of depth.
        result: The tensor f(x).
        scale: Number by which f(x) is multiplied in the sum.
        sum: The call that adds.
        last: The call that makes y: the sum, or the activation behind it.
        activation: Name of the activation.
    """

    name: str
    source: Any
    branch: tuple[FlatCall, ...]
    result: Any
    scale: float
    sum: FlatCall
    last: FlatCall
    activation: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """All names by which it can be asked for."""
        return tuple(dict.fromkeys((self.name, self.sum.name, self.last.name)))


@dataclass(frozen=True)
class LeftAlone:
    """A sum in the network that cannot be skipped.

    Args:
        name: Name of the layer that adds.
        reason: Why.
    """

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True)
class Found:
    """What was found in a network.

    Args:
        blocks: The blocks that can be skipped, in order of depth; some may hold others.
        left_alone: The sums that cannot.
    """

    blocks: list[ResidualBlock]
    left_alone: list[LeftAlone]


def find_residual_blocks(graph: FlatGraph) -> Found:
    """Returns the residual blocks of a network.

    A block ends in a sum, one of whose two inputs is the block's own input, and the other one computed from that alone,
    on whatever way: convolutions, normalisation, squeeze-and-excite, stochastic depth, layer scale. Where all that
    reads the sum is a ReLU, and the block's input left one too, that belongs to the block, since it changes nothing for
    images that bypass it.

    Args:
        graph: The network.

    Example:

    >>> from tf_routing.transforms.routing.flat_calls import list_calls
    >>> x = keras.Input((8, 8, 4))
    >>> y = keras.layers.Add(name="sum")([x, keras.layers.Conv2D(4, 3, padding="same", name="conv")(x)])
    >>> [block.name for block in find_residual_blocks(list_calls(keras.Model(x, y))).blocks]
    ['sum']
    """
    search = _Search(graph)
    blocks: list[ResidualBlock] = []
    left_alone: list[LeftAlone] = []
    for call in graph.calls:
        pair = summands(call)
        if pair is None:
            continue
        try:
            blocks.append(search.find(call, pair, len(blocks) + 1))
        except _NotABlock as reason:
            left_alone.append(LeftAlone(call.name, str(reason)))
    return Found(blocks, left_alone)


class _NotABlock(Exception):
    """Says why a sum ends no block that can be skipped."""


class _Search:
    """The search in one network."""

    def __init__(self, graph: FlatGraph) -> None:
        self.graph, self.makers, self.readers = graph, graph.makers(), graph.readers()
        self.times = Counter(call.operation for call in graph.calls)

    def find(self, call: FlatCall, pair: Sequence[tuple[Any, float]], number: int) -> ResidualBlock:
        """Returns the block that ends in a sum, and raises a `_NotABlock` where none does."""
        if len(pair) != 2:
            raise _NotABlock(f"it adds {len(pair)} tensors, not two")
        shapes = [tensor.shape for tensor, _ in pair]
        if shapes[0][1:] != shapes[1][1:]:
            raise _NotABlock(f"it adds tensors of the shapes {shapes[0][1:]} and {shapes[1][1:]}")
        if len(shapes[0]) != 4:
            raise _NotABlock(f"it adds tensors of shape {shapes[0]}, and routers read maps, of four axes")
        for (source, own), (result, scale) in (pair, pair[::-1]):
            region = self._close(source, result) if own == 1 else None
            if region:
                self._check(region, source, call)
                last, activation = self._find_activation(call, source)
                name = f"block_{number}" if _has_no_name(last) else last.name
                return ResidualBlock(name, source, tuple(region), result, scale, call, last, activation)
        first, second = (self._maker(tensor).name for tensor, _ in pair)
        raise _NotABlock(
            f"neither of its inputs, made by {first!r} and {second!r}, is computed from the other alone, as where a "
            "block changes the shape and its shortcut computes too"
        )

    def _maker(self, tensor: Any) -> FlatCall:
        return self.graph.calls[self.makers[tensor]]

    def _close(self, source: Any, result: Any) -> list[FlatCall] | None:
        """Returns the calls between two tensors, `None` where more than the first goes into the second."""
        start, found, left = self.makers[source], set(), [result]
        while left:
            tensor = left.pop()
            if tensor is source:
                continue
            number = self.makers[tensor]
            # What comes before the source in order of depth cannot be computed from it.
            if number <= start:
                return None
            if number not in found:
                found.add(number)
                if not self.graph.calls[number].inputs:
                    return None
                left += self.graph.calls[number].inputs
        return [self.graph.calls[number] for number in sorted(found)]

    def _check(self, region: list[FlatCall], source: Any, end: FlatCall) -> None:
        """Raises a `_NotABlock` if the calls between a block's input and its sum cannot be moved into a block."""
        inside = {*region, end}
        for call in region:
            outside = [
                reader.name for out in call.outputs for reader in self.readers.get(out, ()) if reader not in inside
            ]
            if outside or self.graph.output in call.outputs:
                reader = repr(outside[0]) if outside else "the network's end"
                raise _NotABlock(f"{call.name!r} inside of it is read outside of it too, by {reader}")
            if self.times[call.operation] > 1:
                raise _NotABlock(f"{call.name!r} inside of it is called more than once")
            if call.kwargs.get("training") is True:
                raise _NotABlock(
                    f"{call.name!r} inside of it is called with training=True: images depend on others there"
                )
            if getattr(call.operation, "data_format", None) == "channels_first":
                raise _NotABlock(f"{call.name!r} inside of it has its channels first")

    def _find_activation(self, call: FlatCall, source: Any) -> tuple[FlatCall, str | None]:
        """Returns the call that ends a block, and the name of its activation."""
        (result,) = call.outputs
        readers = self.readers.get(result, [])
        if len(readers) != 1 or result is self.graph.output:
            return call, None
        activation = activation_of(readers[0])
        # Images that bypass the block leave unactivated, which is the same only where they came activated.
        if activation is None or activation != activation_left_by(self._maker(source)):
            return call, None
        return readers[0], activation


def _has_no_name(call: FlatCall) -> bool:
    return not isinstance(call.operation, keras.Layer) or _UNNAMED.fullmatch(call.name) is not None
