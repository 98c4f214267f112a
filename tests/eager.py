"""Runs without graphs, where the subject is what is around a training of a few steps."""

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf


@contextmanager
def eager() -> Iterator[None]:
    """Runs every function of TensorFlow as it is written, until the end of the block.

    Tracing the steps of a small net takes ten times as long as running them.
    """
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)
