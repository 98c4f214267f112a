"""Statistics of a whole batch where several replicas each see a part of it."""

from typing import Any

import keras


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
