"""The output of early-exit networks: predictions of all exits, weighted by the probability of taking them."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from tf_routing import execution as executors
from tf_routing import exit_tree
from tf_routing.support.validation import one_of


@keras.saving.register_keras_serializable(package="tf_routing")
class ExitMixture(keras.layers.Layer):
    """Returns the prediction of the exit that a sample takes, or in training the mean over exits.

    Equation:
        Y = sum_l p_l act(z_l)

        with z_l (B, K) the logits of exit l for K classes, from `inputs`; p_l (B, 1) the probability of a sample to
        leave by exit l, from `reaches`, at inference 0 or 1; and act = `activation`.

        The paper defines no prediction in training, where a sample takes every exit with some probability. Here p_l is
        that of junctions at temperature 1, so accuracy logged in training is that of this mean; the objective weighs
        exits at the temperature of its schedule.

    Args:
        tree: The tree of columns and exits, an `exit_tree.Stage` or its `exit_tree.to_config`; executors and the cost
            model read it from this layer.
        activation: Activation of the logits; `None` returns their mean.
        execution: How the model runs, one of `execution.EXECUTIONS`; a `RoutedModel` sets it.
        method: One of `execution.METHODS`, kept as for blocks: exits have one way.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: List of tensors `(batch, classes)`, logits by exit, in the order of `exit_tree.exits`.
        reaches: List of tensors `(batch, 1)`, the probability of a sample to take the exit, in the same order.

    Returns:
        Pair of the predictions `(batch, classes)` and the logits of all exits `(batch, exits, classes)`.

    Raises:
        ValueError: If there are not as many logits and reaches as exits.

    Example:

    >>> two = {"columns": ["column_1"], "junction": "junction_1", "sinks": [{"exit": "exit_1"}, {"exit": "exit_2"}]}
    >>> logits = [keras.ops.array([[1.0, 2.0]]), keras.ops.array([[3.0, 4.0]])]
    >>> reaches = [keras.ops.array([[0.0]]), keras.ops.array([[1.0]])]
    >>> ExitMixture(two, activation=None)(logits, reaches)[0].numpy().tolist()
    [[3.0, 4.0]]

    Reference:
        McGill and Perona (2017), *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*,
        arXiv:1703.06217, section 3.
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
        self.tree: Any = exit_tree.from_config(tree)
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
        """Returns the logits of all exits among this layer's `outputs` (a flat list), which objectives read."""
        return {"exit_logits": outputs[1]}

    def get_config(self) -> dict[str, Any]:
        config = {
            "tree": exit_tree.to_config(self.tree),
            "activation": keras.activations.serialize(self.activation),
            "execution": self.execution,
            "method": self.method,
        }
        return {**super().get_config(), **config}
