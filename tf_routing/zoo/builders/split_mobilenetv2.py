"""MobileNetV2 whose inverted residuals are divided into sub-blocks that switch on and off per image.

Su et al., *Dynamic Multi-path Neural Network*, sections 3.1 and 4.2, Table 2.
"""

from typing import Any

from tf_routing.models import RoutedModel
from tf_routing.support.validation import positive_integer, positive_number
from tf_routing.zoo.builders import blocks, mobilenetv2
from tf_routing.zoo.builders.mobilenetv2 import InvertedResidual
from tf_routing.zoo.builders.splitting import Splitter, routing_objective

# The last block of each group, by the size of its maps, and the weight of its controllers' category loss.
_CATEGORY_WEIGHTS = {3: 1e-4, 6: 1e-3, 13: 1e-2, 17: 1e-1}


def build(
    *,
    sub_blocks: int,
    classes: int,
    input_shape: tuple[int, int, int],
    include_top: bool,
    pooling: str | None,
    classifier_activation: str | None,
    name: str,
    width: float = 1.0,
    target_rate: float = 0.7,
    force_one: bool | None = None,
    use_previous: bool = True,
    use_category: bool | None = None,
    categories: Any = None,
    flops_total: str = "subblocks",
    init_open_rate: float | None = None,
    standardize: Any = None,
    width_multiplier: float = 1.0,
    seed: int | None = None,
) -> RoutedModel:
    """Builds a MobileNetV2 of split blocks, each with a controller.

    Args:
        sub_blocks: Integer N, sub-blocks per block; N divides the channels of the stem, and six times those of every
            other block's input.
        classes: Integer, number of classes.
        input_shape: Tuple `(height, width, channels)`.
        include_top: Boolean, whether to add global pooling and the head.
        pooling: With `include_top=False`, `None`, `"avg"` or `"max"`.
        classifier_activation: Activation of the prediction.
        name: Name of the model.
        width: Float, the paper's width multiplier.
        target_rate: Float in (0, 1], the share of sub-blocks that training aims at.
        force_one: Boolean, whether one sub-block of each block always runs; by default of those without a shortcut.
        use_previous: Boolean, whether a controller reads the state of the one before.
        use_category: Boolean, whether training supervises the controllers' states by category; by default where
            categories are known.
        categories: Category of each class: a list of integers, a JSON file of one, or `"cifar100"`.
        flops_total: `"subblocks"` or `"network"`, what the cost that training aims at is a share of.
        init_open_rate: Float in (0, 1), the probability of "on" at the start; 0.5 where `None`.
        standardize: `None`, or means and deviations per channel of images in [0, 1].
        width_multiplier: Float that scales all convolution widths.
        seed: Integer, seed of the controllers' noise in training.

    Returns:
        A `RoutedModel`.

    Raises:
        ValueError: If an argument is not possible.
    """
    scale = positive_number("width", width) * width_multiplier
    image, x = blocks.image_input(input_shape, standardize)
    x = mobilenetv2.stem(x, scale)
    splitter = Splitter(sub_blocks, use_previous, init_open_rate, force_one, seed)
    weights: dict[str, float] = {}
    for block in mobilenetv2.inverted_residuals(scale):
        x = _block(x, splitter, block)
        group = min(end for end in _CATEGORY_WEIGHTS if block.number <= end)
        weights[splitter.controllers[-1]] = _CATEGORY_WEIGHTS[group]
    x = mobilenetv2.last(x, width, width_multiplier)
    model = blocks.finished_model(image, [x], include_top, pooling, classes, classifier_activation, name)
    if not include_top:
        return model
    return routing_objective(model, target_rate, weights, use_category, categories, flops_total)


def _block(x: Any, splitter: Splitter, block: InvertedResidual) -> Any:
    channels, parts = x.shape[-1], positive_integer("sub_blocks", splitter.sub_blocks)
    divided = channels * block.expansion
    if divided % parts:
        raise ValueError(f"`sub_blocks` must divide {divided}, the width of block {block.number}. Received: {parts}")

    def part(y: Any, number: int) -> Any:
        """One sub-block; without an expansion to divide, it reads its share of the input's channels."""
        if block.expansion > 1:
            return mobilenetv2.bottleneck(y, divided // parts, block.filters, block.strides)
        share = channels // parts
        return mobilenetv2.bottleneck(y[..., number * share : (number + 1) * share], None, block.filters, block.strides)

    def projection(y: Any) -> Any:
        """The shortcut where channels change and positions do not."""
        return blocks.conv(y, block.filters, "conv", kernel=1, use_bias=False, relu=False)

    shortcut: Any = "identity" if channels == block.filters else projection
    return splitter.add(x, f"block_{block.number}", part, None if block.strides > 1 else shortcut)
