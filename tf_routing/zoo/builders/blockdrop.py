"""BlockDrop: a small policy network looks at the image and decides at once which blocks of a residual net run.

Wu et al. (2017), *BlockDrop: Dynamic Inference Paths in Residual Networks*, arXiv:1711.08393, and the authors' public
code (Tushar-N/blockdrop): the policy network is a ResNet with one basic block per stage; shortcuts across a stride
average and pad with zeros, in both networks.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, ClassVar

import keras

from tf_routing import layers
from tf_routing.layers.initializers import distinct_seed
from tf_routing.models import RoutedModel
from tf_routing.objectives import PolicyGradient
from tf_routing.zoo.arguments.idle_arguments import Condition, needs_top
from tf_routing.zoo.builders.parts import blocks
from tf_routing.zoo.builders.parts.blocks import wrap_model
from tf_routing.zoo.builders.parts.branches import basic_branch
from tf_routing.zoo.builders.parts.heads import Head, finish_model
from tf_routing.zoo.builders.parts.images import ImageInput, add_image_input
from tf_routing.zoo.builders.parts.residual import add_basic_block, list_blocks, pool_shortcut


@dataclass(frozen=True)
class PolicyOptions:
    """How the policy decides in training, see `layers.BlockPolicy`.

    Args:
        bound: Float in (0.5, 1], the greatest probability of running or bypassing a block.
        curriculum_steps: Integer, training steps after which one more block is decided about; 0 for all from the start.
        seed: Integer, seed of decisions that are drawn.
    """

    bound: float = 0.8
    curriculum_steps: int = 0
    seed: int | None = None


@dataclass(frozen=True)
class RewardObjective:
    """What training aims at, see `objectives.PolicyGradient`; it counts where the network classifies.

    Args:
        penalty: Float, the loss for a wrong answer.
        classification_weight: Float, weight of the classification.
        policy_weight: Float, weight of the policy gradient.
        entropy_weight: Float, weight of the policy's entropy.

    Raises:
        ValueError: If a value is negative.
    """

    CONDITIONS: ClassVar[tuple[Condition, ...]] = (
        needs_top("penalty", "classification_weight", "policy_weight", "entropy_weight"),
    )

    penalty: float = 1.0
    classification_weight: float = 1.0
    policy_weight: float = 1.0
    entropy_weight: float = 0.1

    def __post_init__(self) -> None:
        # Refuses what is not possible before anything is built.
        self.create(["any"])

    def create(self, decisions: Sequence[str]) -> PolicyGradient:
        """Returns the objective for decisions of these names, in the order of the policy's scores."""
        scores = {name: f"policy_scores_{number}" for number, name in enumerate(decisions, 1)}
        return PolicyGradient(scores, **asdict(self))


def build(
    *,
    stage_blocks: Sequence[int],
    widths: Sequence[int],
    head: Head,
    name: str,
    policy: PolicyOptions,
    objective: RewardObjective,
    images: ImageInput,
    width_multiplier: float = 1.0,
) -> RoutedModel:
    """Builds a residual net of basic blocks, and the policy network that decides which of them run.

    Args:
        stage_blocks: List of integers, blocks per stage.
        widths: List of integers, widths of the stages, of both networks.
        head: How the network ends.
        name: Name of the model.
        policy: How the policy decides in training.
        objective: What training aims at.
        images: What the network reads.
        width_multiplier: Float that scales convolution widths.

    Returns:
        A `RoutedModel`.
    """
    widths = [blocks.scale_width(width, width_multiplier) for width in widths]
    image, x = add_image_input(images)
    decisions = _add_policy(x, widths, sum(stage_blocks), policy)
    x = blocks.convolve(x, widths[0], "stem", use_bias=False)
    for block_name, width, strides in list_blocks(stage_blocks, widths):
        shortcut: Any = "identity"
        if strides > 1 or x.shape[-1] != width:
            shortcut = wrap_model(x, partial(pool_shortcut, width, strides), "shortcut")
        branch = wrap_model(x, basic_branch(width, strides), "branch")
        x = layers.SkipBlock(branch, shortcut, name=block_name)(x, decisions.pop(0))
    model = finish_model(image, [x], head, name)
    if head.include_top:
        model.set_default_objective(objective.create(model.decision_names))
    return model


def _add_policy(x: Any, widths: Sequence[int], count: int, options: PolicyOptions) -> list[Any]:
    """Adds the policy network, and a router for every block, and returns their decisions."""
    x = blocks.convolve(x, widths[0], "policy_stem", use_bias=False)
    for stage, width in enumerate(widths, 1):
        x = add_basic_block(x, width, width, 1 if stage == 1 else 2, f"policy_block_{stage}", shortcut="pool")
    x = keras.layers.GlobalAveragePooling2D(name="policy_pool")(x)
    scores = layers.BlockPolicy(count, options.bound, options.curriculum_steps, name="policy")(x)
    return [
        layers.SkipRouter(
            "recurrent", relaxation="sampled", seed=distinct_seed(options.seed, number), name=f"router_{number}"
        )(pair)
        for number, pair in enumerate(scores, 1)
    ]
