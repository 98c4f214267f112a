"""Residual nets whose bottlenecks are divided into sub-blocks that switch on and off per image.

Su et al., *Dynamic Multi-path Neural Network*, sections 3 and 4, Tables 1 and 3.
"""

import math
from collections.abc import Sequence
from typing import Any

from tf_routing.models import RoutedModel
from tf_routing.support.validation import one_of, positive_integer
from tf_routing.zoo.builders import blocks
from tf_routing.zoo.builders.splitting import Splitter, routing_objective

_WIDTHS = (64, 128, 256, 512)
_EXPANSION = 4
# The share of a block's inner width that each sub-block gets; the paper gives none, these meet its parameter counts.
_RATIOS = {1: 1.0, 2: 0.6, 3: 0.465, 4: 0.375}
_CATEGORY_WEIGHTS = (1e-4, 1e-3, 1e-2, 1e-1)


def build(
    *,
    stage_blocks: Sequence[int],
    sub_blocks: int,
    classes: int,
    input_shape: tuple[int, int, int],
    include_top: bool,
    pooling: str | None,
    classifier_activation: str | None,
    name: str,
    stem: str = "imagenet",
    target_rate: float = 0.7,
    widths: Sequence[int] | None = None,
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
    """Builds a residual net of split bottleneck blocks, each with a controller.

    Args:
        stage_blocks: Blocks of each of the four stages.
        sub_blocks: Integer N, sub-blocks per block.
        classes: Integer, number of classes.
        input_shape: Tuple `(height, width, channels)`.
        include_top: Boolean, whether to add global pooling and the head.
        pooling: With `include_top=False`, `None`, `"avg"` or `"max"`.
        classifier_activation: Activation of the prediction.
        name: Name of the model.
        stem: `"imagenet"` (7x7, stride 2) or `"cifar"` (3x3, stride 1), each before a pool of stride 2.
        target_rate: Float in (0, 1], the share of sub-blocks that training aims at.
        widths: Inner width of a sub-block in each stage; the paper's by default.
        force_one: Boolean, whether one sub-block of each block always runs.
        use_previous: Boolean, whether a controller reads the state of the one before.
        use_category: Boolean, whether training supervises the controllers' states by category; by default where
            categories are known.
        categories: Category of each class: a list of integers, a JSON file of one, or `"cifar100"`.
        flops_total: `"subblocks"` or `"network"`, what the cost that training aims at is a share of.
        init_open_rate: Float in (0, 1), the probability of "on" at the start; 0.5 where `None`.
        standardize: `None`, or means and deviations per channel of images in [0, 1].
        width_multiplier: Float that scales convolution widths.
        seed: Integer, seed of the controllers' noise in training.

    Returns:
        A `RoutedModel`.

    Raises:
        ValueError: If an argument is not possible.
    """
    one_of("stem", stem, ("imagenet", "cifar"))
    inner = _inner_widths(widths, sub_blocks, width_multiplier)
    image, x = blocks.image_input(input_shape, standardize)
    x = getattr(blocks, f"{stem}_stem")(x, blocks.scaled(_WIDTHS[0], width_multiplier))
    splitter = Splitter(sub_blocks, use_previous, init_open_rate, force_one, seed)
    weights: dict[str, float] = {}
    for stage, count in enumerate(stage_blocks, 1):
        outer = _EXPANSION * blocks.scaled(_WIDTHS[stage - 1], width_multiplier)
        for block in range(1, count + 1):
            strides = 2 if stage > 1 and block == 1 else 1
            x = _bottleneck(x, splitter, inner[stage - 1], outer, strides, f"stage_{stage}_block_{block}")
            weights[splitter.controllers[-1]] = _CATEGORY_WEIGHTS[stage - 1]
    model = blocks.finished_model(image, [x], include_top, pooling, classes, classifier_activation, name)
    if not include_top:
        return model
    return routing_objective(model, target_rate, weights, use_category, categories, flops_total)


def _inner_widths(widths: Sequence[int] | None, sub_blocks: int, multiplier: float) -> list[int]:
    positive_integer("sub_blocks", sub_blocks)
    if widths is None:
        one_of("sub_blocks", sub_blocks, _RATIOS)
        widths = [math.floor(_RATIOS[sub_blocks] * width) for width in _WIDTHS]
    if len(widths) != len(_WIDTHS):
        raise ValueError(f"`widths` must hold {len(_WIDTHS)} integers, one per stage. Received: widths={widths!r}")
    return [blocks.scaled(positive_integer("widths", width), multiplier) for width in widths]


def _bottleneck(x: Any, splitter: Splitter, inner: int, outer: int, strides: int, name: str) -> Any:
    def part(y: Any, number: int) -> Any:
        """One narrow bottleneck."""
        y = blocks.conv(y, inner, "conv_1", kernel=1, use_bias=False)
        y = blocks.conv(y, inner, "conv_2", strides=strides, use_bias=False)
        return blocks.conv(y, outer, "conv_3", kernel=1, use_bias=False, relu=False)

    def projection(y: Any) -> Any:
        """The shortcut where the shape changes."""
        return blocks.conv(y, outer, "conv", kernel=1, strides=strides, use_bias=False, relu=False)

    shortcut: Any = projection if strides > 1 or x.shape[-1] != outer else "identity"
    return splitter.add(x, name, part, shortcut, "relu")
