"""Which blocks may write into the maps that they read, because nothing reads these afterwards.

Replacing a few rows of a tensor copies all of it, which takes longer than skipping small blocks saves. In a chain of
blocks that run or are bypassed, the copy is needless where each block's output is read by the next one and its router
only.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras

from tf_routing.execution.choice import block_method

# While a model runs, its blocks that may overwrite what they read, each with the block before it. Not on the blocks:
# the same layers may be part of other models, where other layers read between them.
_running: ContextVar[Mapping[Any, Any] | None] = ContextVar("_running", default=None)


@contextmanager
def running(model: keras.Model) -> Iterator[None]:
    """Lets the blocks of a functional model overwrite where its graph allows it."""
    # Beside what Keras tracks: the layers are the model's already.
    if "_links" not in model.__dict__:
        model.__dict__["_links"] = _links(model)
    token = _running.set(model.__dict__["_links"])
    try:
        yield
    finally:
        _running.reset(token)


def overwrites(block: Any, batch: int | None) -> bool:
    """Whether a block may write into its input, for batches of this size (`None`: known only when it runs)."""
    before = (_running.get() or {}).get(block)
    # Any other way may hand on what it was given.
    return before is not None and block_method(before, batch) == "rows"


def is_overwritten(block: Any) -> bool:
    """Whether the next block writes into a block's output, which then must share its memory with nothing else."""
    return block in (_running.get() or {}).values()


def _links(model: keras.Model) -> dict[Any, Any]:
    # Here, not above: who imports `graph` first imports Keras, which registers the layers, which import this.
    from tf_routing.core.graph import layer_calls

    calls = layer_calls(model)
    times = Counter(call.operation for call in calls)
    makers = {id(tensor): call for call in calls for tensor in call.output_tensors}
    read_at_the_end = {id(tensor) for tensor in model.outputs}
    links = {}
    for call in calls:
        # A graph may hold constant switches, which no layer makes.
        if not _skips(call.operation) or call.operation.shortcut != "identity" or len(call.input_tensors) != 2:
            continue
        maps, switches = call.input_tensors
        before = makers[id(maps)].operation
        decided_by = _above(switches, makers)
        readers = [each for each in calls if any(tensor is maps for tensor in each.input_tensors)]
        # What decides is done when the block knows which rows to run; any other reader could come too late.
        alone = all(each is call or each in decided_by for each in readers) and id(maps) not in read_at_the_end
        if alone and _skips(before) and times[before] == times[call.operation] == 1:
            links[call.operation] = before
    return links


def _skips(block: Any) -> bool:
    # A controller counts sub-blocks; only what runs them has shortcuts beside.
    return hasattr(block, "shortcut_terms") and len(block.sub_blocks) == 1


def _above(tensor: Any, makers: dict[int, Any]) -> set[Any]:
    """The calls that a tensor depends on."""
    found, left = set(), [makers[id(tensor)]]
    while left:
        call = left.pop()
        if call not in found:
            found.add(call)
            left += [makers[id(each)] for each in call.input_tensors]
    return found
