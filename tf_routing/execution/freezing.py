"""Functions whose weights are constants: faster, and done with learning. TensorFlow only."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2


def frozen(function: Callable[..., Any], signature: Sequence[tf.TensorSpec]) -> Callable[..., Any]:
    """Returns a function with its weights as they are now written into it.

    Operations that look weights up, and that hand them into conditions, are gone; what depends on weights alone is
    computed once. Small networks that skip gain most.

    Args:
        function: Function of tensors that returns a structure of tensors.
        signature: Shapes and types of its arguments.

    Returns:
        A function of the same arguments and results. Later changes of the weights do not reach it.

    Example:

    >>> from tf_routing.execution.freezing import frozen
    >>> weight = tf.Variable(3.0)
    >>> times = frozen(lambda x: weight * x, [tf.TensorSpec((), "float32")])
    >>> weight.assign(5.0).numpy(), times(tf.constant(2.0)).numpy()
    (5.0, 6.0)
    """
    traced = tf.function(function, input_signature=list(signature), autograph=False).get_concrete_function()
    # Lowered conditions run as well, but nobody can see in them any more what may be left out.
    constant = convert_variables_to_constants_v2(traced, lower_control_flow=False)
    structure = traced.structured_outputs

    def run(*arguments: Any) -> Any:
        """Runs the function."""
        results = constant(*(tf.convert_to_tensor(each) for each in arguments))
        return tf.nest.pack_sequence_as(structure, tf.nest.flatten(results))

    return run
