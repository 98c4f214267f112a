"""Statistics of a whole batch where several replicas each see a part of it."""

from typing import Any

from keras import ops

from tf_routing.core.replicas import replica_context


def mean_over_replicas(value: Any) -> Any:
    """Averages a tensor over the replicas of a `tf.distribute` strategy; alone it is returned as it is.

    A loss that squares a batch mean must be given the mean of the whole batch.
    """
    context = replica_context()
    if context is None:
        return value
    import tensorflow as tf

    return context.all_reduce(tf.distribute.ReduceOp.MEAN, value)


def rows_of_all_replicas(rows: Any) -> Any:
    """Returns the rows `(count, ...)` of all replicas of a `tf.distribute` strategy below each other.

    A loss over pairs of samples must be given the samples of the whole batch. Gradients reach each replica's own rows.
    """
    context = replica_context()
    if context is None:
        return rows
    import tensorflow as tf

    # Everyone's rows in everyone's place, the others zero, summed: a gather whose gradient TensorFlow knows.
    own = tf.one_hot(context.replica_id_in_sync_group, context.num_replicas_in_sync, dtype=rows.dtype)
    placed = tf.tensordot(own, rows, axes=0)
    whole = context.all_reduce(tf.distribute.ReduceOp.SUM, placed)
    return ops.reshape(whole, (-1, *rows.shape[1:]))
