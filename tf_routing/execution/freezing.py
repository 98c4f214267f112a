"""Writes the weights of a function into it as constants, which makes it faster. TensorFlow only."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def freeze(function: Callable[..., Any], signature: Sequence[tf.TensorSpec]) -> Callable[..., Any]:
    """Returns a function with its Keras weights as they are now written into it.

    Operations that look weights up, and that hand them into conditions, are gone, and what depends on weights alone is
    computed once: oneDNN orders the kernel of a convolution once, not in every call. Small networks that skip gain
    most.

    Args:
        function: Function of tensors that returns a structure of tensors.
        signature: Shapes and types of its arguments.

    Returns:
        A function of the same arguments and results. Later changes of the weights do not reach it.

    Raises:
        ValueError: If the function changes a variable, such as the state of random draws.

    Example:

    >>> from tf_routing.execution.freezing import freeze
    >>> weight = keras.Variable(3.0)
    >>> times = freeze(lambda x: weight * x, [tf.TensorSpec((), "float32")])
    >>> _ = weight.assign(5.0)
    >>> float(weight), float(times(tf.constant(2.0)))
    (5.0, 6.0)
    """

    def with_constants(*arguments: Any) -> Any:
        """Calls the function where variables read as constants."""
        with _Constants():
            return function(*arguments)

    traced = tf.function(with_constants, input_signature=list(signature), autograph=False)
    # Now, not when it is first called: the weights may be others by then.
    return traced.get_concrete_function()


class _Constants(keras.StatelessScope):
    """Reads each variable as a constant of the graph that reads it.

    Freezing a finished graph instead would leave the constants outside of its conditions. What a branch is handed is
    no constant there any more, and oneDNN would order a kernel anew whenever the branch runs.
    """

    def get_current_value(self, variable: keras.Variable) -> Any:
        """Returns the variable's value as a constant."""
        # A scope that knows nothing reads the variable itself.
        with tf.init_scope(), keras.StatelessScope():
            value = np.asarray(variable.value)
        return tf.constant(value)

    def add_update(self, update: tuple[keras.Variable, Any]) -> None:
        """Refuses to change a variable."""
        raise ValueError(
            f"A function whose weights are constants cannot change a variable. Received: one that changes "
            f"{update[0].path!r}. Draws at random change the state of their seed: leave `freeze` out, or build the "
            "network with decisions that are not drawn."
        )
