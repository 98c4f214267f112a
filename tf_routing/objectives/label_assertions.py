"""TensorFlow assertions that stop a training step at a label outside of the classes, and their error message."""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from tf_routing.core.tensors import Array

_ROWS = "`y` must have as many rows as there are predictions. Received: rows "
# How `Assert` prints a message in parts: the parts in brackets, and then where it stood in the graph.
_MESSAGE = re.compile(r"assertion failed: \[(`y` .*?)\]\s*(?:\n|\[\[|\[Op:|$)")


def assert_labels(
    labels: Array, fits: Any, rows: Any, shown: Sequence[Any], sentence: tuple[str, Sequence[str], str]
) -> Any:
    """Returns `labels` behind assertions: reading them raises if one is outside of the classes or rows are missing.

    In eager mode this raises at once. XLA drops assertions, so a compiled graph raises nothing.

    Args:
        labels: Tensor, batch-first.
        fits: Booleans `(batch,)`.
        rows: Integer tensor, how many rows there must be; `None` where that is unknown.
        shown: Tensors `(batch,)` of the numbers that the message shows.
        sentence: The message in parts: its start, the words before every number, and its end.

    Raises:
        ValueError: In eager mode. A graph raises a `tf.errors.InvalidArgumentError` when it runs, which
            `translate_errors` turns into a `ValueError`.
    """
    with translate_errors() if tf.executing_eagerly() else contextlib.nullcontext():
        # A few small operations per step, and no string is formatted unless it is shown.
        start, between, end = sentence
        given = tf.shape(fits)[0]
        counted = [] if rows is None else _assert(tf.equal(given, rows), [_ROWS, given, " for ", rows])
        with tf.control_dependencies(counted):
            # A replica's part of the last, small batch may be empty, and `argmin` of nothing fails: hence the True.
            first = tf.argmin(tf.cast(tf.concat([fits, [True]], axis=0), tf.int32), output_type=tf.int32)
        numbers = [part for word, each in zip(between, shown, strict=True) for part in (word, each[first : first + 1])]
        failed = [start, *numbers, " in row ", first, end]
        with tf.control_dependencies(_assert(tf.reduce_all(fits), failed)):
            return tf.identity(labels)


def _assert(condition: Any, message: Sequence[Any]) -> list[Any]:
    # The raw operation: `tf.debugging.Assert` wraps it into a `tf.cond`, which every training step would then run.
    operation = tf.raw_ops.Assert(condition=condition, data=[tf.convert_to_tensor(part) for part in message])
    return [] if operation is None else [operation]


def check_batches(batches: Any, check: Callable[[Any], Any]) -> Any:
    """Returns a `tf.data.Dataset` that checks its labels as it yields them; anything else is returned as it is.

    Args:
        batches: Batches of pairs of inputs and labels, perhaps with weights.
        check: Returns labels, or raises for them.
    """
    if not isinstance(batches, tf.data.Dataset):
        return batches
    if not isinstance(batches.element_spec, tuple) or len(batches.element_spec) < 2:
        return batches
    return batches.map(lambda x, y, *weights: (x, check(y), *weights))


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
    """Turns the `InvalidArgumentError` of a failed label assertion into a `ValueError` of one sentence.

    Raises:
        ValueError: If a label assertion fails inside the `with` block.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        found = _MESSAGE.search(str(error))
        if found is None:
            raise
        raise ValueError(found[1].replace("] [", "").replace("[", "").replace("]", "")) from None
