"""Counts the residual blocks of a network, and what share of its operations they are, without changing it."""

from typing import Any, NamedTuple

import keras

from tf_routing import cost
from tf_routing.transforms.routing.block_choice import choose_blocks
from tf_routing.transforms.routing.flat_calls import FlatCall, list_calls
from tf_routing.transforms.routing.residual_blocks import find_residual_blocks


class BlockCounts(NamedTuple):
    """How much of a network `add_routing` can skip.

    Args:
        sums: Integer, sums in the network.
        blocks: Integer, blocks that can be skipped.
        macs: Integer, multiply-accumulates per image of the whole network.
        skippable_macs: Integer, of these those inside the blocks.
    """

    sums: int
    blocks: int
    macs: int
    skippable_macs: int


def count_blocks(model: keras.Model) -> BlockCounts:
    """Returns how many blocks a network has, how many of them can be skipped, and what these cost.

    Args:
        model: A functional model of one input, of a fixed size, and one output.

    Example:

    >>> x = keras.Input((8, 8, 4))
    >>> y = keras.layers.Conv2D(4, 1)(keras.layers.Add()([x, keras.layers.Conv2D(4, 3, padding="same")(x)]))
    >>> count_blocks(keras.Model(x, y))
    BlockCounts(sums=1, blocks=1, macs=10240, skippable_macs=9216)
    """
    graph = list_calls(model)
    found = find_residual_blocks(graph)
    chosen = choose_blocks(found, None, model.name) if found.blocks else []
    return BlockCounts(
        len(found.blocks) + len(found.left_alone),
        len(chosen),
        sum(_count_macs(call) for call in graph.calls),
        sum(_count_macs(call) for block in chosen for call in block.branch),
    )


def _count_macs(call: FlatCall) -> int:
    return cost.layer_macs(call.operation, _shapes(call.inputs), _shapes(call.outputs))


def _shapes(tensors: tuple[Any, ...]) -> Any:
    shapes = [tensor.shape for tensor in tensors]
    return shapes[0] if len(shapes) == 1 else shapes
