"""Random numbers that do not depend on how many replicas a batch is divided among."""

from typing import Any

import keras

from tf_routing.core.replicas import replica_context


def uniform_rows(shape: Any, minval: float = 0.0, maxval: float = 1.0, seed: Any = None) -> Any:
    """Draws random numbers for the samples of this replica: its rows of one draw for the whole batch.

    Seed generators are in the same state on all replicas of a `tf.distribute` strategy. If a replica drew for its part
    of the batch only, all would get the same numbers, and other numbers than a single device.

    Args:
        shape: Shape `(count, ...)` for the samples of this replica; all replicas must have as many.
        minval: Float, the least number.
        maxval: Float, above all numbers.
        seed: Seed as for `keras.random.uniform`.

    Returns:
        Tensor of that shape, float32.

    Example:

    >>> uniform_rows((2, 3), seed=keras.random.SeedGenerator(1)).shape
    TensorShape([2, 3])
    """
    context, count = replica_context(), shape[0]
    if context is None:
        return keras.random.uniform(shape, minval, maxval, dtype="float32", seed=seed)
    whole_shape = (count * context.num_replicas_in_sync, *shape[1:])
    whole = keras.random.uniform(whole_shape, minval, maxval, dtype="float32", seed=seed)
    first = context.replica_id_in_sync_group * count
    return whole[first : first + count]
