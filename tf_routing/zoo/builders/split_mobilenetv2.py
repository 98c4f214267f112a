"""MobileNetV2 whose inverted residuals are divided into sub-blocks that switch on and off per image.

Su et al. (2019), *Dynamic Multi-path Neural Network*, arXiv:1902.10949, section 3.1, Eq. 4, and section 4.2, Table 2.
"""

from typing import Any

from tf_routing.models import RoutedModel
from tf_routing.support.validation import positive_integer, positive_number
from tf_routing.zoo.builders import mobilenetv2
from tf_routing.zoo.builders.mobilenetv2 import InvertedResidual
from tf_routing.zoo.builders.parts import blocks
from tf_routing.zoo.builders.parts.heads import Head, finish_model
from tf_routing.zoo.builders.parts.images import ImageInput, add_image_input
from tf_routing.zoo.builders.parts.splitting import ControllerOptions, RateObjective, Splitter

# The last block of each group, by the size of its maps, and the weight of its controllers' category loss.
_CATEGORY_WEIGHTS = {3: 1e-4, 6: 1e-3, 13: 1e-2, 17: 1e-1}


def build(
    *,
    sub_blocks: int,
    head: Head,
    name: str,
    width: float = 1.0,
    objective: RateObjective,
    controllers: ControllerOptions,
    images: ImageInput,
    width_multiplier: float = 1.0,
) -> RoutedModel:
    """Builds a MobileNetV2 of split blocks, each with a controller.

    Args:
        sub_blocks: Integer N, sub-blocks per block; N divides the channels of the stem, and six times those of every
            other block's input.
        head: How the network ends.
        name: Name of the model.
        width: Float, the paper's width multiplier.
        objective: What training aims at.
        controllers: How controllers decide.
        images: What the network reads.
        width_multiplier: Float that scales all convolution widths.

    Returns:
        A `RoutedModel`.

    Raises:
        ValueError: If an argument is not possible.
    """
    scale = positive_number("width", width) * width_multiplier
    image, x = add_image_input(images)
    x = mobilenetv2.add_stem(x, scale)
    splitter = Splitter(sub_blocks, controllers)
    weights: dict[str, float] = {}
    for block in mobilenetv2.list_inverted_residuals(scale):
        x = _add_block(x, splitter, block)
        group = min(end for end in _CATEGORY_WEIGHTS if block.number <= end)
        weights[splitter.controllers[-1]] = _CATEGORY_WEIGHTS[group]
    x = mobilenetv2.add_last(x, width, width_multiplier)
    model = finish_model(image, [x], head, name)
    return objective.set_default(model, weights) if head.include_top else model


def _add_block(x: Any, splitter: Splitter, block: InvertedResidual) -> Any:
    channels, parts = x.shape[-1], positive_integer("sub_blocks", splitter.sub_blocks)
    divided = channels * block.expansion
    if divided % parts:
        raise ValueError(f"`sub_blocks` must divide {divided}, the width of block {block.number}. Received: {parts}")

    def part(y: Any, number: int) -> Any:
        """Adds an inverted residual block, narrower than a whole one."""
        if block.expansion > 1:
            return mobilenetv2.add_bottleneck(y, divided // parts, block.filters, block.strides)
        # Without an expansion to divide, a sub-block reads its share of the input's channels.
        share = channels // parts
        return mobilenetv2.add_bottleneck(
            y[..., number * share : (number + 1) * share], None, block.filters, block.strides
        )

    def projection(y: Any) -> Any:
        """Convolves the input to the shape of the block's output."""
        return blocks.convolve(y, block.filters, "conv", kernel=1, use_bias=False, relu=False)

    shortcut: Any = "identity" if channels == block.filters else projection
    return splitter.add(x, f"block_{block.number}", part, None if block.strides > 1 else shortcut)
