"""Adaptive cross-connections: parallel tensors mixed by gates that read them."""

from typing import Any

import keras

from tf_routing.core.tensors import Tensor
from tf_routing.layers.paths.mixing import mix
from tf_routing.layers.paths.routing_layer import RoutingLayer


@keras.saving.register_keras_serializable(package="tf_routing")
class CrossConnection(RoutingLayer):
    """Mixes m parallel tensors into n by gates that read them.

    It has no weights but those of its gates and no activation, and adds no depth. With one input it is the one-to-many
    connector that opens a multi-path net.

    Equation:
        g_i = Gate(X_i)                                     (Eq. 1 to 3)
        Y_j = sum_i g_ij X_i        i = 1..m, j = 1..n      (Eq. 5)

        with X_i the m tensors of `inputs`, (B, H, W, C) or (B, C), and Y_j the n = `paths` outputs of the same shape;
        g_i (B, n) is the output of a Gate layer with `hidden` units, one for each input.

    Args:
        paths: Integer n, the number of outputs.
        hidden: Integer, the units in the hidden layer of a gate.
        choice_initializer: Initializer of the last kernel of a gate; `"zeros"` starts with uniform gates.
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

    Reference:
        Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450,
        sections 3 and 4, Eq. 1 to 3 and 5, Algorithm 2.
    """

    def combine(self, inputs: list[Any], gates: Tensor, training: bool | None) -> list[Any]:
        """Returns the weighted sums of the inputs (Eq. 5)."""
        return mix(inputs, gates)
