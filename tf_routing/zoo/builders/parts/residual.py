"""The residual blocks of static and multi-path nets: two 3x3 convolutions, or a bottleneck of three.

He et al. (2015), *Deep Residual Learning for Image Recognition*, arXiv:1512.03385, section 4.1, Figure 5.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import keras

from tf_routing import layers
from tf_routing.zoo.builders.parts import blocks


def list_blocks(stage_blocks: Sequence[int], widths: Sequence[int]) -> Iterator[tuple[str, int, int]]:
    """Yields the name, the width and the strides of each block: the first of every stage but the first halves maps."""
    for stage, (count, width) in enumerate(zip(stage_blocks, widths, strict=True), 1):
        for block in range(1, count + 1):
            yield f"stage_{stage}_block_{block}", width, 2 if stage > 1 and block == 1 else 1


def add_basic_block(
    x: Any,
    inner: int,
    outer: int,
    strides: int,
    name: str,
    *,
    shortcut: str = "projection",
    use_bias: bool = False,
    padding: str = "same",
) -> Any:
    """Adds two 3x3 convolutions to the input; the first has the stride.

    Args:
        x: The block's input.
        inner: Channels of the first convolution.
        outer: Channels of the second and of the sum.
        strides: Stride of the block.
        name: Name of the block, with which the names of its layers begin.
        shortcut: Where the shape changes, `"A"` subsamples and pads with zeros, `"pool"` averages and pads, and
            `"projection"` convolves.
        use_bias: Boolean, whether convolutions have biases.
        padding: How a strided convolution is padded, one of `blocks.PADDINGS`.
    """
    residual = blocks.convolve(x, inner, f"{name}_conv_1", strides=strides, use_bias=use_bias, padding=padding)
    residual = blocks.convolve(residual, outer, f"{name}_conv_2", use_bias=use_bias, relu=False)
    return _add_shortcut(x, residual, strides, name, shortcut, use_bias)


def add_bottleneck(
    x: Any,
    inner: int,
    outer: int,
    strides: int,
    name: str,
    *,
    groups: int = 1,
    strides_first: bool = False,
    padding: str = "same",
) -> Any:
    """Adds a 1x1, a 3x3 and a 1x1 convolution to the input; the 3x3 one has the groups and, by default, the stride.

    Args:
        x: The block's input.
        inner: Channels of the first two convolutions.
        outer: Channels of the last and of the sum.
        strides: Stride of the block.
        name: Name of the block, with which the names of its layers begin.
        groups: Groups of channels that the 3x3 convolution keeps apart.
        strides_first: Boolean, whether the first convolution has the stride.
        padding: How a strided convolution is padded, one of `blocks.PADDINGS`.
    """
    first, second = (strides, 1) if strides_first else (1, strides)
    residual = blocks.convolve(x, inner, f"{name}_conv_1", kernel=1, strides=first, use_bias=False)
    arguments: dict[str, Any] = {"strides": second, "groups": groups, "padding": padding}
    residual = blocks.convolve(residual, inner, f"{name}_conv_2", use_bias=False, **arguments)
    residual = blocks.convolve(residual, outer, f"{name}_conv_3", kernel=1, use_bias=False, relu=False)
    return _add_shortcut(x, residual, strides, name, "projection", use_bias=False)


def _add_shortcut(x: Any, residual: Any, strides: int, name: str, shortcut: str, use_bias: bool) -> Any:
    outer = residual.shape[-1]
    if strides > 1 or x.shape[-1] != outer:
        if shortcut == "A":
            x = layers.IdentityShortcut(outer, strides, name=f"{name}_shortcut")(x)
        elif shortcut == "pool":
            x = pool_shortcut(outer, strides, x, f"{name}_shortcut")
        else:
            x = blocks.convolve(x, outer, f"{name}_shortcut", kernel=1, strides=strides, use_bias=use_bias, relu=False)
    return keras.layers.ReLU(name=f"{name}_relu")(keras.layers.Add(name=f"{name}_add")([x, residual]))


def pool_shortcut(width: int, strides: int, x: Any, name: str = "shortcut") -> Any:
    """Averages maps by a stride and pads their channels with zeros: a shortcut without parameters.

    Args:
        width: Channels of the output.
        strides: Stride of the block.
        x: The block's input.
        name: Name of the layers.
    """
    # Sides that the stride does not divide round up, as those of the strided convolution beside it.
    x = keras.layers.AveragePooling2D(strides, padding="same", name=f"{name}_pool")(x)
    return layers.IdentityShortcut(width, 1, name=name)(x)
