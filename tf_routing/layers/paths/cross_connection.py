"""Adaptive cross-connections between parallel paths."""

from typing import Any

import keras

from tf_routing.layers.paths.mixing import mix
from tf_routing.layers.paths.routing_layer import RoutingLayer


@keras.saving.register_keras_serializable(package="tf_routing")
class CrossConnection(RoutingLayer):
    """Mixes m parallel tensors into n by gates: `Y_j = sum_i g_ij X_i`.

    It has no weights but its gates and no activation, and adds no depth: outputs have the shape of an input. With one
    input it is the one-to-many connector that opens a multi-path net.

    Args:
        paths: Integer n, the number of outputs.
        hidden: Integer, the units of each gate's hidden layer.
        choice_initializer: Initializer of each gate's last kernel; `"zeros"` starts with uniform gates.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor or list of m tensors of one shape, `(batch, height, width, channels)` or `(batch, channels)`.
        return_gates: Boolean, whether to return the gates too.

    Returns:
        List of n tensors; with `return_gates`, a pair of that list and the gates `(batch, m, n)`.

    Raises:
        ValueError: If `paths` or `hidden` is not a positive integer, or the inputs differ in shape.

    Example:

    >>> left, right = keras.ops.ones((2, 8, 8, 4)), keras.ops.zeros((2, 8, 8, 4))
    >>> outputs, gates = CrossConnection(paths=3)([left, right], return_gates=True)
    >>> len(outputs), gates.shape
    (3, TensorShape([2, 2, 3]))

    Reference: Tissera et al., *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, Eq. 5, Algorithm 2.
    """

    def combine(self, inputs: list[Any], gates: Any, training: bool | None) -> list[Any]:
        """Returns the weighted sums of the inputs (Eq. 5)."""
        return mix(inputs, gates)
