"""The sparse executor of one block in static shapes, for JAX and for XLA on TensorFlow.

Of `y[b] = a(sum_i s_i[b] f_i(x)[b] + h(x)[b])` (see `block_executor`) each `f_i` runs on the rows with `s_i[b] = 1`,
a bucket of them after the other; see `static_rows`. What fills the last bucket is computed and dropped, so that the
numbers are those of masked execution.
"""

from collections.abc import Callable
from typing import Any

from keras import ops

from tf_routing.execution.carried_means import average_positions
from tf_routing.execution.run import Run
from tf_routing.execution.static_rows import update_rows


def run_buckets(block: Any, inputs: Any, switches: Any, run: Run) -> Any:
    """Returns a block's output with each part run only on the samples that chose it; see `block_executor.execute`."""
    is_open = ops.cast(switches, "float32") > 0.5
    shortcut = block.shortcut_terms(inputs, training=False)
    if len(block.sub_blocks) == 1:
        return _finish_rows(block, inputs, shortcut, is_open[:, 0], run)
    total = (
        shortcut[0] if shortcut else ops.zeros((ops.shape(inputs)[0], *block.map_shape(inputs)), block.compute_dtype)
    )
    for number, part in enumerate(block.sub_blocks):
        [total] = update_rows(_adder(part), [inputs, total], is_open[:, number], [total])
    return block.finish(inputs, [total])


def _adder(part: Any) -> Callable[[Any, Any], list[Any]]:
    """Returns a function that adds a part's output to rows of the sum so far."""
    return lambda rows, total: [total + ops.cast(part(rows, training=False), total.dtype)]


def _finish_rows(block: Any, inputs: Any, shortcut: list[Any], is_open: Any, run: Run) -> Any:
    """Runs the only part: the rows that chose it are finished and replace their rows of the shortcut."""
    means = run.find_means(block, inputs)

    def finish(rows: Any, *terms: Any) -> list[Any]:
        """Returns the finished maps of rows, and their means where those of the others are known."""
        finished = block.finish(rows, [*(terms or [rows] * len(shortcut)), block.sub_blocks[0](rows, training=False)])
        return [finished, *(average_positions(finished) for _ in means)]

    # An identity shortcut is not gathered a second time.
    own = [term for term in shortcut if term is not inputs]
    maps, *means = update_rows(finish, [inputs, *own], is_open, [block.finish(inputs, shortcut), *means])
    run.keep_means(maps, means)
    return maps
