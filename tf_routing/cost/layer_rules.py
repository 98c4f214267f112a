"""The cost of one layer: rules by the class of the layer, and the `macs` of layers that know theirs."""

from functools import singledispatch
from math import prod
from typing import Any

import keras

from tf_routing.core.kernels import may_be_kernel
from tf_routing.core.protocols import CountsMacs


@singledispatch
def layer_macs(layer: Any, input_shape: Any, output_shape: Any) -> int:
    """Returns the MACs per sample of one layer applied to one input shape (batch included).

    Layers of this library have a method `macs`; layers with no kernel count nothing.

    Args:
        layer: A Keras layer or operation.
        input_shape: Shape of its input, or a list of shapes, batch included.
        output_shape: Shape of its output, batch included.

    Returns:
        Integer, multiply-accumulates per sample.

    Raises:
        ValueError: If the layer has kernels and does not say what they cost: a guess of zero would be a lie.

    Example:

    >>> layer_macs(keras.layers.Dense(4), (None, 8), (None, 4))
    32
    """
    if isinstance(layer, CountsMacs):
        return layer.macs(input_shape)
    if any(may_be_kernel(weight.name) for weight in getattr(layer, "weights", [])):
        raise ValueError(
            f"No cost is known for layer {layer.name!r} of type {type(layer).__name__}: give it a method "
            "`macs(input_shape)` that returns its multiply-accumulates per sample."
        )
    return 0


@layer_macs.register
def _convolution(layer: keras.layers.Conv2D, input_shape: Any, output_shape: Any) -> int:
    positions = prod(output_shape[1:3] if layer.data_format == "channels_last" else output_shape[2:4])
    channels = input_shape[-1 if layer.data_format == "channels_last" else 1]
    return positions * layer.filters * prod(layer.kernel_size) * channels // layer.groups


@layer_macs.register
def _depthwise(layer: keras.layers.DepthwiseConv2D, input_shape: Any, output_shape: Any) -> int:
    return prod(output_shape[1:]) * prod(layer.kernel_size)


@layer_macs.register
def _separable(layer: keras.layers.SeparableConv2D, input_shape: Any, output_shape: Any) -> int:
    positions = prod(output_shape[1:3] if layer.data_format == "channels_last" else output_shape[2:4])
    channels = layer.depth_multiplier * input_shape[-1 if layer.data_format == "channels_last" else 1]
    # Each channel by itself, then all channels position by position.
    return positions * channels * (prod(layer.kernel_size) + layer.filters)


@layer_macs.register
def _dense(layer: keras.layers.Dense, input_shape: Any, output_shape: Any) -> int:
    return prod(output_shape[1:]) * input_shape[-1]
