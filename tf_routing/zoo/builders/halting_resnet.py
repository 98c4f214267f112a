"""Residual nets each of whose stages ends early, for an image (ACT) or for each of its positions (SACT).

Figurnov et al. (2016), *Spatially Adaptive Computation Time for Residual Networks*, arXiv:1612.02297, section 2, and
the authors' public code (mfigurnov/sact): layouts, the normalisation of halting scores, and weights of ponder costs.
That code pools before it normalises for the last time on CIFAR-10, and there runs the units that no image needs in
training on the sum so far: here who halted keeps it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any, ClassVar

import keras

from tf_routing import layers
from tf_routing.models import RoutedModel
from tf_routing.objectives import PonderCost
from tf_routing.zoo.arguments.idle_arguments import Condition, needs_top
from tf_routing.zoo.builders.parts import blocks
from tf_routing.zoo.builders.parts.blocks import wrap_model
from tf_routing.zoo.builders.parts.heads import Head, finish_model
from tf_routing.zoo.builders.parts.images import ImageInput, add_image_input
from tf_routing.zoo.builders.parts.preactivation import Units
from tf_routing.zoo.builders.parts.residual import list_blocks

_SLOPE = 0.1


@dataclass(frozen=True)
class HaltingOptions:
    """How stages halt, see `layers.HaltingRouter`.

    Args:
        tolerance: Float in (0, 1), what may be left of the weight of a stage's output where it halts.
        init_bias: Float, the bias that halting scores start with: a sigmoid of it is the first score of every unit.
    """

    tolerance: float = 0.01
    init_bias: float = -3.0


@dataclass(frozen=True)
class PonderObjective:
    """What training aims at, see `objectives.PonderCost`; it counts where the network classifies.

    Args:
        ponder_weight: Float, weight of the ponder cost.

    Raises:
        ValueError: If the weight is negative.
    """

    CONDITIONS: ClassVar[tuple[Condition, ...]] = (needs_top("ponder_weight"),)

    ponder_weight: float = 0.01

    def __post_init__(self) -> None:
        # Refuses what is not possible before anything is built.
        self.create([["any"]])

    def create(self, stages: Sequence[Sequence[str]]) -> PonderCost:
        """Returns the objective for routers of these names, by stage."""
        return PonderCost(stages, self.ponder_weight)


def build(
    *,
    stage_blocks: Sequence[int],
    widths: Sequence[int],
    head: Head,
    name: str,
    spatial: bool = False,
    bottleneck: bool = False,
    halting: HaltingOptions,
    objective: PonderObjective,
    images: ImageInput,
    width_multiplier: float = 1.0,
) -> RoutedModel:
    """Builds a residual net of units that normalise first, with a halting score behind every unit but a stage's last.

    The first unit of a stage runs for every image. A stage's output is the mean of its units' outputs, weighted by the
    halting scores.

    Args:
        stage_blocks: List of integers, units per stage.
        widths: List of integers, widths of the stages.
        head: How the network ends.
        name: Name of the model.
        spatial: Boolean, whether positions halt, each by itself, or images.
        bottleneck: Boolean: bottlenecks behind the stem of ImageNet, or two 3x3 convolutions behind one.
        halting: How stages halt.
        objective: What training aims at.
        images: What the network reads.
        width_multiplier: Float that scales convolution widths.

    Returns:
        A `RoutedModel`.
    """
    widths = [blocks.scale_width(width, width_multiplier) for width in widths]
    image, x = add_image_input(images)
    units = Units(bottleneck, 0.0 if bottleneck else _SLOPE)
    x = _add_imagenet_stem(x, widths[0]) if bottleneck else _add_stem(x, widths[0], 3)
    listed, numbers, stages = list_blocks(stage_blocks, widths), count(1), []
    for number, units_of_stage in enumerate(stage_blocks, 1):
        stage = _Stage(units, spatial, halting, numbers)
        x = stage.add(x, [next(listed) for _ in range(units_of_stage)], f"stage_{number}")
        stages.append(stage.routers)
    model = finish_model(image, [units.activate(x, "final")], head, name)
    if head.include_top:
        model.set_default_objective(objective.create(stages))
    return model


def _add_stem(x: Any, filters: int, kernel: int, strides: int = 1, padding: str = "same") -> Any:
    # Nothing behind it: the first unit normalises.
    return keras.layers.Conv2D(filters, kernel, strides, padding, kernel_initializer="he_normal", name="stem")(x)


def _add_imagenet_stem(x: Any, filters: int) -> Any:
    x = _add_stem(keras.layers.ZeroPadding2D(3, name="stem_pad")(x), filters, 7, 2, "valid")
    return keras.layers.MaxPooling2D(3, 2, "same", name="stem_pool")(x)


class _Stage:
    """The units of a stage, the routers between them, and the mean of what units make."""

    def __init__(self, units: Units, spatial: bool, halting: HaltingOptions, numbers: Any) -> None:
        self.units, self.spatial, self.numbers = units, spatial, numbers
        self.arguments: dict[str, Any] = {**asdict(halting), "spatial": spatial, "normalize": True}
        self.routers: list[str] = []

    def add(self, x: Any, listed: Sequence[tuple[str, int, int]], name: str) -> Any:
        """Adds the units of these names, widths and strides, and returns the stage's output."""
        (first, width, strides), *others = listed
        x = self.units.add_first(x, width, strides, first, is_first=name == "stage_1" and not self.units.bottleneck)
        outputs, shares, remaining = [x], [], None
        for unit, width, _ in others:
            decision, share, remaining = self._halt(x, remaining)
            x = self._add_unit(x, decision, remaining, width, unit)
            outputs.append(x)
            shares.append(share)
        return layers.HaltingMean(name=f"{name}_mean")(outputs, [*shares, remaining]) if others else x

    def _halt(self, x: Any, remaining: Any) -> Any:
        router = layers.HaltingRouter(**self.arguments, name=f"router_{next(self.numbers)}")
        self.routers.append(router.name)
        return router(x) if remaining is None else router(x, remaining)

    def _add_unit(self, x: Any, decision: Any, remaining: Any, width: int, name: str) -> Any:
        """Adds a unit that runs for the images that need it, and leaves positions that halted as they were."""
        branch = wrap_model(x, self.units.branch(width), "branch")
        y = layers.SkipBlock(branch, "identity", "linear", name=name)(x, decision)
        return layers.HaltedPositions(name=f"{name}_halted")(y, x, remaining) if self.spatial else y
