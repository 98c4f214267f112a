"""The sparse executor of one block, in three methods that give the same numbers. TensorFlow only.

Of `y[b] = a(sum_i s_i[b] f_i(x)[b] + h(x)[b])` (see `block_executor`) they compute the terms with `s_i[b] = 1`:

* `patterns`: the samples with the same switches, `R_p = {b : s[b] = p}`, run together, `y[R_p] = a(h(x[R_p]) + the sum
  of f_i(x[R_p]) over the i that are on in p)`, and the block is stitched once;
* `rows`: each `f_i` runs on its rows, `R_i = {b : s_i[b] = 1}`, and adds `f_i(x[R_i])` to the rows `R_i` of `h(x)`;
* `switch`: a batch of one sample has one pattern, of which there is one case of a `tf.switch_case`.

No convolution ever sees a batch of zero: with oneDNN on, TensorFlow 2.21 gives it the shape of its input.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tf_routing.execution.carried_means import average_positions
from tf_routing.execution.run import Run
from tf_routing.execution.shared_traces import SharedTraces
from tf_routing.execution.tracing import trace_once


def run_sparse(block: Any, inputs: Any, switches: Any, run: Run, method: str) -> Any:
    """Returns a block's output with each part run only on the samples that chose it; see `block_executor.execute`."""
    is_open = _read_booleans(switches)
    way = _Way(
        method,
        overwrites=run.may_overwrite(block, inputs.shape[0]),
        is_overwritten=run.is_overwritten(block),
    )
    if way.overwrites and way.method == "rows":
        is_open = _wait_for_readers(inputs, is_open)
    traces = SharedTraces() if run.traces is None else run.traces
    known = run.find_means(block, inputs)
    maps, *means = traces.run(block, partial(_run_block, way, traces), way, inputs, is_open, *known)
    run.keep_means(maps, means)
    return maps


class _Way(NamedTuple):
    """How a block runs.

    Args:
        method: One of `settings.METHODS` that is not `"auto"`.
        overwrites: Whether it may write into its input.
        is_overwritten: Whether the next block writes into its output.
    """

    method: str
    overwrites: bool
    is_overwritten: bool


def _run_block(way: _Way, traces: SharedTraces, block: Any, inputs: Any, is_open: Any, *means: Any) -> list[Any]:
    """Returns the block's output, and its channel means where those of the input are given."""
    by_method = {"patterns": _run_patterns, "rows": _run_rows, "switch": _run_case}
    maps, *means_now = by_method[way.method](_Parts(block, way, traces, list(means)), inputs, is_open)
    return [tf.ensure_shape(maps, (inputs.shape[0], *block.output_map)), *means_now]


def _read_booleans(switches: Any) -> Any:
    # Routers compare scores and cast the result to numbers: its booleans save two operations per block.
    if not tf.executing_eagerly() and switches.op.type == "Cast" and switches.op.inputs[0].dtype == tf.bool:
        return switches.op.inputs[0]
    return tf.cast(switches, tf.float32) > 0.5


class _Parts:
    """The parts of a block as functions of rows."""

    def __init__(self, block: Any, way: _Way, traces: SharedTraces, means: list[Any]) -> None:
        self.block, self.way, self.means, self.count = block, way, means, len(block.sub_blocks)
        # Where weights are constants, every pattern would hold those of its parts once more.
        trace = partial(trace_once, keeps_calls=traces.reads_scope())
        self.functions = [self._function(part, traces, trace) for part in block.sub_blocks]
        shortcut = partial(block.shortcut_terms, training=False)
        # A shortcut that returns its input is not traced: it would come back as another tensor.
        self.shortcut = trace(shortcut) if self.count > 1 and isinstance(block.shortcut, keras.Model) else shortcut

    def _function(self, part: keras.Model, traces: SharedTraces, trace: Callable[..., Any]) -> Callable[[Any], Any]:
        function = partial(_run_part, part)
        if self.count == 1:
            # Called once: a function of its own would be one more to trace.
            return function
        return partial(traces.run, part, _run_part, "part", otherwise=trace(function))

    def finish(self, rows: Any, chosen: list[int]) -> Any:
        """Returns the block's output for rows that all chose the same parts."""
        return self.block.finish(rows, [*self.shortcut(rows), *(self.functions[n](rows) for n in chosen)])

    def update_means(self, rows: Any, finished: Any) -> list[Any]:
        """Returns the channel means of the output, if those of the input are known: new for the rows that ran."""
        return [tf.tensor_scatter_nd_update(means, rows, average_positions(finished)) for means in self.means]

    def finish_none(self, inputs: Any) -> Any:
        """Returns the block's output for no rows of these maps."""
        return tf.zeros((0, *self.block.map_shape(inputs)), self.block.compute_dtype)


def _run_part(part: keras.Model, rows: Any) -> Any:
    return part(rows, training=False)


def _encode_pattern(is_open: Any) -> Any:
    powers = tf.constant([1 << n for n in range(is_open.shape[-1])], tf.int32)
    return tf.reduce_sum(tf.cast(is_open, tf.int32) * powers, axis=-1)


def _list_chosen(pattern: int, count: int) -> list[int]:
    return [n for n in range(count) if pattern >> n & 1]


def _run_patterns(parts: _Parts, inputs: Any, is_open: Any) -> list[Any]:
    rows = tf.dynamic_partition(tf.range(tf.shape(inputs)[0]), _encode_pattern(is_open), 1 << parts.count)
    outputs = [
        tf.cond(
            tf.size(alike) > 0,
            lambda alike=alike, p=p: parts.finish(tf.gather(inputs, alike), _list_chosen(p, parts.count)),
            partial(parts.finish_none, inputs),
        )
        for p, alike in enumerate(rows)
    ]
    return [tf.dynamic_stitch(rows, outputs), *parts.update_means(rows[-1][:, None], outputs[-1])]


def _run_rows(parts: _Parts, inputs: Any, is_open: Any) -> list[Any]:
    if parts.count == 1:
        return _finish_rows(parts, inputs, is_open)
    zeros = tf.zeros((tf.shape(inputs)[0], *parts.block.map_shape(inputs)), parts.block.compute_dtype)
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


def _finish_rows(parts: _Parts, inputs: Any, is_open: Any) -> list[Any]:
    """Runs the only part: the rows that chose it are finished and replace their rows of the shortcut."""
    rows, shortcut = tf.where(tf.reshape(is_open, (-1,))), parts.shortcut(inputs)
    rest = parts.block.finish(inputs, shortcut)

    def update() -> list[Any]:
        """Returns the maps and means with the rows in place that chose the part."""
        # A reshaping costs nothing, a slice does.
        numbers = tf.cast(tf.reshape(rows, (-1,)), tf.int32)
        chose_all = tf.equal(tf.size(numbers), tf.shape(inputs)[0])
        # What all rows chose is neither gathered nor put in place: no row is moved.
        gathered = _unless(chose_all, inputs, partial(tf.gather, inputs, numbers))
        # An identity shortcut is not gathered a second time.
        terms = [
            gathered if term is inputs else _unless(chose_all, term, partial(tf.gather, term, numbers))
            for term in shortcut
        ]
        finished = parts.block.finish(gathered, [*terms, parts.functions[0](gathered)])

        def put_in_place() -> Any:
            """Returns the maps with finished rows in the place of those that chose the part."""
            if parts.way.overwrites:
                return tf.raw_ops.InplaceUpdate(x=rest, i=numbers, v=finished)
            return tf.tensor_scatter_nd_update(rest, rows, finished)

        return [_unless(chose_all, finished, put_in_place), *parts.update_means(rows, finished)]

    def keep() -> list[Any]:
        """Returns the maps and means where no row chose the part."""
        # A block that writes into these maps would write into the block's input too, if both were one tensor.
        copied = parts.way.is_overwritten and not parts.way.overwrites
        return [tf.raw_ops.DeepCopy(x=rest) if copied else rest, *parts.means]

    return tf.cond(tf.size(rows) > 0, update, keep)


def _unless(condition: Any, tensor: Any, otherwise: Callable[[], Any]) -> Any:
    """Returns a tensor as it is where a condition holds, and what a function returns where not."""
    return tf.cond(condition, lambda: tensor, otherwise)


def _wait_for_readers(inputs: Any, is_open: Any) -> Any:
    """Returns the switches, which are known only once all operations that read the maps so far have run."""
    if tf.executing_eagerly():
        return is_open
    with tf.control_dependencies(inputs.consumers()):
        return tf.identity(is_open)


def _run_case(parts: _Parts, inputs: Any, is_open: Any) -> list[Any]:

    def run() -> list[Any]:
        """Returns the finished maps, and their means where the input's are known."""
        finished = parts.finish(inputs, [0])
        return [finished, *(average_positions(finished) for _ in parts.means)]

    if parts.count == 1:
        return tf.cond(tf.reshape(is_open, ()), run, lambda: [parts.finish(inputs, []), *parts.means])
    cases = [lambda p=p: parts.finish(inputs, _list_chosen(p, parts.count)) for p in range(1 << parts.count)]
    return [tf.switch_case(_encode_pattern(is_open)[0], cases)]
