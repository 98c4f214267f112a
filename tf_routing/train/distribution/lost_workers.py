"""Explains the errors that TensorFlow raises when a worker is lost."""

import contextlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tf_routing.train.distribution.strategies import host_count

# The first where the other's silence is noticed, the others where something was under way at that moment.
_SIGNS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
)


@contextlib.contextmanager
def explain_lost_workers(strategy: Any) -> Iterator[None]:
    """Turns what TensorFlow raises when a worker disappears into an error that says so, and how to go on.

    Workers send each other signs of life; within about ten seconds of the last one a step ends with an error, on every
    worker that is left. On one host errors stay as they are.

    Args:
        strategy: The `tf.distribute.Strategy` that the block trains with.

    Raises:
        RuntimeError: If a worker is gone.
    """
    try:
        yield
    except _SIGNS as error:
        workers = host_count(strategy)
        if workers == 1:
            raise
        raise RuntimeError(
            f"A worker is gone, and with it this run of {workers} workers: {_cause(str(error))}. Start all of them "
            "again with the same commands: they continue at the last checkpoint."
        ) from error


def _cause(message: str) -> str:
    """Returns the sentence of a long message that says what happened."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    causes = [line.partition("aborted by:")[2].strip() for line in lines if "aborted by:" in line]
    return (causes or lines or ["no reason given"])[0].rstrip(".: ")
