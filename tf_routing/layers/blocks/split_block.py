"""The block of dynamic multi-path networks: sub-blocks that run only for the samples that switch them on."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tf_routing.core.tensors import Tensor
from tf_routing.layers.blocks.switched_block import SwitchedBlock
from tf_routing.support.validation import one_of


@keras.saving.register_keras_serializable(package="tf_routing")
class SplitBlock(SwitchedBlock):
    """A block divided into sub-blocks, of which only those that are switched on are added to the shortcut.

    Equation:
        Y = act(S(X) + sum_n s_n F_n(X))        n = 1..N        (Eq. 4)

        with X = `inputs`, (B, H, W, C); s_n (B, 1) the n-th column of `switches`; F_n the N `sub_blocks`; S =
        `shortcut` and act = `activation`. In training every sub-block runs on every sample (masked); at inference F_n
        runs only on the samples with s_n = 1 (sparse), where the backend can. The model's execution setting chooses,
        and the numbers are the same.

        Eq. 4 has S(X) = X and no activation. Blocks that change the shape need a projection for S; act is ReLU in
        ResNets and linear in MobileNetV2, as in the networks that are divided.

    Args:
        sub_blocks: Functional models of one input and one output, all of the same shapes.
        shortcut: A functional model with the sub-blocks' shapes, `"identity"`, or `None` for no shortcut.
        activation: Activation of the sum.
        **kwargs: `execution` and `method`, see `RoutedModel.set_execution`, and as for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, height, width, channels)`.
        switches: Tensor `(batch, sub_blocks)` of 0 and 1.
        training: Boolean.
        run: What a model hands to its layers at inference; left out by users.

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

    Reference:
        Su et al. (2019), *Dynamic Multi-path Neural Network*, arXiv:1902.10949, section 3.2, Eq. 4.
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

    def finish(self, inputs: Tensor, terms: Sequence[Any]) -> Tensor:
        """Returns the activated sum of `terms`, or zeros where there are none, as many rows as `inputs` has."""
        if not terms:
            shape = (ops.shape(inputs)[0], *self.map_shape(inputs))
            return self.activation(ops.zeros(shape, dtype=self.compute_dtype))
        return self.activation(sum(terms[1:], start=terms[0]))

    def weighted(self, inputs: Tensor, terms: Sequence[Any], outputs: Sequence[Any], weights: Sequence[Any]) -> Tensor:
        """Returns the activated sum of the shortcut and of the sub-blocks times their switches (Eq. 4)."""
        masked = [output * weight for output, weight in zip(outputs, weights, strict=True)]
        return self.finish(inputs, [*terms, *masked])
