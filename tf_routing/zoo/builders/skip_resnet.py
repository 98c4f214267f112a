"""Residual nets each of whose blocks a router runs or bypasses per image.

Wang et al. (2020), *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*,
arXiv:2005.14439, section 3.1 and section 4.1; Table 1 (ResNet-50), Tables 2 and 3 (ResNets for CIFAR). The paper
describes no stem for Tiny-ImageNet: a 3x3 convolution and a 3x3 max-pool of stride 2 are our choice.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from tf_routing import cost, layers
from tf_routing.models import RoutedModel
from tf_routing.support.validation import one_of
from tf_routing.zoo.builders.parts import blocks
from tf_routing.zoo.builders.parts.branches import EXPANSION, basic_branch, bottleneck_branch, projection
from tf_routing.zoo.builders.parts.heads import Head, finish_model
from tf_routing.zoo.builders.parts.images import ImageInput, add_image_input
from tf_routing.zoo.builders.parts.residual import list_blocks
from tf_routing.zoo.builders.parts.skipping import RouteObjective, RouterOptions, Skipper


def build(
    *,
    stage_blocks: Sequence[int],
    widths: Sequence[int],
    head: Head,
    name: str,
    bottleneck: bool = False,
    bypass: str = "shortcut",
    routers: RouterOptions,
    objective: RouteObjective,
    images: ImageInput,
    width_multiplier: float = 1.0,
) -> RoutedModel:
    """Builds a residual net with a router before each block.

    Args:
        stage_blocks: List of integers, blocks per stage.
        widths: List of integers, widths of the stages.
        head: How the network ends.
        name: Name of the model.
        bottleneck: Boolean: bottlenecks, projections where shapes change and a stem that halves, or basic blocks and
            shortcuts without parameters.
        bypass: What takes the place of a block that changes the shape and does not run: `"shortcut"`, its own shortcut,
            or `"learnt"`, a 1x1 convolution of its own, as in the authors' later public code.
        routers: How it is decided which blocks run.
        objective: What training aims at.
        images: What the network reads.
        width_multiplier: Float that scales convolution widths.

    Returns:
        A `RoutedModel`.

    Raises:
        ValueError: If an argument is not possible.
    """
    widths = [blocks.scale_width(width, width_multiplier) for width in widths]
    image, x = add_image_input(images)
    one_of("bypass", bypass, ("shortcut", "learnt"))
    skipper = Skipper(image, stage_blocks, routers)
    x = blocks.add_cifar_stem(x, widths[0]) if bottleneck else blocks.convolve(x, widths[0], "stem", use_bias=False)
    add_block = _add_bottleneck if bottleneck else _add_basic_block
    for block_name, width, strides in list_blocks(stage_blocks, widths):
        x = add_block(x, skipper, width, strides, block_name, bypass == "learnt")
    model = finish_model(image, [x], head, name)
    if None not in images.input_shape:
        macs = {decision: by_block.tolist() for decision, by_block in cost.gated_macs(model)[1].items()}
        model.set_default_objective(objective.create(macs))
    return model


def _add_basic_block(x: Any, skipper: Skipper, width: int, strides: int, name: str, learnt: bool) -> Any:
    def subsample(y: Any) -> Any:
        """Brings the input to the shape of the block's output, without parameters."""
        return layers.IdentityShortcut(width, strides, name="subsample")(y)

    branch = basic_branch(width, strides)
    if strides == 1 and x.shape[-1] == width:
        return skipper.add(x, name, branch, "identity")
    return skipper.add(x, name, branch, subsample, partial(_bypass, width, strides) if learnt else None)


def _add_bottleneck(x: Any, skipper: Skipper, width: int, strides: int, name: str, learnt: bool) -> Any:
    outer = EXPANSION * width
    branch = bottleneck_branch(width, outer, strides)
    if strides == 1 and x.shape[-1] == outer:
        return skipper.add(x, name, branch, "identity")
    bypass = partial(_bypass, outer, strides) if learnt else None
    return skipper.add(x, name, branch, projection(outer, strides), bypass)


def _bypass(width: int, strides: int, y: Any) -> Any:
    """Convolves the input to the shape of the block's output, and activates it as a block would."""
    return blocks.convolve(y, width, "conv", kernel=1, strides=strides, use_bias=False)
