r"""Runs a function on the rows of a batch that chose it where shapes cannot depend on the data: under XLA, and on JAX.

Of a batch of $B$ rows, $n$ chose the function. They are sorted to the front and fill $\lceil n / c \rceil$ buckets of
$c$ rows (`bucket_size`), the last one of which is filled up with other rows. The function runs on one bucket after the
other in a loop, and what it returns for rows that chose it is put back into their places. So it is compiled once, for
$c$ rows, and runs on less than $c$ rows that did not choose it.

A function that runs in a loop must not change variables, which a loop cannot hand out. Parts of blocks change none at
inference.

`jax.vmap` and `lax.map(batch_size=...)` do not do that: they turn a condition into a selection, and run both sides.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from tf_routing.core.private_apis import is_within_xla

_BUCKETS = 16


def needs_static_shapes() -> bool:
    """Whether no shape can depend on data here: on JAX, and on TensorFlow where XLA compiles what is being traced."""
    backend = keras.backend.backend()
    return backend == "jax" or (backend == "tensorflow" and is_within_xla())


def runs_in_buckets(method: str, batch: int | None) -> bool:
    """Whether a batch runs in buckets: where nothing else can, whatever is set, and where that is set.

    Args:
        method: How it is set to run, one of `settings.METHODS`.
        batch: Integer, images per batch; `None` where it is known only when the model runs: buckets are of a batch.
    """
    return needs_static_shapes() or (method == "buckets" and batch is not None)


def bucket_size(batch: int) -> int:
    """Returns how many rows of a batch run together.

    Args:
        batch: Integer, rows of the batch.

    Example:

    >>> bucket_size(128), bucket_size(33), bucket_size(8)
    (8, 3, 1)
    """
    return -(-batch // _BUCKETS)


def update_rows(
    function: Callable[..., Sequence[Any]], inputs: Sequence[Any], is_open: Any, before: Sequence[Any]
) -> list[Any]:
    """Returns tensors in which the rows that chose a function are what it returns for them.

    Args:
        function: Takes tensors like `inputs` with fewer rows, and returns tensors like `before` with as many. It treats
            rows independently.
        inputs: List of tensors whose first axis counts the rows.
        is_open: Boolean tensor `(rows,)`, which rows choose the function.
        before: List of tensors, what the other rows are and stay.

    Returns:
        List of tensors of the shapes of `before`. Where the number of rows is not a number yet, or none, the function
        runs on all of them.

    Example:

    >>> x = ops.array([[1.0], [2.0], [3.0]])
    >>> update_rows(lambda rows: [10 * rows], [x], ops.array([True, False, True]), [x])[0].numpy().tolist()
    [[10.0], [2.0], [30.0]]
    """
    batch = is_open.shape[0]
    if not isinstance(batch, int) or batch == 0:
        return [_choose(is_open, *pair) for pair in zip(function(*inputs), before, strict=True)]
    buckets = _fill(is_open, batch)
    # What is updated is read as it is by then, since no row is needed again once it ran: nothing has to be copied.
    updated = [next((number for number, old in enumerate(before) if old is tensor), None) for tensor in inputs]

    def run_bucket(number: Any, state: Sequence[Any]) -> list[Any]:
        """Runs the rows of one bucket, and returns the tensors with these rows in place."""
        rows, own = buckets.rows(number)
        given = [tensor if held is None else state[held] for tensor, held in zip(inputs, updated, strict=True)]
        results = function(*(ops.take(tensor, rows, axis=0) for tensor in given))
        return [
            _put(old, rows, _choose(own, result, ops.take(old, rows, axis=0)))
            for result, old in zip(results, state, strict=True)
        ]

    if not is_known(buckets.count):
        return _repeat(buckets, run_bucket, before)
    # Compiling a loop takes longer than running its passes.
    state, number = list(before), 0
    while buckets.holds(number):
        state, number = run_bucket(number, state), number + 1
    return state


class _Buckets(NamedTuple):
    """Rows in buckets.

    Args:
        order: Integer tensor `(rows,)`, the rows that chose the function before the others.
        count: Integer tensor, how many chose it.
        batch: Integer, how many there are.
    """

    order: Any
    count: Any
    batch: int

    @property
    def size(self) -> int:
        """Rows per bucket."""
        return bucket_size(self.batch)

    def holds(self, number: Any) -> Any:
        """Whether a bucket holds rows that chose the function."""
        return number * self.size < self.count

    def rows(self, number: Any) -> tuple[Any, Any]:
        """Returns the rows of a bucket, and which of them chose the function and are in no bucket before it."""
        # The last one begins before the end of the one before it where too few rows are left.
        first = ops.minimum(number * self.size, self.batch - self.size)
        places = first + ops.arange(self.size, dtype="int32")
        own = ops.logical_and(places >= number * self.size, places < self.count)
        return ops.slice(self.order, (first,), (self.size,)), own


def _fill(is_open: Any, batch: int) -> _Buckets:
    # Stable, so that rows keep their order and the same choices run the same way.
    order = ops.argsort(ops.cast(ops.logical_not(is_open), "int32"))
    return _Buckets(ops.cast(order, "int32"), ops.sum(ops.cast(is_open, "int32")), batch)


def _repeat(buckets: _Buckets, run: Callable[[Any, Sequence[Any]], list[Any]], before: Sequence[Any]) -> list[Any]:
    """Returns what running one bucket after the other makes of tensors."""
    most = -(-buckets.batch // buckets.size)
    if keras.backend.backend() == "jax":
        # Only a loop of a known number of passes can be differentiated backwards.
        def run_filled(number: Any, state: list[Any]) -> list[Any]:
            """Runs a bucket if there is anything in it."""
            return ops.cond(buckets.holds(number), lambda: run(number, state), lambda: state)

        return ops.fori_loop(0, most, run_filled, list(before))
    _, *state = ops.while_loop(
        lambda number, *_: buckets.holds(number),
        lambda number, *state: (number + 1, *run(number, state)),
        (ops.zeros((), "int32"), *before),
        most,
    )
    return state


def is_known(tensor: Any) -> bool:
    """Whether a tensor holds numbers, and is not what stands for them while a function is traced."""
    if keras.backend.backend() == "jax":
        import jax

        return not isinstance(tensor, jax.core.Tracer)
    return hasattr(tensor, "numpy")


def _put(tensor: Any, rows: Any, values: Any) -> Any:
    """Returns a tensor with some of its rows replaced."""
    if rows.shape[0] == 1:
        return ops.slice_update(tensor, (rows[0], *(0,) * (len(tensor.shape) - 1)), values)
    return ops.scatter_update(tensor, rows[:, None], values)


def _choose(is_open: Any, result: Any, before: Any) -> Any:
    condition = ops.reshape(is_open, (-1, *(1,) * (len(before.shape) - 1)))
    return ops.where(condition, ops.cast(result, before.dtype), before)
