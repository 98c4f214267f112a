"""The value and the gradient of a scalar function, on TensorFlow or JAX."""

from collections.abc import Callable
from typing import Any

import keras


def value_and_gradient(function: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, Any]]:
    """Returns a compiled function that gives a function's value and its gradient by the argument.

    Args:
        function: Takes a float tensor and returns a scalar; weights that it reads stay as they are.

    Returns:
        Function of a tensor that returns a pair: the value, and the gradient, of the tensor's shape.

    Raises:
        RuntimeError: If the backend is neither TensorFlow nor JAX.

    Example:

    >>> value, gradient = value_and_gradient(lambda x: keras.ops.sum(x**2))(keras.ops.ones((2, 3)))
    >>> float(value), float(gradient[0, 0])
    (6.0, 2.0)
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.jit(jax.value_and_grad(function))
    if backend != "tensorflow":
        raise RuntimeError(f"Gradients need Keras on TensorFlow or JAX. Received: backend {backend!r}")
    import tensorflow as tf

    @tf.function
    def run(x: Any) -> tuple[Any, Any]:
        """Both, by one pass back and forth."""
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return value, tape.gradient(value, x)

    return run
