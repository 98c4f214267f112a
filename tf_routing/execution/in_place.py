"""Finds the blocks that may write into the maps that they read, because nothing reads these afterwards.

Replacing a few rows of a tensor copies all of it, which takes longer than skipping small blocks saves. In a chain of
blocks that run or are bypassed, the copy is needless where a block's output is read by the next one and its router
only.
"""

from collections import Counter
from typing import Any

import keras

from tf_routing.core.graph import layer_calls
from tf_routing.core.protocols import RunsSubBlocks


def find_overwrites(model: keras.Model) -> dict[Any, Any]:
    """Returns the blocks of a functional model that may write into the maps that they read.

    Args:
        model: The functional model.

    Returns:
        Dict from each such block to the block before, which makes the maps.
    """
    calls = layer_calls(model)
    times = Counter(call.operation for call in calls)
    makers = {tensor: call for call in calls for tensor in call.output_tensors}
    readers: dict[Any, set[Any]] = {}
    for call in calls:
        for tensor in call.input_tensors:
            readers.setdefault(tensor, set()).add(call)
    read_at_the_end = set(model.outputs)
    found = {}
    for call in calls:
        # A graph may hold constant switches, which no layer makes.
        if not _skips(call.operation) or call.operation.shortcut != "identity" or len(call.input_tensors) != 2:
            continue
        maps, switches = call.input_tensors
        before = makers[maps].operation
        # What decides is done when the block knows which rows to run; any other reader could come too late.
        others = readers[maps] - {call} - _find_ancestors(switches, makers)
        alone = not others and maps not in read_at_the_end
        if alone and _skips(before) and times[before] == times[call.operation] == 1:
            found[call.operation] = before
    return found


def _skips(block: Any) -> bool:
    return isinstance(block, RunsSubBlocks) and len(block.sub_blocks) == 1


def _find_ancestors(tensor: Any, makers: dict[Any, Any]) -> set[Any]:
    """Returns the calls that a tensor depends on."""
    found, left = set(), [makers[tensor]]
    while left:
        call = left.pop()
        if call not in found:
            found.add(call)
            left += [makers[read] for read in call.input_tensors]
    return found
