r"""Runs a function on the rows of a batch that chose it where shapes cannot depend on the data: under XLA, and on JAX.

Of a batch of $B$ rows, $n$ chose the function. They are sorted to the front, padded with rows that did not choose it to
the next size $c \ge n$ of a few (`bucket_sizes`), and the function runs on these $c$ rows in the branch for $c$ of a
`keras.ops.switch`. What it returns for rows that chose it is put back into their places, and what it returns for the
others is dropped. The branch for $c = 0$ runs nothing. So each function is compiled once per size, and every call runs
one of them.

A function that runs in a branch must not change variables, which a branch cannot hand out. Parts of blocks change none
at inference.

`jax.vmap` and `lax.map(batch_size=...)` do not do that: they turn a condition into a selection, and run both sides.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from tf_routing.core.private_apis import is_within_xla

# Eighths up to a half, where most is to be gained, and quarters from there on: each size is compiled.
_EIGHTHS = (0, 1, 2, 3, 4, 6, 8)


def needs_static_shapes() -> bool:
    """Whether no shape can depend on data here: on JAX, and on TensorFlow where XLA compiles what is being traced."""
    backend = keras.backend.backend()
    return backend == "jax" or (backend == "tensorflow" and is_within_xla())


def runs_in_buckets(method: str, batch: int | None) -> bool:
    """Whether a batch runs in buckets: where nothing else can, whatever is set, and where that is set.

    Args:
        method: How it is set to run, one of `settings.METHODS`.
        batch: Integer, images per batch; `None` where it is known only when the model runs: sizes are those of a batch.
    """
    return needs_static_shapes() or (method == "buckets" and batch is not None)


def bucket_sizes(batch: int) -> tuple[int, ...]:
    """Returns the numbers of rows of a batch that a function is compiled for, in order; none and all are among them.

    Args:
        batch: Integer, rows of the batch.

    Example:

    >>> bucket_sizes(32), bucket_sizes(3), bucket_sizes(1)
    ((0, 4, 8, 12, 16, 24, 32), (0, 1, 2, 3), (0, 1))
    """
    return tuple(sorted({-(-batch * eighths // 8) for eighths in _EIGHTHS}))


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

    def update_all() -> list[Any]:
        """Runs all rows; none has to be moved."""
        return [_choose(is_open, *pair) for pair in zip(function(*inputs), before, strict=True)]

    if not isinstance(batch, int) or batch == 0:
        return update_all()
    sizes = bucket_sizes(batch)
    count = ops.sum(ops.cast(is_open, "int32"))
    # Stable, so that rows keep their order and the same choices run the same way.
    order = ops.argsort(ops.cast(ops.logical_not(is_open), "int32"))

    def update_some(size: int) -> list[Any]:
        """Runs so many rows, those that chose the function first."""
        rows = order[:size]
        results = function(*(ops.take(tensor, rows, axis=0) for tensor in inputs))
        own = ops.take(is_open, rows, axis=0)
        pairs = zip(results, before, strict=True)
        return [
            ops.scatter_update(old, rows[:, None], _choose(own, result, ops.take(old, rows, axis=0)))
            for result, old in pairs
        ]

    branches = [lambda: list(before), *(lambda size=size: update_some(size) for size in sizes[1:-1]), update_all]
    # The first size that holds all of them. Never below zero, which is the first branch here and the last in
    # `tf.switch_case`.
    index = ops.sum(ops.cast(ops.convert_to_tensor(sizes[:-1]) < count, "int32"))
    if is_known(index):
        # Compiling a condition takes longer than running one of its branches once.
        return branches[int(index)]()
    return list(ops.switch(index, branches))


def is_known(tensor: Any) -> bool:
    """Whether a tensor holds numbers, and is not what stands for them while a function is traced."""
    if keras.backend.backend() == "jax":
        import jax

        return not isinstance(tensor, jax.core.Tracer)
    return hasattr(tensor, "numpy")


def _choose(is_open: Any, result: Any, before: Any) -> Any:
    condition = ops.reshape(is_open, (-1, *(1,) * (len(before.shape) - 1)))
    return ops.where(condition, ops.cast(result, before.dtype), before)
