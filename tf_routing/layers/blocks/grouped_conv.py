"""Grouped convolution that trains on CPUs too, where TensorFlow has no gradient of it."""

from typing import Any

import keras
from keras import ops

from tf_routing.core.tensors import Tensor
from tf_routing.support.validation import plain


@keras.saving.register_keras_serializable(package="tf_routing")
class GroupedConv2D(keras.layers.Conv2D):
    """Convolves groups of channels separately, as `keras.layers.Conv2D(groups=...)` does, and trains on CPUs too.

    Weights, results and configuration are those of `keras.layers.Conv2D`. It is computed as one convolution per group,
    because TensorFlow has no gradient of a grouped convolution on CPUs.

    Equation:
        Y = [W_1 * X_1, ..., W_G * X_G] + b

        with X = `inputs`, (B, H, W, C), divided along the channels into the G = `groups` parts X_g; W_g a kernel of
        `kernel_size` to `filters` / G channels; and b there with `use_bias`. The brackets concatenate channels.

    Args:
        *args: As for `keras.layers.Conv2D`, that is `filters`, `kernel_size`, `strides`, `padding` and so on.
        **kwargs: As for `keras.layers.Conv2D`, above all `groups`: integer that divides the input's channels and
            `filters`.

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

    Reference:
        Xie et al. (2016), *Aggregated Residual Transformations for Deep Neural Networks*, arXiv:1611.05431, section 3,
        Figure 3c.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Keras keeps arguments that are NumPy integers as they are, and then cannot save them.
        super().__init__(*plain(args), **plain(kwargs))

    def convolution_op(self, inputs: Tensor, kernel: Any) -> Any:
        """Returns the convolution of `inputs` with `kernel` `(height, width, channels // groups, filters)`."""
        channels = -1 if self.data_format == "channels_last" else 1
        groups = ops.split(inputs, self.groups, axis=channels)
        kernels = ops.split(ops.convert_to_tensor(kernel), self.groups, axis=-1)
        convolve = super().convolution_op
        convolved = [convolve(*pair) for pair in zip(groups, kernels, strict=True)]
        return ops.concatenate(convolved, axis=channels)
