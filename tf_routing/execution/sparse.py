"""The sparse executors of one block. TensorFlow only.

No convolution ever sees a batch of zero: with oneDNN on, TensorFlow 2.21 gives it the shape of its input.
"""

from functools import partial
from typing import Any

import keras
import tensorflow as tf

from tf_routing.execution.carried_means import average_positions
from tf_routing.execution.run import Run
from tf_routing.execution.tracing import traced_once


def run_sparse(block: Any, inputs: Any, switches: Any, run: Run) -> Any:
    """Returns a block's output with each part run only on the samples that chose it; see `block_executor.execute`."""
    is_open = _as_booleans(switches)
    by_method = {"patterns": _by_pattern, "rows": _by_rows, "switch": _by_case}
    maps, *means = by_method[run.method_of(block, inputs.shape[0])](_Parts(block, inputs, run), inputs, is_open)
    maps = tf.ensure_shape(maps, (inputs.shape[0], *block.output_map))
    if means and run.means is not None:
        run.means.keep(maps, *means)
    return maps


def _as_booleans(switches: Any) -> Any:
    # Routers compare, and hand on numbers: what they compared is at hand, and two operations per block are not run.
    if not tf.executing_eagerly() and switches.op.type == "Cast" and switches.op.inputs[0].dtype == tf.bool:
        return switches.op.inputs[0]
    return tf.cast(switches, tf.float32) > 0.5


class _Parts:
    """The parts of a block as functions of rows."""

    def __init__(self, block: Any, inputs: Any, run: Run) -> None:
        self.block, self.run, self.count = block, run, len(block.sub_blocks)
        known = run.means.find(inputs) if run.means is not None and block.keeps_what_it_bypasses else None
        self.means = [] if known is None else [known]
        self.functions = [traced_once(partial(part, training=False)) for part in block.sub_blocks]
        shortcut = partial(block.shortcut_terms, training=False)
        # Not through a function where it hands on what it is given: that would come back as another tensor.
        self.shortcut = traced_once(shortcut) if isinstance(block.shortcut, keras.Model) else shortcut

    def finished(self, rows: Any, chosen: list[int]) -> Any:
        """The block's output for rows that all chose the same parts."""
        return self.block.finish(rows, [*self.shortcut(rows), *(self.functions[n](rows) for n in chosen)])

    def means_with(self, rows: Any, finished: Any) -> list[Any]:
        """The channel means of the block's output, if those of its input are known: new for the rows that ran."""
        return [tf.tensor_scatter_nd_update(means, rows, average_positions(finished)) for means in self.means]

    def empty(self) -> Any:
        """The block's output for no rows."""
        return tf.zeros((0, *self.block.output_map), self.block.compute_dtype)


def _pattern(is_open: Any) -> Any:
    powers = tf.constant([1 << n for n in range(is_open.shape[-1])], tf.int32)
    return tf.reduce_sum(tf.cast(is_open, tf.int32) * powers, axis=-1)


def _chosen(pattern: int, count: int) -> list[int]:
    return [n for n in range(count) if pattern >> n & 1]


def _by_pattern(parts: _Parts, inputs: Any, is_open: Any) -> list[Any]:
    """Samples that chose the same parts run together, and the block is stitched once."""
    rows = tf.dynamic_partition(tf.range(tf.shape(inputs)[0]), _pattern(is_open), 1 << parts.count)
    outputs = [
        tf.cond(
            tf.size(own) > 0,
            lambda own=own, p=p: parts.finished(tf.gather(inputs, own), _chosen(p, parts.count)),
            parts.empty,
        )
        for p, own in enumerate(rows)
    ]
    return [tf.dynamic_stitch(rows, outputs), *parts.means_with(rows[-1][:, None], outputs[-1])]


def _by_rows(parts: _Parts, inputs: Any, is_open: Any) -> list[Any]:
    """Each part runs on its own rows and adds to them."""
    if parts.count == 1:
        return _by_finished_rows(parts, inputs, is_open)
    zeros = tf.zeros((tf.shape(inputs)[0], *parts.block.output_map), parts.block.compute_dtype)
    total = sum(parts.shortcut(inputs), start=zeros)
    for n, function in enumerate(parts.functions):
        rows = tf.where(is_open[:, n])
        total = tf.cond(
            tf.size(rows) > 0,
            lambda total=total, rows=rows, function=function: tf.tensor_scatter_nd_add(
                total, rows, function(tf.gather(inputs, rows[:, 0]))
            ),
            lambda total=total: total,
        )
    return [parts.block.finish(inputs, [total])]


def _by_finished_rows(parts: _Parts, inputs: Any, is_open: Any) -> list[Any]:
    """The rows that chose the only part are finished apart and replace what the others get."""
    rows, shortcut = tf.where(tf.reshape(is_open, (-1,))), parts.shortcut(inputs)
    rest, overwrites = parts.block.finish(inputs, shortcut), parts.run.may_overwrite(parts.block, inputs.shape[0])
    if overwrites:
        rows = _after_readers(inputs, rows)

    def updated() -> list[Any]:
        """All rows, those that chose the part finished with it."""
        # A reshaping costs nothing, a slice does.
        numbers = tf.cast(tf.reshape(rows, (-1,)), tf.int32)
        own = tf.gather(inputs, numbers)
        # Not gathered twice where the shortcut hands on what it is given.
        terms = [*(own if term is inputs else tf.gather(term, numbers) for term in shortcut), parts.functions[0](own)]
        finished = parts.block.finish(own, terms)
        if overwrites:
            maps = tf.raw_ops.InplaceUpdate(x=rest, i=numbers, v=finished)
        else:
            maps = tf.tensor_scatter_nd_update(rest, rows, finished)
        return [maps, *parts.means_with(rows, finished)]

    def untouched() -> list[Any]:
        """All rows as they are."""
        copied = parts.run.is_overwritten(parts.block) and not overwrites
        return [tf.raw_ops.DeepCopy(x=rest) if copied else rest, *parts.means]

    return tf.cond(tf.size(rows) > 0, updated, untouched)


def _after_readers(inputs: Any, rows: Any) -> Any:
    """Returns the rows, known only once all that was built to read the maps has done so."""
    if tf.executing_eagerly():
        return rows
    with tf.control_dependencies(inputs.consumers()):
        return tf.identity(rows)


def _by_case(parts: _Parts, inputs: Any, is_open: Any) -> list[Any]:
    """A batch of one has one pattern: nothing is gathered, nothing stitched."""

    def run() -> list[Any]:
        """The only part, and what it makes of the means."""
        finished = parts.finished(inputs, [0])
        return [finished, *(average_positions(finished) for _ in parts.means)]

    if parts.count == 1:
        return tf.cond(tf.reshape(is_open, ()), run, lambda: [parts.finished(inputs, []), *parts.means])
    cases = [lambda p=p: parts.finished(inputs, _chosen(p, parts.count)) for p in range(1 << parts.count)]
    return [tf.switch_case(_pattern(is_open)[0], cases)]
