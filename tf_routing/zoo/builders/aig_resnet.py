"""Residual nets with adaptive inference graphs: a gate before each block draws whether the block runs.

Veit and Belongie (2017), *Convolutional Networks with Adaptive Inference Graphs*, arXiv:1711.11503, and the authors'
public code (andreasveit/convnet-aig): layouts, gates, target rates by block.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tf_routing.layers.initializers import distinct_seed
from tf_routing.models import RoutedModel
from tf_routing.objectives import TargetRates
from tf_routing.support.validation import is_number
from tf_routing.zoo.arguments.idle_arguments import Condition, needs_top
from tf_routing.zoo.builders.parts import blocks
from tf_routing.zoo.builders.parts.branches import EXPANSION, basic_branch, bottleneck_branch, projection
from tf_routing.zoo.builders.parts.heads import Head, finish_model
from tf_routing.zoo.builders.parts.images import ImageInput, add_image_input
from tf_routing.zoo.builders.parts.residual import list_blocks
from tf_routing.zoo.builders.parts.splitting import Splitter

_HIDDEN = 16


@dataclass(frozen=True)
class GateOptions:
    """How gates draw.

    Args:
        init_open_rate: Float in (0, 1), the probability of running with which gates start.
        seed: Integer, seed of the gates' noise in training.
    """

    init_open_rate: float = 0.85
    seed: int | None = None

    def controller(self, number: int, has_shortcut: bool) -> dict[str, Any]:
        """Returns the arguments of the gate of this number, a controller of one switch that reads no state before."""
        arguments = {"hidden": _HIDDEN, "normalize": True, "use_previous": False}
        return {**arguments, "init_open_rate": self.init_open_rate, "seed": distinct_seed(self.seed, number)}


@dataclass(frozen=True)
class TargetRateObjective:
    """What training aims at, see `objectives.TargetRates`; it counts where the network classifies.

    Args:
        target_rate: Float in (0, 1], the share of images for which a block should run, of blocks that have no other.
        rate_weight: Float, weight of the distance from it.

    Raises:
        ValueError: If a value is not possible.
    """

    CONDITIONS: ClassVar[tuple[Condition, ...]] = (needs_top("target_rate", "rate_weight"),)

    target_rate: float = 0.7
    rate_weight: float = 1.0

    def __post_init__(self) -> None:
        if not (is_number(self.target_rate) and 0 < self.target_rate <= 1):
            raise ValueError(f"`target_rate` must be in (0, 1]. Received: target_rate={self.target_rate!r}")
        # Refuses what is not possible before anything is built.
        TargetRates({"any": self.target_rate}, self.rate_weight)

    def create(self, decisions: Sequence[str], fixed_rates: Sequence[float | None]) -> TargetRates:
        """Returns the objective for decisions, of which some have targets of their own."""
        rates = [self.target_rate if rate is None else rate for rate in fixed_rates]
        return TargetRates(dict(zip(decisions, rates, strict=True)), self.rate_weight)


def build(
    *,
    stage_blocks: Sequence[int],
    widths: Sequence[int],
    head: Head,
    name: str,
    bottleneck: bool = False,
    fixed_rates: Sequence[float | None] | None = None,
    gates: GateOptions,
    objective: TargetRateObjective,
    images: ImageInput,
    width_multiplier: float = 1.0,
) -> RoutedModel:
    """Builds a residual net with a gate before each block.

    Args:
        stage_blocks: List of integers, blocks per stage.
        widths: List of integers, widths of the stages.
        head: How the network ends.
        name: Name of the model.
        bottleneck: Boolean: bottlenecks behind the stem of ImageNet, or basic blocks behind a 3x3 convolution.
        fixed_rates: The target rate of every block, `None` for those that the objective's `target_rate` is for.
        gates: How gates draw.
        objective: What training aims at.
        images: What the network reads.
        width_multiplier: Float that scales convolution widths.

    Returns:
        A `RoutedModel`.
    """
    widths = [blocks.scale_width(width, width_multiplier) for width in widths]
    image, x = add_image_input(images)
    stem = blocks.add_imagenet_stem if bottleneck else _add_stem
    x = stem(x, widths[0])
    splitter = Splitter(1, gates)
    for block_name, width, strides in list_blocks(stage_blocks, widths):
        x = _add_block(x, splitter, width, strides, block_name, bottleneck)
    model = finish_model(image, [x], head, name)
    if head.include_top:
        rates = fixed_rates or [None] * len(splitter.controllers)
        model.set_default_objective(objective.create(splitter.controllers, rates))
    return model


def _add_stem(x: Any, filters: int) -> Any:
    return blocks.convolve(x, filters, "stem", use_bias=False)


def _add_block(x: Any, splitter: Splitter, width: int, strides: int, name: str, bottleneck: bool) -> Any:
    outer = EXPANSION * width if bottleneck else width
    branch = bottleneck_branch(width, outer, strides) if bottleneck else basic_branch(width, strides)
    shortcut: Any = projection(outer, strides) if strides > 1 or x.shape[-1] != outer else "identity"
    return splitter.add(x, name, lambda y, number: branch(y), shortcut, "relu")
