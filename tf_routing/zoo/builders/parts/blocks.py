"""Convolutions and dense layers with the normalisation and activation that follow them, and the stems of ResNets."""

from collections.abc import Callable
from typing import Any

import keras

from tf_routing import layers

MOMENTUM, EPSILON = 0.9, 1e-5
PADDINGS = ("same", "symmetric")
"""How strided convolutions and pools are padded: as Keras and TensorFlow do, or on both sides alike, as PyTorch."""


def scale_width(width: int, multiplier: float, multiple: int = 1) -> int:
    """Returns a width, multiplied and rounded to a multiple, at least one of them."""
    return multiple * max(1, round(width * multiplier / multiple))


def normalize(x: Any, name: str) -> Any:
    """Applies batch normalisation with the zoo's momentum and epsilon."""
    return keras.layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, name=f"{name}_bn")(x)


def convolve(
    x: Any,
    filters: int,
    name: str,
    *,
    kernel: int = 3,
    strides: int = 1,
    groups: int = 1,
    use_bias: bool = True,
    relu: bool = True,
    padding: str = "same",
) -> Any:
    """Adds a convolution, in groups or whole, batch normalisation and, unless `relu` is false, ReLU."""
    convolution = layers.GroupedConv2D if groups > 1 else keras.layers.Conv2D
    arguments = {"groups": groups, "use_bias": use_bias, "kernel_initializer": "he_normal", "name": name}
    x, padding = pad_strided(x, kernel, strides, padding, name)
    x = normalize(convolution(filters, kernel, strides, padding, **arguments)(x), name)
    return keras.layers.ReLU(name=f"{name}_relu")(x) if relu else x


def pad_strided(x: Any, kernel: int, strides: int, padding: str, name: str) -> tuple[Any, str]:
    """Pads the maps before a strided convolution on both sides alike, where that is asked for.

    Args:
        x: Tensor of maps.
        kernel: Integer, the convolution's side, odd.
        strides: Integer, its stride.
        padding: One of `PADDINGS`. Only with a stride they differ, where the side of maps is even.
        name: Name of the convolution.

    Returns:
        The maps, and the `padding` that the convolution itself takes.
    """
    if padding == "same" or strides == 1 or kernel == 1:
        return x, "same"
    return keras.layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x), "valid"


def add_imagenet_stem(x: Any, filters: int, pad_pool: bool = False) -> Any:
    """Adds a 7x7 convolution of stride 2 and 3x3 max-pool of stride 2: a quarter of the input's size."""
    # Explicit padding: 'same' pads an even image on one side only, and trained weights of others expect both.
    x = keras.layers.ZeroPadding2D(3, name="stem_pad")(x)
    x = keras.layers.Conv2D(filters, 7, 2, use_bias=False, kernel_initializer="he_normal", name="stem")(x)
    return _pool_stem(keras.layers.ReLU(name="stem_relu")(normalize(x, "stem")), pad_pool)


def add_cifar_stem(x: Any, filters: int, pad_pool: bool = False) -> Any:
    """Adds a 3x3 convolution of stride 1 and 3x3 max-pool of stride 2: half of the input's size."""
    return _pool_stem(convolve(x, filters, "stem", use_bias=False), pad_pool)


def _pool_stem(x: Any, pad: bool) -> Any:
    if not pad:
        return keras.layers.MaxPooling2D(3, 2, "same", name="stem_pool")(x)
    # Both sides, as trained weights of others expect it. Behind a ReLU zeros are never the greatest.
    x = keras.layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
    return keras.layers.MaxPooling2D(3, 2, name="stem_pool")(x)


def add_dense(x: Any, units: int, name: str) -> Any:
    """Adds a dense layer, batch normalisation and ReLU."""
    x = keras.layers.Dense(units, kernel_initializer="he_normal", name=name)(x)
    return keras.layers.ReLU(name=f"{name}_relu")(normalize(x, name))


def wrap_model(x: Any, function: Callable[[Any], Any], name: str) -> keras.Model:
    """Returns a model that computes `function` for inputs like `x`: a part of a block that runs or is skipped."""
    part_input = keras.Input(x.shape[1:], dtype=x.dtype, name="maps")
    return keras.Model(part_input, function(part_input), name=name)
