"""Base class of cross-connections and cross-predictions: a gate for every input, whose values are the decision."""

from typing import Any

import keras
from keras import ops

from tf_routing.core.tensors import Tensor
from tf_routing.layers.initializers import distinct_copy
from tf_routing.layers.paths.parallel import as_parallel, parallel_shapes
from tf_routing.layers.routers.gate import Gate
from tf_routing.support.validation import positive_integer


class RoutingLayer(keras.layers.Layer):
    """Sends m parallel tensors to n parallel outputs by gates that read the tensors (base class).

    A subclass computes the outputs from inputs and gates (`combine`). The decision is the gate tensor, an ordinary
    output in the functional graph, where `RoutedModel` finds it.

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
    """

    def __init__(self, paths: int, hidden: int = 16, choice_initializer: Any = "glorot_uniform", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.paths = positive_integer("paths", paths)
        self.hidden = positive_integer("hidden", hidden)
        self.choice_initializer = keras.initializers.get(choice_initializer)
        self.gates: list[Gate] = []

    def build(self, input_shape: Any) -> None:
        shapes = parallel_shapes(type(self).__name__, input_shape)
        self.gates = [self._gate(i) for i in range(1, len(shapes) + 1)]
        for gate, shape in zip(self.gates, shapes, strict=True):
            gate.build(shape)
        self.build_outputs(shapes)

    def _gate(self, i: int) -> Gate:
        initializer = distinct_copy(self.choice_initializer, i)
        return Gate(self.paths, self.hidden, choice_initializer=initializer, dtype=self.dtype_policy, name=f"gate_{i}")

    def build_outputs(self, shapes: list[tuple[Any, ...]]) -> None:
        """Creates the weights that the outputs need in addition to the gates; none by default."""

    def combine(self, inputs: list[Any], gates: Tensor, training: bool | None) -> list[Any]:
        """Returns the n outputs for m inputs and gates `(batch, m, n)`."""
        raise NotImplementedError

    def call(self, inputs: Tensor, return_gates: bool = False, training: bool | None = None) -> Tensor:
        tensors = as_parallel(self, inputs, len(self.gates))
        gates = ops.stack([gate(tensor) for gate, tensor in zip(self.gates, tensors, strict=True)], axis=1)
        outputs = self.combine(tensors, gates, training)
        return (outputs, gates) if return_gates else outputs

    def decision(self, outputs: Any) -> Tensor:
        """Returns the gates among this layer's `outputs` (a flat list), or None where it was called without them."""
        return outputs[-1] if len(outputs) == self.paths + 1 else None

    def macs(self, input_shape: Any) -> int:
        """Returns the multiply-accumulates per sample for inputs of these shapes, gates included."""
        shapes = parallel_shapes(type(self).__name__, input_shape)
        return sum(gate.macs(shape) for gate, shape in zip(self.gates, shapes, strict=True))

    def get_config(self) -> dict[str, Any]:
        config = {
            "paths": self.paths,
            "hidden": self.hidden,
            "choice_initializer": keras.initializers.serialize(self.choice_initializer),
        }
        return {**super().get_config(), **config}
