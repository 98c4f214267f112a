"""Labels that fit no class stop a step on TensorFlow."""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

_ROWS = "`y` must have as many rows as there are predictions. Received: rows "
# What `Assert` makes of a message in parts.
_MESSAGE = re.compile(r"assertion failed: \[(`y` .*?)\]\s*(?:\n|\[\[|\[Op:|$)")


def raised(labels: Any, fits: Any, rows: Any, shown: Sequence[Any], sentence: tuple[str, Sequence[str], str]) -> Any:
    """Returns labels that raise where one of them fits no class, or another number of rows is needed.

    In eager mode they do at once. In a graph that XLA compiles nothing is raised.

    Args:
        labels: Tensor, batch-first.
        fits: Booleans `(batch,)`.
        rows: Integer tensor, how many rows there must be; `None` where nobody knows.
        shown: Tensors `(batch,)` of the numbers that the message shows.
        sentence: The message: its start, what comes before each number, and its end.

    Raises:
        ValueError: In eager mode. A graph raises a `tf.errors.InvalidArgumentError` when it runs; see `explained`.
    """
    with explained() if tf.executing_eagerly() else contextlib.nullcontext():
        # A few small operations per step, and no string is formatted unless it is shown.
        start, between, end = sentence
        given = tf.shape(fits)[0]
        counted = [] if rows is None else _asserted(tf.equal(given, rows), [_ROWS, given, " for ", rows])
        with tf.control_dependencies(counted):
            # Of replicas that share a last, small batch, one may have no rows, of which none is the least.
            first = tf.argmin(tf.cast(tf.concat([fits, [True]], axis=0), tf.int32), output_type=tf.int32)
        numbers = [part for word, each in zip(between, shown, strict=True) for part in (word, each[first : first + 1])]
        failed = [start, *numbers, " in row ", first, end]
        with tf.control_dependencies(_asserted(tf.reduce_all(fits), failed)):
            return tf.identity(labels)


def _asserted(condition: Any, message: Sequence[Any]) -> list[Any]:
    # The operation itself: `tf.debugging.Assert` puts a condition around it, which steps would then hold.
    operation = tf.raw_ops.Assert(condition=condition, data=[tf.convert_to_tensor(part) for part in message])
    return [] if operation is None else [operation]


def checked_batches(batches: Any, check: Callable[[Any], Any]) -> Any:
    """Returns a `tf.data.Dataset` whose labels go through a check; what else is given, or has no labels, stays.

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
def explained() -> Iterator[None]:
    """Turns what TensorFlow raises for such labels into one sentence.

    Raises:
        ValueError: If the block raises for labels.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        found = _MESSAGE.search(str(error))
        if found is None:
            raise
        raise ValueError(found[1].replace("] [", "").replace("[", "").replace("]", "")) from None
