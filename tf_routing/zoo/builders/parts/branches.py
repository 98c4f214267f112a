"""What is inside a residual block that runs or is skipped: the convolutions of its branch, and its projection.

He et al. (2015), *Deep Residual Learning for Image Recognition*, arXiv:1512.03385, section 4.1, Figure 5.
"""

from collections.abc import Callable
from typing import Any

from tf_routing.zoo.builders.parts import blocks

EXPANSION = 4
"""How many times as wide as its 3x3 convolution the output of a bottleneck is."""


def basic_branch(width: int, strides: int) -> Callable[[Any], Any]:
    """Returns a function that adds two 3x3 convolutions, of which the first has the stride, and no activation last."""

    def branch(y: Any) -> Any:
        """Convolves twice."""
        y = blocks.convolve(y, width, "conv_1", strides=strides, use_bias=False)
        return blocks.convolve(y, width, "conv_2", use_bias=False, relu=False)

    return branch


def bottleneck_branch(width: int, outer: int, strides: int) -> Callable[[Any], Any]:
    """Returns a function that adds 1x1, 3x3 and 1x1 convolutions, the 3x3 one strided, and no activation last."""

    def branch(y: Any) -> Any:
        """Convolves three times, the first and the last time position by position."""
        y = blocks.convolve(y, width, "conv_1", kernel=1, use_bias=False)
        y = blocks.convolve(y, width, "conv_2", strides=strides, use_bias=False)
        return blocks.convolve(y, outer, "conv_3", kernel=1, use_bias=False, relu=False)

    return branch


def projection(width: int, strides: int) -> Callable[[Any], Any]:
    """Returns a function that adds a 1x1 convolution to the shape of a block's output."""

    def project(y: Any) -> Any:
        """Convolves the input to the shape of the block's output."""
        return blocks.convolve(y, width, "conv", kernel=1, strides=strides, use_bias=False, relu=False)

    return project
