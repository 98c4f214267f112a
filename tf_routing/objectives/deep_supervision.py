"""Deep supervision: every exit of a network learns to classify all images, whoever leaves there."""

from collections.abc import Sequence
from math import inf
from typing import Any

import keras

from tf_routing.core.tensors import Array, Tensor
from tf_routing.objectives.classifying_objective import ClassifyingObjective
from tf_routing.support.validation import is_number, plain


@keras.saving.register_keras_serializable(package="tf_routing")
class DeepSupervision(ClassifyingObjective):
    """The sum of the exits' cross-entropies.

    Every exit classifies every image of a batch, so that thresholds of confidence can be chosen after training, for any
    budget. Junctions learn nothing. The term of each exit is logged by its name.

    Equation:
        L = sum_k w_k L_k

        with L_k the cross-entropy of `labels`, with `label_smoothing`, at exit k of `exits`, a mean over all images;
        and w_k its `exit_weights`. In the paper's experiments every w_k is 1.

        An exit counts alike for images that leave there and for those that do not. Actors and critics weigh it by the
        probability of leaving there.

    Args:
        exits: Names of the exits, in order of depth.
        exit_weights: List of numbers of at least zero, one per exit, not all zero; `None` for 1 each.
        label_smoothing: Float in [0, 1), as for `Classification`.

    Raises:
        ValueError: If no exit is named, or there are not as many weights, or one is not possible.

    Example:

    >>> objective = DeepSupervision(["exit_1", "exit_2"], exit_weights=[0.5, 1.0])
    >>> terms = objective(keras.ops.array([0]), {"mixture_exit_logits": keras.ops.zeros((1, 2, 4))})
    >>> {name: round(float(term), 4) for name, term in terms.items()}
    {'exit_1_loss': 0.6931, 'exit_2_loss': 1.3863}

    Reference:
        Huang et al. (2017), *Multi-Scale Dense Networks for Resource Efficient Image Classification*, arXiv:1703.09844,
        section 4. Lee et al. (2014), *Deeply-Supervised Nets*, arXiv:1409.5185, section 2.
    """

    def __init__(
        self, exits: Sequence[str], exit_weights: Sequence[float] | None = None, label_smoothing: float = 0.0
    ) -> None:
        if isinstance(exits, str) or not exits:
            raise ValueError(f"`exits` must be a list of one name or more. Received: exits={exits!r}")
        self.exits = list(exits)
        self.exit_weights = None if exit_weights is None else _check_weights(exit_weights, len(self.exits))
        super().__init__(label_smoothing)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the terms, `{exit}_loss`."""
        return tuple(f"{name}_loss" for name in self.exits)

    def __call__(
        self, labels: Array, outputs: dict[str, Tensor], sample_weight: Array | None = None
    ) -> dict[str, Tensor]:
        logits = next(each for name, each in outputs.items() if name.endswith("_exit_logits"))
        weights = self.exit_weights or [1.0] * len(self.exits)
        terms = {}
        for number, (name, weight) in enumerate(zip(self.names, weights, strict=True)):
            classified = self.classification(labels, {"logits": logits[:, number]}, sample_weight)
            terms[name] = weight * classified["classification_loss"]
        return terms

    def get_config(self) -> dict[str, Any]:
        return {
            "exits": self.exits,
            "exit_weights": self.exit_weights,
            **super().get_config(),
        }


def _check_weights(weights: Any, count: int) -> list[float]:
    """Returns weights of exits if they are possible."""
    listed = list(plain(weights)) if isinstance(weights, (list, tuple)) else []
    if len(listed) != count or not all(is_number(each) and 0 <= each < inf for each in listed) or not any(listed):
        raise ValueError(
            f"`exit_weights` must be a list of {count} numbers of at least zero, one for each exit, and not all zero. "
            f"Received: exit_weights={weights!r}"
        )
    return listed
