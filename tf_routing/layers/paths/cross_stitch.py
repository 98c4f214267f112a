"""Cross-stitch units: parallel tensors mixed by learned scalars that do not depend on the input."""

from typing import Any

import keras
import numpy as np
from keras import ops

from tf_routing.core.tensors import Tensor
from tf_routing.layers.paths.parallel import as_parallel, parallel_shapes
from tf_routing.support.validation import positive_integer


@keras.saving.register_keras_serializable(package="tf_routing")
class CrossStitch(keras.layers.Layer):
    """Mixes m parallel tensors into n by learned scalars, the same for every image.

    It is the static counterpart that cross-connections are compared with.

    Equation:
        Y_j = sum_i alpha_ij X_i        i = 1..m, j = 1..n      (Eq. 1)

        with X_i the m tensors of `inputs`, (B, H, W, C) or (B, C), and Y_j the n = `paths` outputs of the same shape.
        alpha_ij is a scalar, or with `per_channel` a vector (C,). It starts at 0.9 for i = j, and the
        other inputs of an output share 0.1.

    Args:
        paths: Integer n, the number of outputs.
        per_channel: Boolean, whether scalars differ between channels.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor or list of m tensors of one shape, `(batch, height, width, channels)` or `(batch, channels)`.

    Returns:
        List of n tensors of the inputs' shape.

    Raises:
        ValueError: If `paths` is not a positive integer, or the inputs differ in shape.

    Example:

    >>> left, right = keras.ops.ones((2, 4)), keras.ops.zeros((2, 4))
    >>> [float(output[0, 0]) for output in CrossStitch(paths=2, dtype="float64")([left, right])]
    [0.9, 0.1]

    Reference:
        Misra et al. (2016), *Cross-stitch Networks for Multi-task Learning*, arXiv:1604.03539, section 3, Eq. 1. Row
        Cross-Stitch2 of Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*,
        arXiv:2107.02450, section 6.1, Table 2, which leaves the start open.
    """

    def __init__(self, paths: int, per_channel: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.paths = positive_integer("paths", paths)
        self.per_channel = per_channel

    def build(self, input_shape: Any) -> None:
        shapes = parallel_shapes(type(self).__name__, input_shape)
        # Near the identity, so that paths start nearly separate; exactly there, stitches would not differ from none.
        start = np.full((len(shapes), self.paths), 0.1 / max(len(shapes) - 1, 1))
        np.fill_diagonal(start, 0.9)
        if self.per_channel:
            start = np.repeat(start[:, :, None], shapes[0][-1], axis=2)
        self.alpha = self.add_weight(
            name="alpha", shape=start.shape, initializer=lambda shape, dtype=None: ops.convert_to_tensor(start, dtype)
        )

    def call(self, inputs: Tensor) -> list[Any]:
        tensors = as_parallel(self, inputs, self.alpha.shape[0])
        return [
            sum((self.alpha[i, j] * tensor for i, tensor in enumerate(tensors[1:], 1)), self.alpha[0, j] * tensors[0])
            for j in range(self.paths)
        ]

    def macs(self, input_shape: Any) -> int:
        """Returns 0: a weighted sum counts no multiply-accumulates."""
        return 0

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "paths": self.paths, "per_channel": self.per_channel}
