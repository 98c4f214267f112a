"""The column of early-exit networks: convolutions at several scales, where a scale also reads the next finer one."""

from collections.abc import Sequence
from math import prod
from typing import Any

import keras
from keras import ops

from tf_routing.core.tensors import Tensor
from tf_routing.layers.channels_last import check_channels_last
from tf_routing.layers.initializers import distinct_seed
from tf_routing.support.validation import plain, positive_integer, seed_or_none


@keras.saving.register_keras_serializable(package="tf_routing")
class PyramidColumn(keras.layers.Layer):
    """Convolves maps at several scales, where every scale also reads the next finer one.

    Equation:
        y_0 = H_0 * x_0 + b_0
        y_k = H_k * x_k + b_k + V_k * maxpool(y_k-1)        k = 1..K-1
        out_k = ReLU(BN(y_k))

        with x_k, (B, H / 2^k, W / 2^k, C), the K tensors of `inputs`, finest first; H_k and V_k convolutions of 3x3 to
        `filters`[k] channels; maxpool over 2x2; and BN with `momentum` and `epsilon`. The coarsest `outputs` of the
        out_k are returned; finer y_k are computed for the coarser ones only.

        Fig. 3 does not show what the vertical connections read: it is the sum before BN and ReLU, as in the authors'
        public code. Kernels start with a variance of one over their inputs, as there; the paper calls this the
        initialisation of Xavier.

    Args:
        filters: List of integers, channels by scale, finest first.
        outputs: Integer, the number of scales to return, the coarsest ones; `None` for all.
        momentum: Float, momentum of the batch normalisations.
        epsilon: Float, added to the variance in them.
        seed: Integer, seed of the kernels.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: List of tensors `(batch, height, width, channels)`, one per scale, halved in size from one to the next.
        training: Boolean.

    Returns:
        List of `outputs` tensors.

    Raises:
        ValueError: If an argument is out of range, or there is not one tensor per scale.

    Example:

    >>> maps = [keras.ops.zeros((1, 8, 8, 3)), keras.ops.zeros((1, 4, 4, 3))]
    >>> [each.shape for each in PyramidColumn([16, 32], outputs=1)(maps)]
    [TensorShape([1, 4, 4, 32])]

    Reference:
        McGill and Perona (2017), *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*,
        arXiv:1703.06217, sections 3.1 and 4.7, Fig. 3.
    """

    def __init__(
        self,
        filters: Sequence[int],
        outputs: int | None = None,
        momentum: float = 0.9,
        epsilon: float = 1e-6,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = [positive_integer("filters", each) for each in filters]
        scales = len(self.filters)
        self.outputs = positive_integer("outputs", scales if outputs is None else outputs)
        if self.outputs > scales:
            raise ValueError(f"`outputs` must be at most {scales}, the scales there are. Received: outputs={outputs!r}")
        self.momentum, self.epsilon, self.seed = plain(momentum), plain(epsilon), seed_or_none(seed)
        self.across = [self._conv(each, f"across_{k}", k) for k, each in enumerate(self.filters, 1)]
        self.down = [
            self._conv(each, f"down_{k}", scales + k, use_bias=False) for k, each in enumerate(self.filters[1:], 2)
        ]
        self.normalizations = [
            keras.layers.BatchNormalization(
                momentum=self.momentum, epsilon=self.epsilon, dtype=self.dtype_policy, name=f"normalization_{k}"
            )
            for k in range(scales - self.outputs + 1, scales + 1)
        ]

    def _conv(self, filters: int, name: str, index: int, **arguments: Any) -> keras.layers.Conv2D:
        # Not He's initialisation, which would double the variance: that of the authors' public code.
        initializer = keras.initializers.VarianceScaling(
            1.0, "fan_in", "untruncated_normal", seed=distinct_seed(self.seed, index)
        )
        options = {"dtype": self.dtype_policy, "name": name}
        return keras.layers.Conv2D(filters, 3, padding="same", kernel_initializer=initializer, **options, **arguments)

    def build(self, inputs_shape: Any) -> None:
        check_channels_last("PyramidColumn")
        shapes = _shapes(inputs_shape)
        if len(shapes) != len(self.filters):
            raise ValueError(
                f"PyramidColumn of {len(self.filters)} scales takes as many tensors. Received: {len(shapes)}"
            )
        for conv, shape in zip(self.across, shapes, strict=True):
            conv.build(shape)
        for conv, finer in zip(self.down, self.filters, strict=False):
            conv.build((None, None, None, finer))
        for normalization, filters in zip(self.normalizations, self.filters[-self.outputs :], strict=True):
            normalization.build((None, None, None, filters))

    def call(self, inputs: Tensor, training: bool | None = None) -> list[Any]:
        maps = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        linear = [self.across[0](maps[0])]
        for across, down, x in zip(self.across[1:], self.down, maps[1:], strict=True):
            # The map before normalisation and ReLU is pooled, as in the authors' public code.
            linear.append(across(x) + down(ops.max_pool(linear[-1], 2, strides=2)))
        read = zip(self.normalizations, linear[-self.outputs :], strict=True)
        return [ops.relu(normalization(y, training=training)) for normalization, y in read]

    def macs(self, input_shape: Any) -> int:
        """Returns the multiply-accumulates per sample for inputs of these shapes, batch included."""
        shapes = _shapes(input_shape)
        finer = [0, *self.filters]
        return sum(
            prod(shape[1:3]) * 9 * filters * (shape[-1] + below)
            for shape, filters, below in zip(shapes, self.filters, finer, strict=False)
        )

    def get_config(self) -> dict[str, Any]:
        config = {
            "filters": self.filters,
            "outputs": self.outputs,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "seed": self.seed,
        }
        return {**super().get_config(), **config}


def _shapes(shapes: Any) -> list[Any]:
    return list(shapes) if isinstance(shapes[0], (list, tuple)) else [shapes]
