"""The last layer of a policy network: scores for running every block of another network, all at once."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tf_routing.core.tensors import Tensor
from tf_routing.layers.parts import decision_policy, float_part
from tf_routing.support.validation import is_number, not_negative_integer, plain, positive_integer

CERTAIN = 30.0
"""The score of a block that is not decided about yet: in float32 a probability of 1."""


@keras.saving.register_keras_serializable(package="tf_routing")
class BlockPolicy(keras.layers.Layer):
    """Scores all blocks of a network for each sample, and leaves the first ones alone until training has got to them.

    The scores of a block go to a `SkipRouter(kind="recurrent", relaxation="sampled")`, which decides by them.

    Equation:
        s = W z + b
        p = sigmoid(s)
        q = a p + (1 - a)(1 - p)                        in training
        R_k = (log(q_k / (1 - q_k)), 0)                 in training
        R_k = (s_k, 0)                                  at inference
        R_k = (30, 0) if k <= K - n                     everywhere

        with z = `inputs`, (B, C); W: C -> K for K = `blocks`; a = `bound`, which keeps the probability q_k of running
        block k = 1..K away from 0 and 1; and R_k (B, 2) the scores for running and for bypassing it. The last n blocks
        are decided about, all others run: n = min(K, 1 + steps // `curriculum_steps`), where the layer counts the steps
        of its training; with `curriculum_steps` 0 n = K from the start.

    Args:
        blocks: Integer K, the blocks that are decided about.
        bound: Float a in (0.5, 1], the greatest probability in training.
        curriculum_steps: Integer, training steps after which one more block is decided about; 0 for all from the start.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, features)`.
        training: Boolean.

    Returns:
        List of K tensors `(batch, 2)`.

    Raises:
        ValueError: If an argument is out of range, or the inputs are no vectors.

    Example:

    >>> scores = BlockPolicy(blocks=3)(keras.ops.ones((2, 4)))
    >>> len(scores), scores[0].shape
    (3, TensorShape([2, 2]))

    Reference:
        Wu et al. (2017), *BlockDrop: Dynamic Inference Paths in Residual Networks*, arXiv:1711.08393, section 3, and
        the authors' public code.
    """

    def __init__(self, blocks: int, bound: float = 0.8, curriculum_steps: int = 0, **kwargs: Any) -> None:
        # No autocast: scores are computed in float32 where the policy has half precision.
        super().__init__(autocast=False, **kwargs)
        self.blocks = positive_integer("blocks", blocks)
        if not (is_number(bound) and 0.5 < bound <= 1):
            raise ValueError(f"`bound` must be in (0.5, 1]. Received: bound={bound!r}")
        self.bound = plain(bound)
        self.curriculum_steps = not_negative_integer("curriculum_steps", curriculum_steps)
        options = {"dtype": decision_policy(self), "trainable": self.trainable, "name": "scores"}
        self.scores_layer = float_part(keras.layers.Dense(self.blocks, **options))
        self.steps: Any = None

    def build(self, inputs_shape: Any) -> None:
        if len(inputs_shape) != 2:
            raise ValueError(f"BlockPolicy takes vectors (batch, features). Received: {tuple(inputs_shape)}")
        self.scores_layer.build((None, inputs_shape[-1]))
        if self.curriculum_steps:
            # All replicas count the same steps, so the value of one is that of all.
            self.steps = self.add_weight(
                (), "zeros", "float32", trainable=False, aggregation="only_first_replica", name="steps"
            )

    def call(self, inputs: Tensor, training: bool | None = None) -> list[Any]:
        scores = self.scores_layer(inputs)
        learns = training and self.trainable
        if learns and self.bound < 1:
            scores = self._bounded(scores)
        if self.steps is not None:
            scores = ops.where(self._undecided(), ops.cast(CERTAIN, scores.dtype), scores)
            if learns:
                self.steps.assign(self.steps + 1)
        pairs = ops.stack([scores, ops.zeros_like(scores)], axis=-1)
        return [pairs[:, block] for block in range(self.blocks)]

    def _bounded(self, scores: Any) -> Any:
        probability = ops.sigmoid(scores)
        bounded = self.bound * probability + (1 - self.bound) * (1 - probability)
        return ops.log(bounded) - ops.log(1 - bounded)

    def _undecided(self) -> Any:
        """Returns which blocks run whatever the scores, a boolean tensor `(blocks,)`."""
        decided = 1 + ops.floor(ops.convert_to_tensor(self.steps) / self.curriculum_steps)
        return ops.arange(self.blocks, dtype="float32") < self.blocks - decided

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> list[Any]:
        dtype = self.scores_layer.compute_dtype
        return [keras.KerasTensor((inputs.shape[0], 2), dtype=dtype) for _ in range(self.blocks)]

    def observed(self, outputs: Sequence[Any]) -> dict[str, Any]:
        """Returns the scores of every block among this layer's `outputs`, which the objective reads."""
        return {f"scores_{number}": pair for number, pair in enumerate(outputs, 1)}

    def scores_at_inference(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the kernel `(features, blocks)` and the bias `(blocks,)` of all scores as they are at inference."""
        kernel, bias = (np.asarray(each).copy() for each in self.scores_layer.get_weights())
        if self.steps is not None:
            undecided = ops.convert_to_numpy(self._undecided())
            kernel[:, undecided], bias[undecided] = 0, CERTAIN
        return kernel, bias

    def macs(self, input_shape: Any) -> int:
        """Returns the multiply-accumulates per sample."""
        return self.blocks * input_shape[-1]

    def get_config(self) -> dict[str, Any]:
        config = {"blocks": self.blocks, "bound": self.bound, "curriculum_steps": self.curriculum_steps}
        return {**super().get_config(), **config}
