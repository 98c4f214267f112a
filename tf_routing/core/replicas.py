"""Replicas that share a training step: how many there are, and what statistics of their whole batch are."""

from typing import Any

# Keras is imported in the functions: importing it registers the layers, and these import this module.


def replica_context() -> Any:
    """Returns TensorFlow's context of this replica where several share a step, else `None`.

    It is `None` on backends other than TensorFlow, with a single replica, and outside of `strategy.run`.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return None if context is None or context.num_replicas_in_sync == 1 else context


def replicas_in_sync() -> int:
    """Returns how many replicas share a step: 1 outside of a `tf.distribute` strategy, and on other backends."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def mean_over_replicas(value: Any) -> Any:
    """Averages a tensor over the replicas that share a step; with a single one it is returned unchanged.

    A loss that squares a batch mean must be given the mean of the whole batch.

    Args:
        value: Tensor, a mean over the samples of this replica.
    """
    context = replica_context()
    if context is None:
        return value
    import tensorflow as tf

    return context.all_reduce(tf.distribute.ReduceOp.MEAN, value)


def rows_of_all_replicas(rows: Any) -> Any:
    """Returns the rows of all replicas that share a step below each other, `(replicas * count, ...)`.

    A loss over pairs of samples must be given the samples of the whole batch. Gradients reach the rows of this replica.

    Args:
        rows: Tensor `(count, ...)`, the rows of this replica.
    """
    context = replica_context()
    if context is None:
        return rows
    import keras
    import tensorflow as tf

    # Everyone's rows in everyone's place, the others zero, summed: a gather whose gradient TensorFlow knows.
    place = tf.one_hot(context.replica_id_in_sync_group, context.num_replicas_in_sync, dtype=rows.dtype)
    placed = tf.tensordot(place, rows, axes=0)
    whole = context.all_reduce(tf.distribute.ReduceOp.SUM, placed)
    return keras.ops.reshape(whole, (-1, *rows.shape[1:]))
