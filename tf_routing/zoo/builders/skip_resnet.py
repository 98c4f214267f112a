"""Residual nets each of whose blocks a router runs or bypasses per image.

Wang et al., *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*.
"""

from collections.abc import Sequence
from typing import Any

from tf_routing import cost, layers
from tf_routing.models import RoutedModel
from tf_routing.objectives import DiverseRoutes
from tf_routing.zoo.builders import blocks
from tf_routing.zoo.builders.skipping import Skipper

_EXPANSION = 4


def build(
    *,
    stage_blocks: Sequence[int],
    widths: Sequence[int],
    classes: int,
    input_shape: tuple[int, int, int],
    include_top: bool,
    pooling: str | None,
    classifier_activation: str | None,
    name: str,
    bottleneck: bool = False,
    router: str = "linear",
    hidden: int = 16,
    beta: float = 10.0,
    decision: str = "threshold",
    keep: int | None = None,
    init_open_rate: float | None = None,
    consistency_weight: float = 0.2,
    diversity_weight: float = 0.2,
    cost_weight: float = 0.05,
    regularization_weight: float = 0.5,
    consistency_margin: float = 0.2,
    diversity_margin: float = 0.5,
    regularization: str = "within",
    target: float | None = None,
    standardize: Any = None,
    width_multiplier: float = 1.0,
    seed: int | None = None,
) -> RoutedModel:
    """Builds a residual net with a router before each block.

    Args:
        stage_blocks: List of integers, blocks per stage.
        widths: List of integers, widths of the stages.
        classes: Integer, number of classes.
        input_shape: Tuple `(height, width, channels)`.
        include_top: Boolean, whether to add global pooling and the head.
        pooling: With `include_top=False`, `None`, `"avg"` or `"max"`.
        classifier_activation: Activation of the prediction.
        name: Name of the model.
        bottleneck: Boolean: bottlenecks, projections where shapes change and a stem that halves, or basic blocks and
            shortcuts without parameters.
        router: `"linear"`, `"conv"` or `"recurrent"`, see `layers.SkipRouter`.
        hidden: Integer, hidden units of a `"linear"` router.
        beta: Float, see `layers.SkipRouter`.
        decision: `"threshold"` as trained; `"bernoulli"` draws decisions at inference; `"first"`, `"random"` and
            `"distributed"` keep a number of blocks and read no router, see `layers.KeptBlocks`.
        keep: Integer, blocks that run, for decisions that keep a number of them.
        init_open_rate: Float, the probability of running that routers start with; `None` is 0.5.
        consistency_weight: Float; it and the next seven are the objective's, see `objectives.DiverseRoutes`.
        diversity_weight: Float.
        cost_weight: Float.
        regularization_weight: Float.
        consistency_margin: Float.
        diversity_margin: Float.
        regularization: `"within"` or `"center"`.
        target: Float in (0, 1], the share of executed blocks to which the cost weight adapts, or `None`.
        standardize: `None`, or means and deviations per channel of images in [0, 1].
        width_multiplier: Float that scales convolution widths.
        seed: Integer, seed of decisions that are drawn.

    Returns:
        A `RoutedModel`.

    Raises:
        ValueError: If an argument is not possible.
    """
    routing: dict[str, Any] = {
        "consistency_weight": consistency_weight,
        "diversity_weight": diversity_weight,
        "cost_weight": cost_weight,
        "regularization_weight": regularization_weight,
        "consistency_margin": consistency_margin,
        "diversity_margin": diversity_margin,
        "regularization": regularization,
        "target": target,
    }
    # Refuses what is not possible before anything is built.
    DiverseRoutes({}, **routing)
    widths = [blocks.scaled(width, width_multiplier) for width in widths]
    image, x = blocks.image_input(input_shape, standardize)
    skipper = Skipper(image, stage_blocks, router, hidden, beta, decision, keep, init_open_rate, seed)
    x = blocks.cifar_stem(x, widths[0]) if bottleneck else blocks.conv(x, widths[0], "stem", use_bias=False)
    add = _bottleneck if bottleneck else _basic_block
    for stage, (count, width) in enumerate(zip(stage_blocks, widths, strict=True), 1):
        for block in range(1, count + 1):
            strides = 2 if stage > 1 and block == 1 else 1
            x = add(x, skipper, width, strides, f"stage_{stage}_block_{block}")
    model = blocks.finished_model(image, [x], include_top, pooling, classes, classifier_activation, name)
    macs = {decision_name: each.tolist() for decision_name, each in cost.gated_macs(model)[1].items()}
    model.set_default_objective(DiverseRoutes(macs, **routing))
    return model


def _basic_block(x: Any, skipper: Skipper, width: int, strides: int, name: str) -> Any:
    def branch(y: Any) -> Any:
        """Two convolutions."""
        y = blocks.conv(y, width, "conv_1", strides=strides, use_bias=False)
        return blocks.conv(y, width, "conv_2", use_bias=False, relu=False)

    def subsampled(y: Any) -> Any:
        """The shortcut where the shape changes."""
        return layers.IdentityShortcut(width, strides, name="subsample")(y)

    return skipper.add(x, name, branch, subsampled if strides > 1 or x.shape[-1] != width else "identity")


def _bottleneck(x: Any, skipper: Skipper, width: int, strides: int, name: str) -> Any:
    outer = _EXPANSION * width

    def branch(y: Any) -> Any:
        """Three convolutions."""
        y = blocks.conv(y, width, "conv_1", kernel=1, use_bias=False)
        y = blocks.conv(y, width, "conv_2", strides=strides, use_bias=False)
        return blocks.conv(y, outer, "conv_3", kernel=1, use_bias=False, relu=False)

    def projection(y: Any) -> Any:
        """The shortcut where the shape changes."""
        return blocks.conv(y, outer, "conv", kernel=1, strides=strides, use_bias=False, relu=False)

    return skipper.add(x, name, branch, projection if strides > 1 or x.shape[-1] != outer else "identity")
