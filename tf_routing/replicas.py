"""Which part of a step falls to this replica."""

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
