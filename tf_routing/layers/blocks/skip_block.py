"""The block of networks that skip: a residual block that single samples of a batch bypass."""

from collections.abc import Sequence
from typing import Any

import keras

from tf_routing.core.tensors import Tensor
from tf_routing.layers.blocks.switched_block import SwitchedBlock
from tf_routing.support.validation import one_of


@keras.saving.register_keras_serializable(package="tf_routing")
class SkipBlock(SwitchedBlock):
    """A residual block that runs completely, or is bypassed by its shortcut.

    Equation:
        F = act(S(X) + T(X))
        Y = r F + (1 - r) S(X)                  in training (masked)    (Eq. 4)
        Y = F if r >= 0.5 else S(X)             at inference            (Eq. 11)

        with X = `inputs`, (B, H, W, C); r = `switches`, (B, 1), in training a share, at inference 0 or 1; T = `branch`,
        S = `shortcut` and act = `activation`. In training both are computed for every sample; at inference T runs only
        for the samples that are switched on (sparse), where the backend can.

        The paper writes S(X) = X throughout, which does not fit blocks that change the shape: these are bypassed by
        their projection or subsampling, without the activation. Where `adds_shortcut` is false, F = T(X): the branch
        is the block with all that it has, and S a way of its own that bypasses it, such as a learnt one.

    Args:
        branch: Functional model of one input and one output.
        shortcut: `"identity"`, or a functional model of the branch's shapes, for blocks that change them. It always
            runs.
        activation: Activation of the sum; with `adds_shortcut=False` there is none, for the branch has its own.
        adds_shortcut: Boolean, whether the block is the sum of branch and shortcut, or the branch alone.
        **kwargs: `execution` and `method`, see `RoutedModel.set_execution`, and as for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, height, width, channels)`.
        switches: Tensor `(batch, 1)`, in [0, 1] in training, 0 or 1 at inference.
        training: Boolean.
        run: What a model hands to its layers at inference; left out by users.

    Returns:
        Tensor of the branch's output shape.

    Raises:
        ValueError: If the shortcut's shapes are not the branch's, or there is not one switch per sample.

    Example:

    >>> x = keras.Input((8, 8, 4))
    >>> block = SkipBlock(keras.Model(x, keras.layers.Conv2D(4, 3, padding="same", kernel_initializer="zeros")(x)))
    >>> float(block(-keras.ops.ones((1, 8, 8, 4)), keras.ops.array([[0.25]]), training=True)[0, 0, 0, 0])
    -0.75

    Reference:
        Wang et al. (2020), *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*,
        arXiv:2005.14439, sections 3.1 and 3.4, Eq. 4 and 11.
    """

    def __init__(
        self,
        branch: keras.Model,
        shortcut: keras.Model | str = "identity",
        activation: Any = "relu",
        adds_shortcut: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__([branch], shortcut, activation, **kwargs)
        self.adds_shortcut = bool(adds_shortcut)
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
        """Builds the block from a list of one branch, as `SwitchedBlock` keeps its parts."""
        return cls(sub_blocks[0], shortcut, activation, **kwargs)

    @property
    def keeps_what_it_bypasses(self) -> bool:
        """Whether samples that bypass the branch leave unchanged: true of the identity shortcut."""
        return self.shortcut == "identity"

    def finish(self, inputs: Tensor, terms: Sequence[Any]) -> Tensor:
        """Returns the activated sum of shortcut and branch, or the bare shortcut where the branch did not run."""
        if len(terms) == 1:
            return terms[0]
        return self.activation(terms[0] + terms[1]) if self.adds_shortcut else terms[1]

    def weighted(self, inputs: Tensor, terms: Sequence[Any], outputs: Sequence[Any], weights: Sequence[Any]) -> Tensor:
        """Returns the blend of the complete block and its shortcut (Eq. 4)."""
        shortcut, weight = terms[0], weights[0]
        return weight * self.finish(inputs, [shortcut, outputs[0]]) + (1 - weight) * shortcut

    def own_settings(self) -> dict[str, Any]:
        """Returns what a block that is rebuilt of other parts keeps."""
        return {} if self.adds_shortcut else {"adds_shortcut": False}

    def get_config(self) -> dict[str, Any]:
        # Left out by default, as in files of earlier versions.
        return {**super().get_config(), **self.own_settings()}
