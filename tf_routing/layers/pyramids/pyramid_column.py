"""One layer of a network that works at several scales at once."""

from collections.abc import Sequence
from math import prod
from typing import Any

import keras
from keras import ops

from tf_routing.layers.channels_last import check_channels_last
from tf_routing.layers.initializers import distinct_seed
from tf_routing.support.validation import plain, positive_integer, seed_or_none


@keras.saving.register_keras_serializable(package="tf_routing")
class PyramidColumn(keras.layers.Layer):
    """Convolves a pyramid of maps, each scale also reading the next finer one.

    With `x_k` the maps of scale k, finest first: `y_0 = b_0 + H_0 * x_0`, `y_k = b_k + H_k * x_k + V_k * pool(y_k-1)`,
    where `pool` takes the largest of 2x2, and the output is `relu(batch_norm(y_k))`.

    Args:
        filters: List of integers, channels of each scale, finest first.
        outputs: Integer, how many scales to return, the coarsest ones; all where not given. The others are computed,
            for they feed the coarser ones, but not normalised.
        momentum: Float, momentum of the batch normalisations.
        epsilon: Float, added to the variance there.
        seed: Integer, seed of the kernels.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: List of tensors `(batch, height, width, channels)`, one per scale, each half the size of the one
            before.
        training: Boolean.

    Returns:
        List of `outputs` tensors.

    Raises:
        ValueError: If an argument is not possible, or there is not one tensor per scale.

    Example:

    >>> maps = [keras.ops.zeros((1, 8, 8, 3)), keras.ops.zeros((1, 4, 4, 3))]
    >>> [each.shape for each in PyramidColumn([16, 32], outputs=1)(maps)]
    [TensorShape([1, 4, 4, 32])]

    Reference: McGill and Perona, *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*, sections
    3.1 and 4.7, Fig. 3. Its initialisation is called Xavier's; here kernels are drawn with a variance of one over their
    inputs, as in the authors' public code.
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
        # Each input of a unit counts, whatever its sign: one over the root of their number.
        initializer = keras.initializers.VarianceScaling(
            1.0, "fan_in", "untruncated_normal", seed=distinct_seed(self.seed, index)
        )
        own = {"dtype": self.dtype_policy, "name": name}
        return keras.layers.Conv2D(filters, 3, padding="same", kernel_initializer=initializer, **own, **arguments)

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

    def call(self, inputs: Any, training: bool | None = None) -> list[Any]:
        maps = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        linear = [self.across[0](maps[0])]
        for across, down, x in zip(self.across[1:], self.down, maps[1:], strict=True):
            # What is pooled is linear still: normalisation and ReLU come after all scales.
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
    """One shape per tensor, whether one or a list of them was given."""
    return list(shapes) if isinstance(shapes[0], (list, tuple)) else [shapes]
