"""MobileNetV2: depthwise convolutions between a widening and a narrowing one.

The static baseline of Su et al. (2019), *Dynamic Multi-path Neural Network*, arXiv:1902.10949, Table 2, after
Sandler et al. (2018), *MobileNetV2: Inverted Residuals and Linear Bottlenecks*, arXiv:1801.04381, Tables 1 and 2. The
table of blocks and its pieces serve `split_mobilenetv2.py` too.
"""

from typing import Any, NamedTuple

import keras

from tf_routing.models import RoutedModel
from tf_routing.support.validation import one_of, positive_number
from tf_routing.zoo.builders.parts import blocks
from tf_routing.zoo.builders.parts.heads import Head, finish_model
from tf_routing.zoo.builders.parts.images import ImageInput, add_image_input

_STEM, _LAST = 32, 1280
# Expansion, channels, blocks and stride of the first block.
_TABLE = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class InvertedResidual(NamedTuple):
    """A block of the table.

    Args:
        number: Integer, counted from 1.
        expansion: Integer, how many times it widens its input.
        filters: Integer, channels of its output.
        strides: Integer, stride of its depthwise convolution.
    """

    number: int
    expansion: int
    filters: int
    strides: int


def build(
    *,
    head: Head,
    name: str,
    width: float = 1.0,
    padding: str = "same",
    images: ImageInput,
    width_multiplier: float = 1.0,
) -> RoutedModel:
    """Builds a MobileNetV2 of 17 inverted residual blocks, with identity shortcuts only.

    Args:
        head: How the network ends.
        name: Name of the model.
        width: Float, the paper's width multiplier. Below 1 it leaves the last convolution at 1280 channels.
        padding: `"same"`, or `"symmetric"` where strided convolutions are padded on both sides, as weights of PyTorch
            expect it.
        images: What the network reads.
        width_multiplier: Float that scales all convolution widths, the last one too.

    Returns:
        A `RoutedModel`.

    Raises:
        ValueError: If `width` is not a positive number or `padding` is not known.
    """
    one_of("padding", padding, blocks.PADDINGS)
    scale = positive_number("width", width) * width_multiplier
    image, x = add_image_input(images)
    x = add_stem(x, scale, padding)
    for block in list_inverted_residuals(scale):
        x = _add_block(x, block, padding)
    x = add_last(x, width, width_multiplier)
    return finish_model(image, [x], head, name)


def list_inverted_residuals(width: float) -> list[InvertedResidual]:
    """Returns the 17 blocks, their channels scaled by `width` to multiples of 4."""
    repeated = [
        (expansion, channels, strides if first else 1)
        for expansion, channels, count, strides in _TABLE
        for first in (True, *(False,) * (count - 1))
    ]
    return [
        InvertedResidual(number, expansion, _scale_channels(channels, width), strides)
        for number, (expansion, channels, strides) in enumerate(repeated, 1)
    ]


def add_stem(x: Any, width: float, padding: str = "same") -> Any:
    """Adds a 3x3 convolution of stride 2 and 32 channels, scaled by `width`."""
    arguments: dict[str, Any] = {"strides": 2, "use_bias": False, "relu": False, "padding": padding}
    return _relu6(blocks.convolve(x, _scale_channels(_STEM, width), "stem", **arguments), "stem")


def add_last(x: Any, width: float, width_multiplier: float = 1.0) -> Any:
    """Adds a 1x1 convolution of 1280 channels, which `width` scales up only and `width_multiplier` both ways."""
    filters = _scale_channels(_LAST, max(1.0, width) * width_multiplier)
    return _relu6(blocks.convolve(x, filters, "last", kernel=1, use_bias=False, relu=False), "last")


def add_bottleneck(
    x: Any, expanded: int | None, filters: int, strides: int, prefix: str = "", padding: str = "same"
) -> Any:
    """Widens to `expanded` channels (`None` leaves them), convolves them one by one and narrows to `filters`, linearly.

    Args:
        x: Tensor of maps.
        expanded: Integer, channels between the two 1x1 convolutions, or `None` for no first one.
        filters: Integer, channels of the output.
        strides: Integer, stride of the depthwise convolution.
        prefix: What the names `expand`, `depthwise` and `project` begin with.
        padding: How a strided convolution is padded, one of `blocks.PADDINGS`.
    """
    if expanded is not None:
        name = f"{prefix}expand"
        x = _relu6(blocks.convolve(x, expanded, name, kernel=1, use_bias=False, relu=False), name)
    x = _add_depthwise(x, strides, f"{prefix}depthwise", padding)
    return blocks.convolve(x, filters, f"{prefix}project", kernel=1, use_bias=False, relu=False)


def _add_block(x: Any, block: InvertedResidual, padding: str) -> Any:
    prefix, channels = f"block_{block.number}_", x.shape[-1]
    expanded = channels * block.expansion if block.expansion > 1 else None
    residual = add_bottleneck(x, expanded, block.filters, block.strides, prefix, padding)
    if block.strides > 1 or channels != block.filters:
        return residual
    return keras.layers.Add(name=f"{prefix}add")([x, residual])


def _add_depthwise(x: Any, strides: int, name: str, padding: str) -> Any:
    # He et al.'s normal over the nine inputs of an output: "he_normal" would count the other channels' too.
    he_normal = keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal")
    x, padding = blocks.pad_strided(x, 3, strides, padding, name)
    arguments = {"use_bias": False, "depthwise_initializer": he_normal, "name": name}
    x = keras.layers.DepthwiseConv2D(3, strides, padding, **arguments)(x)
    return _relu6(blocks.normalize(x, name), name)


def _relu6(x: Any, name: str) -> Any:
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(x)


def _scale_channels(channels: int, width: float) -> int:
    return blocks.scale_width(channels, width, multiple=4)
