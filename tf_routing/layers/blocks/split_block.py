"""A block divided into sub-blocks, each of which runs only for the samples that chose it."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tf_routing.layers.blocks.switched_block import SwitchedBlock
from tf_routing.support.validation import one_of


@keras.saving.register_keras_serializable(package="tf_routing")
class SplitBlock(SwitchedBlock):
    """Adds the outputs of the sub-blocks that are switched on to a shortcut.

    `activation(shortcut(inputs) + sum_n switches[:, n] * sub_blocks[n](inputs))`. In training every sub-block runs on
    every sample (masked). At inference a sub-block runs only on the samples whose switch is on (sparse), where the
    backend can; `execution` chooses, and the numbers are the same.

    Args:
        sub_blocks: Functional models of one input and one output, all of the same shapes.
        shortcut: A functional model with the sub-blocks' shapes, `"identity"`, or `None` for no shortcut.
        activation: Activation of the sum.
        **kwargs: `execution` and `method`, see `RoutedModel.set_execution`, and as for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, height, width, channels)`.
        switches: Tensor `(batch, sub_blocks)` of 0 and 1.
        training: Boolean.

    Returns:
        Tensor of the sub-blocks' output shape.

    Raises:
        ValueError: If there is no sub-block, or two differ in shapes.

    Example:

    >>> x = keras.Input((8, 8, 4))
    >>> sub_blocks = [keras.Model(x, keras.layers.Conv2D(4, 3, padding="same")(x)) for _ in range(2)]
    >>> block = SplitBlock(sub_blocks, shortcut="identity", activation="relu")
    >>> float(keras.ops.max(block(keras.ops.ones((1, 8, 8, 4)), keras.ops.zeros((1, 2)))))
    1.0

    Reference: Su et al., *Dynamic Multi-path Neural Network*, Eq. 4.
    """

    def __init__(
        self,
        sub_blocks: Sequence[keras.Model],
        shortcut: keras.Model | str | None = "identity",
        activation: Any = None,
        **kwargs: Any,
    ) -> None:
        one_of("shortcut", shortcut if not isinstance(shortcut, keras.Model) else None, ("identity", None))
        super().__init__(sub_blocks, shortcut, activation, **kwargs)

    def finish(self, inputs: Any, terms: Sequence[Any]) -> Any:
        """Returns the activated sum of `terms`, zeros where there are none; `inputs` tells how many samples."""
        if not terms:
            shape = (ops.shape(inputs)[0], *self.output_map)
            return self.activation(ops.zeros(shape, dtype=self.compute_dtype))
        return self.activation(sum(terms[1:], start=terms[0]))

    def weighted(self, inputs: Any, terms: Sequence[Any], outputs: Sequence[Any], weights: Sequence[Any]) -> Any:
        """Returns the activated sum of the shortcut's output and the weighted ones of the sub-blocks."""
        masked = [output * weight for output, weight in zip(outputs, weights, strict=True)]
        return self.finish(inputs, [*terms, *masked])
