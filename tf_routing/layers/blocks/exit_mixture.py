"""Where the exits of a network that leaves early come together."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from tf_routing import execution as executors
from tf_routing import exit_tree
from tf_routing.support.validation import one_of


@keras.saving.register_keras_serializable(package="tf_routing")
class ExitMixture(keras.layers.Layer):
    """Returns the answer of the exit that each sample takes.

    In training, where a sample takes each exit with some probability, that is the mean of their answers. Junctions give
    these at temperature 1, whatever the temperature of the objective, which weighs exits by its own: accuracy that is
    logged in training is of this mean. The paper speaks of no prediction in training.

    Args:
        tree: The network's shape, an `exit_tree.Stage` or what `exit_tree.to_config` makes of it; executors and the
            cost model read it here.
        activation: Activation of the answers; `None` returns logits.
        execution: How the model runs, one of `execution.EXECUTIONS`; a `RoutedModel` sets it.
        method: One of `execution.METHODS`, kept as for blocks: exits have one way.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: List of tensors `(batch, classes)`, the logits of each exit, in the order of `exit_tree.exits`.
        reaches: List of tensors `(batch, 1)`, the probability with which a sample takes each.

    Returns:
        Pair of the answers `(batch, classes)` and all exits' logits `(batch, exits, classes)`.

    Raises:
        ValueError: If there are not as many logits and reaches as exits.

    Example:

    >>> two = {"columns": ["column_1"], "junction": "junction_1", "sinks": [{"exit": "exit_1"}, {"exit": "exit_2"}]}
    >>> logits = [keras.ops.array([[1.0, 2.0]]), keras.ops.array([[3.0, 4.0]])]
    >>> reaches = [keras.ops.array([[0.0]]), keras.ops.array([[1.0]])]
    >>> ExitMixture(two, activation=None)(logits, reaches)[0].numpy().tolist()
    [[3.0, 4.0]]

    Reference: McGill and Perona, *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*, section 3.
    """

    def __init__(
        self,
        tree: exit_tree.Stage | Mapping[str, Any],
        activation: Any = "softmax",
        execution: str = "auto",
        method: str = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.tree: Any = exit_tree.from_config(tree) if isinstance(tree, Mapping) else tree
        self.activation = keras.activations.get(activation)
        self.execution, self.method = executors.possible(execution), one_of("method", method, executors.METHODS)
        self.supports_jit = executors.supports_jit(self.execution)

    def build(self, inputs_shape: Any, reaches_shape: Any) -> None:
        exits = len(exit_tree.exits(self.tree))
        if not len(inputs_shape) == len(reaches_shape) == exits:
            raise ValueError(
                f"ExitMixture of {exits} exits takes as many logits and reaches. "
                f"Received: {len(inputs_shape)} and {len(reaches_shape)}"
            )

    def call(self, inputs: Sequence[Any], reaches: Sequence[Any]) -> tuple[Any, Any]:
        logits = ops.stack(list(inputs), axis=1)
        shares = ops.cast(ops.stack(list(reaches), axis=1), logits.dtype)
        return ops.sum(shares * self.activation(logits), axis=1), logits

    def observed(self, outputs: Any) -> dict[str, Any]:
        """Returns what objectives read, among this layer's `outputs` (a flat list)."""
        return {"exit_logits": outputs[1]}

    def get_config(self) -> dict[str, Any]:
        config = {
            "tree": exit_tree.to_config(self.tree),
            "activation": keras.activations.serialize(self.activation),
            "execution": self.execution,
            "method": self.method,
        }
        return {**super().get_config(), **config}
