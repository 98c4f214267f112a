"""Grouped convolution that trains on every device."""

from typing import Any

import keras
from keras import ops

from tf_routing.support.validation import plain


@keras.saving.register_keras_serializable(package="tf_routing")
class GroupedConv2D(keras.layers.Conv2D):
    """Convolves each group of channels on its own, as `keras.layers.Conv2D(groups=...)` does.

    Weights, results and configuration are those of `keras.layers.Conv2D`. It is computed as one convolution per group,
    because TensorFlow has no gradient of a grouped convolution on a CPU.

    Args:
        *args: As for `keras.layers.Conv2D`, that is `filters`, `kernel_size`, `strides`, `padding` and so on.
        **kwargs: As for `keras.layers.Conv2D`, above all `groups`: integer that divides the input's channels and
            `filters`. Group `g` of the output's channels reads group `g` of the input's channels only.

    Call arguments:
        inputs: Tensor `(batch, height, width, channels)`.

    Returns:
        Tensor `(batch, new_height, new_width, filters)`.

    Raises:
        ValueError: If `groups` is not positive or does not divide the input's channels and `filters`.

    Example:

    >>> layer = GroupedConv2D(8, 3, padding="same", groups=2)
    >>> layer(keras.ops.ones((1, 5, 5, 4))).shape, layer.kernel.shape
    (TensorShape([1, 5, 5, 8]), TensorShape([3, 3, 2, 8]))

    Reference: Xie et al., *Aggregated Residual Transformations for Deep Neural Networks*, Figure 3c.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Keras keeps NumPy's integers, and cannot save them.
        super().__init__(*plain(args), **plain(kwargs))

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Returns the convolution of `inputs` with `kernel` `(height, width, channels // groups, filters)`."""
        channels = -1 if self.data_format == "channels_last" else 1
        groups = ops.split(inputs, self.groups, axis=channels)
        kernels = ops.split(ops.convert_to_tensor(kernel), self.groups, axis=-1)
        convolve = super().convolution_op
        convolved = [convolve(*pair) for pair in zip(groups, kernels, strict=True)]
        return ops.concatenate(convolved, axis=channels)
