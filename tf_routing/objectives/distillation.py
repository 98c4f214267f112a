"""Distillation from the network itself: with gates that close it should answer as it does with all of them open."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tf_routing import cost, exit_tree
from tf_routing.core.tensors import Array, Tensor
from tf_routing.objectives.classification import Classification
from tf_routing.objectives.objective import Objective
from tf_routing.objectives.sample_weights import weighted_mean
from tf_routing.support.validation import not_negative, positive_number

# A probability that underflowed has a logarithm too.
_TINY = 1e-12


@keras.saving.register_keras_serializable(package="tf_routing")
class Distillation(Objective):
    """Divergence from the answers of the whole network, and what is executed: labels are not needed.

    The teacher is the network itself, with every gate open and no image leaving early, at inference: the same weights,
    once more run, not a second copy of them. No gradient passes through it.

    Equation:
        L_dist = tau^2 mean_B [ sum_l p_l KL(softmax(t / tau), softmax(z_l / tau)) ]
        L_exits = nu tau^2 mean_B mean_l KL(softmax(t / tau), softmax(z_l / tau))
        L_cost = mu mean_B sum_k c_k r_k
        L = L_dist + L_exits + L_cost + rho L_cls

        with t (B, K) the logits of the teacher; z_l (B, K) those of exit l and p_l (B,) the probability of a sample to
        leave there, a network without exits having one, at which all leave; r_k the probabilities of the decisions in
        `outputs`, by the names in `macs`, behind a junction times that of coming there; c_k their share of the sum of
        `macs`, so that L_cost is the executed share of what can be skipped, but for junctions, of which one way is
        taken. L_exits trains heads at which nobody leaves yet. tau = `temperature`, nu = `exit_weight`,
        mu = `cost_weight`, rho = `label_weight`, and L_cls is the cross-entropy of `labels`, which are read only where
        rho is not 0.

    Args:
        macs: Dict from decision name to the multiply-accumulates `(choices,)` that it switches.
        behind: Dict from decision name to the junction and the sink behind which it lies, for networks whose exits are
            between blocks that are skipped.
        cost_weight: Float mu, weight of the executed share.
        exit_weight: Float nu, weight of the divergence at all exits.
        label_weight: Float rho, weight of the classification.
        temperature: Float tau, by which logits are divided.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> objective = Distillation(macs={"router_1": [3], "router_2": [1]}, cost_weight=0.5)
    >>> outputs = {"logits": keras.ops.zeros((1, 4)), "whole_logits": keras.ops.zeros((1, 4))}
    >>> outputs |= {"router_1": keras.ops.array([[1.0]]), "router_2": keras.ops.array([[0.0]])}
    >>> {name: round(float(term), 4) for name, term in objective(None, outputs).items()}
    {'distillation_loss': 0.0, 'cost_loss': 0.375}

    Reference:
        Hinton et al. (2015), *Distilling the Knowledge in a Neural Network*, arXiv:1503.02531, section 2.
    """

    def __init__(
        self,
        macs: Mapping[str, Sequence[int]],
        behind: Mapping[str, Sequence[Any]] | None = None,
        cost_weight: float = 0.05,
        exit_weight: float = 1.0,
        label_weight: float = 0.0,
        temperature: float = 1.0,
    ) -> None:
        self.macs = {name: list(map(int, each)) for name, each in macs.items()}
        self.behind = {name: (str(gate[0]), int(gate[1])) for name, gate in (behind or {}).items()}
        self.cost_weight = not_negative("cost_weight", cost_weight)
        self.exit_weight = not_negative("exit_weight", exit_weight)
        self.label_weight = not_negative("label_weight", label_weight)
        self.temperature = positive_number("temperature", temperature)
        self._has_exits = False

    def build(self, outputs: dict[str, Any]) -> None:
        """Notes whether the network has exits, of whose divergence there is a term then."""
        self._has_exits = _exit_logits(outputs) is not None

    @property
    def reads_classes(self) -> bool:
        """Whether labels are read."""
        return self.label_weight > 0

    @property
    def reads_whole_network(self) -> bool:
        """True: it compares with the answers of the whole network."""
        return True

    @property
    def names(self) -> tuple[str, ...]:
        """`distillation_loss`, `exits_loss` with exits, `cost_loss`, and `classification_loss` if labels are read."""
        exits = ("exits_loss",) if self._has_exits else ()
        return ("distillation_loss", *exits, "cost_loss", *(("classification_loss",) if self.reads_classes else ()))

    @property
    def measured_names(self) -> tuple[str, ...]:
        """`execution_rate`, the executed share of what can be skipped, and `agreement` with the whole network."""
        return ("execution_rate", "agreement")

    def __call__(
        self, labels: Array, outputs: dict[str, Tensor], sample_weight: Array | None = None
    ) -> dict[str, Tensor]:
        teacher = ops.stop_gradient(_logits(outputs, "whole_"))
        exits = _exit_logits(outputs)
        terms = {}
        if exits is None:
            divergence = self._divergence(teacher, _logits(outputs))
            terms["distillation_loss"] = weighted_mean(divergence, sample_weight)
        else:
            by_exit = self._divergence(ops.expand_dims(teacher, 1), ops.cast(exits, "float32"))
            expected = ops.sum(self._leaving(outputs, exits.shape[1]) * by_exit, axis=1)
            terms["distillation_loss"] = weighted_mean(expected, sample_weight)
            terms["exits_loss"] = self.exit_weight * weighted_mean(ops.mean(by_exit, axis=1), sample_weight)
        terms["cost_loss"] = self.cost_weight * self._executed_share(outputs)
        if self.reads_classes:
            classified = Classification()(labels, outputs, sample_weight)
            terms["classification_loss"] = self.label_weight * classified["classification_loss"]
        return terms

    def _divergence(self, teacher: Any, student: Any) -> Any:
        soft, logs = ops.softmax(teacher / self.temperature), ops.log_softmax(teacher / self.temperature)
        differences = logs - ops.log_softmax(student / self.temperature)
        return self.temperature**2 * ops.sum(soft * differences, axis=-1)

    def _leaving(self, outputs: dict[str, Any], count: int) -> Any:
        """Returns the probability of every image to leave by each exit of a chain, `(batch, exits)`."""
        junctions = [name for name, each in self.macs.items() if f"{name}_scores" in outputs]
        decisions = [ops.cast(outputs[name], "float32") for name in junctions]
        if len(decisions) != count - 1:
            raise ValueError(f"`macs` must name the junctions of a chain of {count} exits. Received: {junctions}")
        return ops.concatenate([*(each[:, :1] for each in decisions), decisions[-1][:, 1:]], axis=-1)

    def _probabilities(self, outputs: dict[str, Any]) -> dict[str, Any]:
        junctions = (gate for gate, _ in self.behind.values())
        found = {name: ops.cast(outputs[name], "float32") for name in dict.fromkeys((*self.macs, *junctions))}
        reached = exit_tree.decisions_reached(found, self.behind)
        return {name: reached[name] for name in self.macs}

    def _executed_share(self, outputs: dict[str, Any]) -> Any:
        total = sum(sum(each) for each in self.macs.values())
        shares = {name: np.array(each) / total for name, each in self.macs.items()}
        return ops.mean(cost.expected_macs(shares, self._probabilities(outputs)))

    def measures(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns the executed share, and the share of images that get the answer of the whole network."""
        answers = [ops.argmax(outputs[name], axis=-1) for name in ("probabilities", "whole_probabilities")]
        agreement = ops.mean(ops.cast(answers[0] == answers[1], "float32"))
        return {"execution_rate": self._executed_share(outputs), "agreement": agreement}

    def get_config(self) -> dict[str, Any]:
        return {
            "macs": self.macs,
            "behind": {name: list(gate) for name, gate in self.behind.items()},
            "cost_weight": self.cost_weight,
            "exit_weight": self.exit_weight,
            "label_weight": self.label_weight,
            "temperature": self.temperature,
        }


def _logits(outputs: dict[str, Any], prefix: str = "") -> Any:
    """Returns logits, or logarithms of probabilities, whose softmax is the same."""
    if f"{prefix}logits" in outputs:
        return ops.cast(outputs[f"{prefix}logits"], "float32")
    return ops.log(ops.cast(outputs[f"{prefix}probabilities"], "float32") + _TINY)


def _exit_logits(outputs: dict[str, Any]) -> Any:
    return next((each for name, each in outputs.items() if name.endswith("_exit_logits")), None)
