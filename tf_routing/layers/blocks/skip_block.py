"""A residual block that a sample can bypass."""

from collections.abc import Sequence
from typing import Any

import keras

from tf_routing.layers.blocks.switched_block import SwitchedBlock
from tf_routing.support.validation import one_of


@keras.saving.register_keras_serializable(package="tf_routing")
class SkipBlock(SwitchedBlock):
    """A complete residual block, or its shortcut alone.

    With `F = activation(shortcut(inputs) + branch(inputs))` and `S = shortcut(inputs)`: in training
    `r F + (1 - r) S`, a blend of both on every sample (masked); at inference `F` for the samples whose switch is on,
    for which alone the branch runs (sparse, where the backend can), and `S` for the others.

    Args:
        branch: Functional model of one input and one output.
        shortcut: `"identity"`, or a functional model of the branch's shapes for blocks that change them. It always
            runs.
        activation: Activation of the sum.
        **kwargs: `execution` and `method`, see `RoutedModel.set_execution`, and as for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, height, width, channels)`.
        switches: Tensor `(batch, 1)`, in [0, 1] in training, 0 or 1 at inference.
        training: Boolean.

    Returns:
        Tensor of the branch's output shape.

    Raises:
        ValueError: If the shortcut's shapes are not the branch's, or there is not one switch per sample.

    Example:

    >>> x = keras.Input((8, 8, 4))
    >>> block = SkipBlock(keras.Model(x, keras.layers.Conv2D(4, 3, padding="same", kernel_initializer="zeros")(x)))
    >>> float(block(-keras.ops.ones((1, 8, 8, 4)), keras.ops.array([[0.25]]), training=True)[0, 0, 0, 0])
    -0.75

    Reference: Wang et al., *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*, Eq. 4
    and 11.
    """

    def __init__(
        self, branch: keras.Model, shortcut: keras.Model | str = "identity", activation: Any = "relu", **kwargs: Any
    ) -> None:
        super().__init__([branch], shortcut, activation, **kwargs)
        if isinstance(shortcut, keras.Model):
            own = shortcut.input_shape, shortcut.output_shape
        else:
            one_of("shortcut", shortcut, ("identity",))
            own = branch.input_shape, branch.input_shape
        if own != (branch.input_shape, branch.output_shape):
            raise ValueError(
                f"`shortcut` must go from {branch.input_shape} to {branch.output_shape}, as `branch` does. "
                f"Received: from {own[0]} to {own[1]}"
            )

    @classmethod
    def of_parts(cls, sub_blocks: Sequence[keras.Model], shortcut: Any, activation: Any, **kwargs: Any) -> "SkipBlock":
        """Builds the block from lists of parts, as `SwitchedBlock` keeps them."""
        return cls(sub_blocks[0], shortcut, activation, **kwargs)

    @property
    def keeps_what_it_bypasses(self) -> bool:
        """Whether samples that chose no branch leave exactly as they came: where the shortcut changes nothing."""
        return self.shortcut == "identity"

    def finish(self, inputs: Any, terms: Sequence[Any]) -> Any:
        """Returns the activated sum of shortcut and branch, or the shortcut's output where it is alone."""
        return terms[0] if len(terms) == 1 else self.activation(terms[0] + terms[1])

    def weighted(self, inputs: Any, terms: Sequence[Any], outputs: Sequence[Any], weights: Sequence[Any]) -> Any:
        """Returns the blend of the complete block and its shortcut (Eq. 4)."""
        shortcut, weight = terms[0], weights[0]
        return weight * self.finish(inputs, [shortcut, outputs[0]]) + (1 - weight) * shortcut
