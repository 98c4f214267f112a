"""Residual units that normalise and activate before they convolve, whose sum has no activation.

He et al. (2016), *Identity Mappings in Deep Residual Networks*, arXiv:1603.05027, section 3.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras

from tf_routing.zoo.builders.parts import blocks
from tf_routing.zoo.builders.parts.branches import EXPANSION
from tf_routing.zoo.builders.parts.residual import pool_shortcut


@dataclass(frozen=True)
class Units:
    """The residual units of a network.

    Args:
        bottleneck: Boolean: bottlenecks with projections where the shape changes, or two 3x3 convolutions with averages
            and zeros there.
        slope: Float, the slope of activations below zero.
    """

    bottleneck: bool
    slope: float = 0.0

    def outer(self, width: int) -> int:
        """Returns the channels of what a unit of this width makes."""
        return EXPANSION * width if self.bottleneck else width

    def activate(self, x: Any, name: str) -> Any:
        """Normalises and activates maps."""
        x = blocks.normalize(x, name)
        if self.slope:
            return keras.layers.LeakyReLU(negative_slope=self.slope, name=f"{name}_relu")(x)
        return keras.layers.ReLU(name=f"{name}_relu")(x)

    def branch(self, width: int) -> Callable[[Any], Any]:
        """Returns a function of maps, of the shape that the unit keeps, that adds what the unit adds to them."""
        return lambda y: self._convolve(self.activate(y, "pre"), width, 1, "")

    def add_first(self, x: Any, width: int, strides: int, name: str, is_first: bool = False) -> Any:
        """Adds the first unit of a stage, which may change the shape of maps.

        Args:
            x: The maps.
            width: Integer, the unit's width.
            strides: Integer, its stride.
            name: Its name.
            is_first: Boolean, whether it is the first of the network, whose shortcut begins behind the activation.
        """
        outer = self.outer(width)
        active = self.activate(x, f"{name}_pre")
        residual = self._convolve(active, width, strides, f"{name}_")
        shortcut = active if is_first else x
        if strides > 1 or x.shape[-1] != outer:
            if self.bottleneck:
                shortcut = _add_convolution(active, outer, f"{name}_shortcut", kernel=1, strides=strides)
            else:
                shortcut = pool_shortcut(outer, strides, shortcut, f"{name}_shortcut")
        return keras.layers.Add(name=f"{name}_add")([shortcut, residual])

    def _convolve(self, x: Any, width: int, strides: int, prefix: str) -> Any:
        """Adds the convolutions of a unit; the last has a bias and nothing behind it."""
        convolve = partial(_add_convolution, use_bias=False)
        if not self.bottleneck:
            x = self.activate(convolve(x, width, f"{prefix}conv_1", strides=strides), f"{prefix}conv_1")
            return _add_convolution(x, width, f"{prefix}conv_2")
        x = self.activate(convolve(x, width, f"{prefix}conv_1", kernel=1), f"{prefix}conv_1")
        x, padding = blocks.pad_strided(x, 3, strides, "symmetric", f"{prefix}conv_2")
        x = self.activate(convolve(x, width, f"{prefix}conv_2", strides=strides, padding=padding), f"{prefix}conv_2")
        return _add_convolution(x, self.outer(width), f"{prefix}conv_3", kernel=1)


def _add_convolution(
    x: Any, filters: int, name: str, *, kernel: int = 3, strides: int = 1, use_bias: bool = True, padding: str = "same"
) -> Any:
    arguments = {"use_bias": use_bias, "kernel_initializer": "he_normal", "name": name}
    return keras.layers.Conv2D(filters, kernel, strides, padding, **arguments)(x)
