"""The objective of BlockDrop: a policy is rewarded for right answers with few blocks, by policy gradients."""

import copy
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from tf_routing.core.tensors import Array, Tensor
from tf_routing.objectives.classifying_objective import ClassifyingObjective
from tf_routing.objectives.labels import class_distributions
from tf_routing.objectives.sample_weights import weighted_mean
from tf_routing.support.validation import not_negative


@keras.saving.register_keras_serializable(package="tf_routing")
class PolicyGradient(ClassifyingObjective):
    """Classification with blocks as they were drawn, and the self-critical policy gradient of the reward.

    Terms are logged as they enter the sum, together with `execution_rate`, the share of blocks that run.

    Equation:
        R(u) = 1 - (|u| / K)^2 if the answer is right, else - c
        A = R(u) - R(v)
        L_policy = - mean_B(A sum_k log(u_k q_k + (1 - u_k)(1 - q_k)))
        H = - mean_B(sum_k q_k log(q_k))
        L = alpha L_cls + beta L_policy - gamma H

        with u_k (B, 1) the drawn decision about block k = 1..K in `outputs`, by the names in `decisions`, and |u| the
        number of blocks that run; q_k the probability of running it by the scores of that name; v the decisions that
        the network makes at inference, which with their answer are the baseline; c = `penalty`; alpha =
        `classification_weight`, beta = `policy_weight`, gamma = `entropy_weight`; and L_cls the cross-entropy of
        `labels` with `label_smoothing`. A is a constant to the optimizer.

        The paper trains in two stages: the policy alone, on a network that was trained before and is frozen, about one
        more block after every epoch; and then both together. Here both learn together from the start, and
        the BlockPolicy layer has the curriculum. H is that of the authors' public code, which has it in the first stage
        and leaves out the entropy's other half.

    Args:
        decisions: Dict from the name of each decision to that of its scores.
        penalty: Float c, the loss for a wrong answer.
        classification_weight: Float alpha, weight of the classification.
        policy_weight: Float beta, weight of the policy gradient.
        entropy_weight: Float gamma, weight of the entropy.
        label_smoothing: Float in [0, 1), as for `Classification`.

    Raises:
        ValueError: If no decision is named, or a weight is negative.

    Example:

    >>> objective = PolicyGradient({"router_1": "policy_scores_1"}, penalty=2.0, entropy_weight=0.0)
    >>> logits = keras.ops.array([[3.0, 0.0]])
    >>> drawn = {"logits": logits, "probabilities": logits, "router_1": keras.ops.zeros((1, 1))}
    >>> hard = {"hard_probabilities": logits, "hard_router_1": keras.ops.ones((1, 1))}
    >>> terms = objective(keras.ops.array([0]), {**drawn, **hard, "policy_scores_1": keras.ops.zeros((1, 2))})
    >>> round(float(terms["policy_loss"]), 4)  # right without the block: an advantage of 1, with log(1 / 2)
    0.6931

    Reference:
        Wu et al. (2017), *BlockDrop: Dynamic Inference Paths in Residual Networks*, arXiv:1711.08393, section 3, and
        the authors' public code.
    """

    def __init__(
        self,
        decisions: Mapping[str, str],
        penalty: float = 1.0,
        classification_weight: float = 1.0,
        policy_weight: float = 1.0,
        entropy_weight: float = 0.1,
        label_smoothing: float = 0.0,
    ) -> None:
        if not decisions:
            raise ValueError("`decisions` must name one at least. Received: none")
        self.decisions = dict(decisions)
        self.penalty = not_negative("penalty", penalty)
        self.classification_weight = not_negative("classification_weight", classification_weight)
        self.policy_weight = not_negative("policy_weight", policy_weight)
        self.entropy_weight = not_negative("entropy_weight", entropy_weight)
        super().__init__(label_smoothing)
        self.draws = True

    @property
    def reads_hard_answers(self) -> bool:
        """True, in training: the baseline is what the model answers at inference."""
        return self.draws

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the terms: classification, policy and entropy losses."""
        return ("classification_loss", "policy_loss", "entropy_loss")

    @property
    def measured_names(self) -> tuple[str, ...]:
        """The name of the measure, `execution_rate`."""
        return ("execution_rate",)

    def at_evaluation(self) -> "PolicyGradient":
        """Returns this objective for decisions that are not drawn, whose advantage is none."""
        decided = copy.copy(self)
        decided.draws = False
        return decided

    def __call__(
        self, labels: Array, outputs: dict[str, Tensor], sample_weight: Array | None = None
    ) -> dict[str, Tensor]:
        classification = self.classification(labels, outputs, sample_weight)["classification_loss"]
        margins = self._margins(outputs)
        # log(q) and log(1 - q) of the sigmoid, stable where a block is certain to run.
        run, skip = -ops.softplus(-margins), -ops.softplus(margins)
        entropy = -ops.mean(ops.sum(ops.sigmoid(margins) * run, axis=-1))
        return {
            "classification_loss": self.classification_weight * classification,
            "policy_loss": self.policy_weight * self._policy_loss(labels, outputs, run, skip, sample_weight),
            "entropy_loss": -self.entropy_weight * entropy,
        }

    def _policy_loss(self, labels: Any, outputs: dict[str, Any], run: Any, skip: Any, sample_weight: Any) -> Any:
        if not self.draws:
            return ops.zeros((), dtype="float32")
        drawn = ops.stop_gradient(self._blocks(outputs))
        advantage = ops.stop_gradient(
            self.reward(labels, outputs["probabilities"], drawn)
            - self.reward(labels, outputs["hard_probabilities"], self._blocks(outputs, "hard_"))
        )
        chance = ops.sum(drawn * run + (1 - drawn) * skip, axis=-1)
        return -weighted_mean(advantage * chance, sample_weight)

    def reward(self, labels: Any, probabilities: Any, blocks: Any) -> Any:
        """Returns the reward of every image, `(batch,)`.

        Args:
            labels: As for calling the objective.
            probabilities: Tensor `(batch, classes)`, the answers.
            blocks: Tensor `(batch, blocks)` of 0 and 1, those that ran.
        """
        right = ops.argmax(class_distributions(labels, probabilities), axis=-1) == ops.argmax(probabilities, axis=-1)
        return ops.where(right, 1 - ops.square(ops.mean(blocks, axis=-1)), -self.penalty)

    def measures(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns the share of blocks that run."""
        return {"execution_rate": ops.mean(self._blocks(outputs))}

    def _blocks(self, outputs: dict[str, Any], prefix: str = "") -> Any:
        return ops.concatenate([ops.cast(outputs[prefix + name], "float32") for name in self.decisions], axis=-1)

    def _margins(self, outputs: dict[str, Any]) -> Any:
        pairs = [ops.cast(outputs[name], "float32") for name in self.decisions.values()]
        return ops.stack([pair[:, 0] - pair[:, 1] for pair in pairs], axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {
            "decisions": self.decisions,
            "penalty": self.penalty,
            "classification_weight": self.classification_weight,
            "policy_weight": self.policy_weight,
            "entropy_weight": self.entropy_weight,
            **super().get_config(),
        }
