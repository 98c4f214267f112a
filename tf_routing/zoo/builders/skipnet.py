"""SkipNet: residual nets for 32x32 images whose gates skip blocks, feed-forward ones or one that is recurrent.

Wang, Yu, Dou, Darrell and Gonzalez (2017), *SkipNet: Learning Dynamic Routing in Convolutional Networks*,
arXiv:1711.09485, section 3, and the authors' public code (ucbdrive/skipnet): the first block always runs, shapes change
by projections, gates are hard in training and pass gradients straight through.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tf_routing.models import RoutedModel
from tf_routing.objectives import ExecutionCost
from tf_routing.zoo.arguments.idle_arguments import Condition
from tf_routing.zoo.builders.parts import blocks
from tf_routing.zoo.builders.parts.branches import basic_branch, projection
from tf_routing.zoo.builders.parts.heads import Head, finish_model
from tf_routing.zoo.builders.parts.images import ImageInput, add_image_input
from tf_routing.zoo.builders.parts.residual import add_basic_block, list_blocks
from tf_routing.zoo.builders.parts.skipping import RouterOptions, Skipper, routers_decide


@dataclass(frozen=True)
class CostObjective:
    """What training aims at, see `objectives.ExecutionCost`.

    Args:
        cost_weight: Float, weight of the share of blocks that run.

    Raises:
        ValueError: If the weight is negative.
    """

    CONDITIONS: ClassVar[tuple[Condition, ...]] = (
        Condition(("cost_weight",), routers_decide, "where routers decide, with decision='threshold' or 'bernoulli'"),
    )

    cost_weight: float = 0.1

    def __post_init__(self) -> None:
        # Refuses what is not possible before anything is built.
        self.create(["any"])

    def create(self, decisions: Sequence[str]) -> ExecutionCost:
        """Returns the objective for decisions of these names."""
        return ExecutionCost(decisions, self.cost_weight)


def build(
    *,
    stage_blocks: Sequence[int],
    widths: Sequence[int],
    head: Head,
    name: str,
    routers: RouterOptions,
    objective: CostObjective,
    images: ImageInput,
    width_multiplier: float = 1.0,
) -> RoutedModel:
    """Builds a residual net of basic blocks with a gate before each block but the first.

    Args:
        stage_blocks: List of integers, blocks per stage.
        widths: List of integers, widths of the stages.
        head: How the network ends.
        name: Name of the model.
        routers: How it is decided which blocks run. `router="conv"` is the smaller feed-forward gate of the paper, that
            of its deepest nets: one 3x3 convolution of stride 2, channel means and a dense layer.
        objective: What training aims at.
        images: What the network reads.
        width_multiplier: Float that scales convolution widths.

    Returns:
        A `RoutedModel`.
    """
    widths = [blocks.scale_width(width, width_multiplier) for width in widths]
    image, x = add_image_input(images)
    x = blocks.convolve(x, widths[0], "stem", use_bias=False)
    (first, width, strides), *gated = list_blocks(stage_blocks, widths)
    x = add_basic_block(x, width, width, strides, first)
    skipper = Skipper(image, [stage_blocks[0] - 1, *stage_blocks[1:]], routers)
    for block_name, width, strides in gated:
        shortcut: Any = projection(width, strides) if strides > 1 or x.shape[-1] != width else "identity"
        x = skipper.add(x, block_name, basic_branch(width, strides), shortcut)
    model = finish_model(image, [x], head, name)
    model.set_default_objective(objective.create(model.decision_names))
    return model
