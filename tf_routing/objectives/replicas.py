"""Statistics of a whole batch where several replicas each see a part of it."""

from typing import Any

import keras
from keras import ops


def mean_over_replicas(value: Any) -> Any:
    """Averages a tensor over the replicas of a `tf.distribute` strategy; alone it is returned as it is.

    A loss that squares a batch mean must be given the mean of the whole batch.
    """
    if keras.backend.backend() != "tensorflow":
        return value
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, value)


def rows_of_all_replicas(rows: Any) -> Any:
    """Returns the rows `(count, ...)` of all replicas of a `tf.distribute` strategy below each other.

    A loss over pairs of samples must be given the samples of the whole batch. Gradients reach each replica's own rows.
    """
    if keras.backend.backend() != "tensorflow":
        return rows
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return rows
    # Everyone's rows in everyone's place, the others zero, summed: a gather whose gradient TensorFlow knows.
    own = tf.one_hot(context.replica_id_in_sync_group, context.num_replicas_in_sync, dtype=rows.dtype)
    placed = tf.tensordot(own, rows, axes=0)
    whole = context.all_reduce(tf.distribute.ReduceOp.SUM, placed)
    return ops.reshape(whole, (-1, *rows.shape[1:]))
