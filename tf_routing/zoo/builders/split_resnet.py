"""Residual nets whose bottlenecks are divided into sub-blocks that switch on and off per image.

Su et al. (2019), *Dynamic Multi-path Neural Network*, arXiv:1902.10949, section 3.1, Eq. 1 to 4, and section 4.2,
Tables 1 and 3. The paper prints no widths of sub-blocks and no layout for CIFAR-100; those here meet its counts.
"""

import math
from collections.abc import Sequence
from typing import Any

from tf_routing.models import RoutedModel
from tf_routing.support.validation import one_of, positive_integer
from tf_routing.zoo.builders.parts import blocks
from tf_routing.zoo.builders.parts.heads import Head, finish_model
from tf_routing.zoo.builders.parts.images import ImageInput, add_image_input
from tf_routing.zoo.builders.parts.splitting import ControllerOptions, RateObjective, Splitter

_WIDTHS = (64, 128, 256, 512)
_EXPANSION = 4
_STEMS = {"imagenet": blocks.add_imagenet_stem, "cifar": blocks.add_cifar_stem}
# The share of a block's inner width that each sub-block gets; the paper gives none, these meet its parameter counts. It
# has no more than four.
_RATIOS = {1: 1.0, 2: 0.6, 3: 0.465, 4: 0.375}
_CATEGORY_WEIGHTS = (1e-4, 1e-3, 1e-2, 1e-1)


def build(
    *,
    stage_blocks: Sequence[int],
    sub_blocks: int,
    head: Head,
    name: str,
    stem: str = "imagenet",
    objective: RateObjective,
    widths: Sequence[int] | None = None,
    controllers: ControllerOptions,
    images: ImageInput,
    width_multiplier: float = 1.0,
) -> RoutedModel:
    """Builds a residual net of split bottleneck blocks, each with a controller.

    Args:
        stage_blocks: Blocks of each of the four stages.
        sub_blocks: Integer N, sub-blocks per block; with one, blocks are run or skipped whole.
        head: How the network ends.
        name: Name of the model.
        stem: `"imagenet"` (7x7, stride 2) or `"cifar"` (3x3, stride 1), each before a pool of stride 2.
        objective: What training aims at.
        widths: Inner width of a sub-block in each stage; by default the paper's, and for more than four sub-blocks
            the one with which a block has as many weights as before it was divided.
        controllers: How controllers decide.
        images: What the network reads.
        width_multiplier: Float that scales convolution widths.

    Returns:
        A `RoutedModel`.

    Raises:
        ValueError: If an argument is not possible.
    """
    one_of("stem", stem, _STEMS)
    inner = _inner_widths(widths, sub_blocks, width_multiplier)
    image, x = add_image_input(images)
    x = _STEMS[stem](x, blocks.scale_width(_WIDTHS[0], width_multiplier))
    splitter = Splitter(sub_blocks, controllers)
    weights: dict[str, float] = {}
    for stage, count in enumerate(stage_blocks, 1):
        outer = _EXPANSION * blocks.scale_width(_WIDTHS[stage - 1], width_multiplier)
        for block in range(1, count + 1):
            strides = 2 if stage > 1 and block == 1 else 1
            x = _add_bottleneck(x, splitter, inner[stage - 1], outer, strides, f"stage_{stage}_block_{block}")
            weights[splitter.controllers[-1]] = _CATEGORY_WEIGHTS[stage - 1]
    model = finish_model(image, [x], head, name)
    return objective.set_default(model, weights) if head.include_top else model


def _inner_widths(widths: Sequence[int] | None, sub_blocks: int, multiplier: float) -> list[int]:
    positive_integer("sub_blocks", sub_blocks)
    if widths is None:
        ratio = _RATIOS.get(sub_blocks) or equal_share(sub_blocks)
        widths = [max(1, math.floor(ratio * width)) for width in _WIDTHS]
    if len(widths) != len(_WIDTHS):
        raise ValueError(f"`widths` must hold {len(_WIDTHS)} integers, one per stage. Received: widths={widths!r}")
    return [blocks.scale_width(positive_integer("widths", width), multiplier) for width in widths]


def equal_share(sub_blocks: int) -> float:
    """Returns the share of a bottleneck's inner width with which its sub-blocks have as many weights as it had.

    With inner width C and 4 C channels in and out, Eq. 1 is 4 C^2 + 9 C^2 + 4 C^2 and Eq. 2 N (8 C w + 9 w^2): the
    share is the w / C that makes the two equal.

    Args:
        sub_blocks: Integer N.
    """
    return (math.sqrt(64 + 36 * 17 / sub_blocks) - 8) / 18


def _add_bottleneck(x: Any, splitter: Splitter, inner: int, outer: int, strides: int, name: str) -> Any:
    def part(y: Any, number: int) -> Any:
        """Adds a bottleneck, narrower than that of a whole block."""
        y = blocks.convolve(y, inner, "conv_1", kernel=1, use_bias=False)
        y = blocks.convolve(y, inner, "conv_2", strides=strides, use_bias=False)
        return blocks.convolve(y, outer, "conv_3", kernel=1, use_bias=False, relu=False)

    def projection(y: Any) -> Any:
        """Convolves the input to the shape of the block's output."""
        return blocks.convolve(y, outer, "conv", kernel=1, strides=strides, use_bias=False, relu=False)

    shortcut: Any = projection if strides > 1 or x.shape[-1] != outer else "identity"
    return splitter.add(x, name, part, shortcut, "relu")
