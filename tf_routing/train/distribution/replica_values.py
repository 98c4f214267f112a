"""Reads and sets variables whose values differ between replicas: running means, which are summed only when read."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def values_by_replica(variables: Sequence[Any], strategy: Any = None) -> list[np.ndarray]:
    """Returns the values of each replica.

    Args:
        variables: Keras variables.
        strategy: Their `tf.distribute.Strategy`, `None` for one device. On several hosts every one must call this.

    Returns:
        Arrays `(replicas, ...)`.
    """
    if replica_count(strategy) == 1:
        return [np.asarray(variable)[None] for variable in variables]
    import tensorflow as tf

    def _gather() -> list[Any]:
        context = tf.distribute.get_replica_context()
        return [context.all_gather(tf.convert_to_tensor(each.value)[None], axis=0) for each in variables]

    gathered = tf.function(lambda: strategy.run(_gather), autograph=False)()
    return [np.asarray(strategy.experimental_local_results(values)[0]) for values in gathered]


def assign_by_replica(variables: Sequence[Any], values: Sequence[np.ndarray], strategy: Any = None) -> None:
    """Gives each replica its values again.

    Args:
        variables: Keras variables that hold sums.
        values: Arrays `(replicas, ...)`, as `values_by_replica` returns them. Where there are other numbers of replicas
            now, the first takes the sum of all.
        strategy: The `tf.distribute.Strategy` of the variables, `None` for one device.
    """
    count = replica_count(strategy)
    fitting = [each if len(each) == count else _give_to_first(each, count) for each in values]
    if count == 1:
        for variable, value in zip(variables, fitting, strict=True):
            variable.assign(value[0])
        return
    import tensorflow as tf

    def _assign() -> None:
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        for variable, value in zip(variables, fitting, strict=True):
            variable.assign(tf.gather(value, number))

    tf.function(lambda: strategy.run(_assign), autograph=False)()


def _give_to_first(values: np.ndarray, count: int) -> np.ndarray:
    others = np.zeros((count - 1, *values.shape[1:]), values.dtype)
    return np.concatenate([values.sum(axis=0, keepdims=True, dtype=values.dtype), others])


def replica_count(strategy: Any) -> int:
    """Returns the replicas of a strategy, 1 where there is none."""
    return 1 if strategy is None else strategy.num_replicas_in_sync
