"""Exits that images take when they are classified with confidence: how they leave, how exits learn, and their graph.

Huang, Chen, Li, Wu, van der Maaten and Weinberger (2017), *Multi-Scale Dense Networks for Resource Efficient Image
Classification*, arXiv:1703.09844; Wang, Luo, Crankshaw, Tumanov, Yu and Gonzalez (2017), *IDK Cascades: Fast Deep
Learning by Learning not to Overthink*, arXiv:1706.00885.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras

from tf_routing import exit_tree, layers
from tf_routing.objectives import DeepSupervision
from tf_routing.zoo.arguments.idle_arguments import Condition, needs_top
from tf_routing.zoo.builders.parts.heads import Head

_COUNTED = (keras.layers.Conv2D, keras.layers.Dense)


@dataclass(frozen=True)
class Exits:
    """How images leave, and how much each exit counts in training; both count where the network classifies.

    Args:
        confidence: Float in (0, 1), the probability of the most probable class with which an image leaves, until
            thresholds are calibrated.
        exit_weights: List of numbers, the weight of each exit's cross-entropy; `None` for 1 each.

    Raises:
        ValueError: If a value is not possible.
    """

    CONDITIONS: ClassVar[tuple[Condition, ...]] = (
        needs_top("confidence", "exit_weights", about="where there are exits"),
    )

    confidence: float = 0.9
    exit_weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        # Refuses what is not possible before anything is built.
        layers.ConfidenceJunction(self.confidence)

    def create_objective(self, count: int) -> DeepSupervision:
        """Returns the objective for so many exits."""
        return DeepSupervision([f"exit_{number}" for number in range(1, count + 1)], self.exit_weights)


def add_exits(image: Any, logits: Sequence[Any], head: Head, confidence: float) -> Any:
    """Adds exits and the junctions between them, and returns the probabilities `(B, classes)` that images leave with.

    Args:
        image: The network's input.
        logits: What each classifier says, `(B, classes)`, in the order in which images come to them.
        head: How every exit ends.
        confidence: Float, with which images leave.
    """
    # Predictions are at least float32 under mixed precision, and float64 where everything is.
    dtype = keras.config.dtype_policy().variable_dtype
    reach, reaches, junctions, leaves = None, [], [], []
    for number, read in enumerate(logits, 1):
        leaving = reach
        if number < len(logits):
            # Nothing trains it: it is calibrated.
            junction = layers.ConfidenceJunction(confidence, name=f"junction_{number}", trainable=False)
            leaving, reach = junction(read, *([] if reach is None else [reach]))[2:]
            junctions.append(junction.name)
        reaches.append(leaving)
        leaves.append(keras.layers.Identity(name=f"exit_{number}", dtype=dtype)(read))
    names = [f"exit_{number}" for number in range(1, len(logits) + 1)]
    tree = exit_tree.chain(_list_columns(image, logits), junctions, names)
    mixture = layers.ExitMixture(tree, head.classifier_activation, dtype=dtype, name="probabilities")
    return mixture(leaves, reaches)[0]


def _list_columns(image: Any, logits: Sequence[Any]) -> list[tuple[str, ...]]:
    """Returns the layers that cost something, and that each classifier reads and none before it does."""
    columns: list[tuple[str, ...]] = []
    before: set[str] = set()
    for read in logits:
        found = [each.name for each in keras.Function(image, read).operations if isinstance(each, _COUNTED)]
        columns.append(tuple(name for name in found if name not in before))
        before |= set(found)
    return columns
