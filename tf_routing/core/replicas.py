"""How many replicas share a step, and which part of it falls to this one."""

from typing import Any


def replica_context() -> Any:
    """Returns TensorFlow's context of this replica where several share a step, else `None`.

    It is `None` on other backends than TensorFlow, alone, and outside of `strategy.run`.
    """
    # Here, not above: who imports this first imports Keras, which registers the layers, which import this.
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
