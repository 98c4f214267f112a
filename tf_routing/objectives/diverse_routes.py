"""The objective of networks that skip: routes that are diverse over images and consistent over copies of one image."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tf_routing import cost
from tf_routing.core.replicas import mean_over_replicas, rows_of_all_replicas
from tf_routing.core.tensors import Array, Tensor
from tf_routing.objectives.classifying_objective import ClassifyingObjective
from tf_routing.support.validation import is_number, not_negative, one_of, plain, positive_integer, positive_number

REGULARIZATIONS = ("within", "center")
ENTRIES = ("execute", "both")
_RAISE, _LOWER = 1.05, 0.95
_LEAST_WEIGHT, _MOST_WEIGHT = 1e-4, 10.0
# Added to squared norms: the gradient of a root at zero is infinite, and that of a zero distance would be NaN.
_TINY = 1e-12


@keras.saving.register_keras_serializable(package="tf_routing")
class DiverseRoutes(ClassifyingObjective):
    """Classification, consistency, diversity, cost and regularisation terms of networks that skip blocks.

    Augmented copies of one image should take routes close to their centre (consistency), and the centres of different
    images should be apart (diversity). Terms are logged as they enter the sum, together with `execution_rate`, the
    share of decisions of at least one half.

    Equation:
        m_i = mean_j route_ij
        L_cons = 1 / (L M) sum_i sum_j [|route_ij - m_i| - d_c]+^2             (Eq. 5)
        L_div = 1 / (L (L - 1)) sum_i sum_j!=i [d_d - |m_i - m_j|]+^2          (Eq. 6)
        L_cost = mean_B sum_k c_k r_k                                          (Eq. 8)
        L = L_cls + lambda L_cons + alpha L_div + mu L_cost + gamma L_reg      (Eq. 9)
        L_reg = 1 / (L M) sum_i sum_j |route_ij - m_i|                         (Eq. 10)

        with route_ij = [r_1, ..., r_n] the soft decisions in `outputs`, by the names in `macs`, of copy j = 1..M of
        image i = 1..L: a batch of B = L M rows holds M = `copies` neighbouring rows per image. |.| is the Euclidean
        norm and [x]+ = max(0, x). d_c = `consistency_margin`, d_d = `diversity_margin`, lambda = `consistency_weight`,
        alpha = `diversity_weight`, mu = `cost_weight`, gamma = `regularization_weight`, and L_cls is the cross-entropy
        of `labels` with `label_smoothing`.

        Where the paper is ambiguous: c_k, whose unit is open, is the share of decision k in the sum of `macs`, so
        L_cost is the executed share of switched operations. Eq. 10 has an r_i in place of route_ij that is defined
        nowhere; with `regularization` "center" the other likely reading, L_reg = 1 / L sum_i |m_i|, is used. Without
        consistency (lambda = 0) gamma is 0 too, because L_reg as well asks for consistency, and the paper's baseline
        has neither. The weight mu is "adjusted adaptively": with a `target` it is multiplied by 1.05 after epochs that
        executed more blocks than that, and by 0.95 after those that executed less.

        The authors' later public code (CoDiNet) has neither L_reg nor costs of blocks: with `target_blocks` K,
        L_cost = |mean_B sum_k r_k - K|. There routes hold both entries of every decision, r_k and 1 - r_k: with
        `entries` "both" all distances are sqrt(2) times as long.

        At evaluation every row of a batch is another image, so L_cons is 0, and so is L_reg with "within".

    Args:
        macs: Dict from decision name to the multiply-accumulates `(choices,)` that it switches.
        copies: Integer M, the number of copies of an image in a training batch, as
            `data.batching.batches.training_batches` makes them of a plan with `copies`.
        consistency_weight: Float lambda, weight of the consistency term.
        diversity_weight: Float alpha, weight of the diversity term.
        cost_weight: Float mu, weight of the cost term; its initial value if there is a target.
        regularization_weight: Float gamma, weight of the regularisation term.
        consistency_margin: Float d_c, distance from the centre up to which there is no loss.
        diversity_margin: Float d_d, distance between centres from which on there is no loss.
        regularization: Reading of Eq. 10: `"within"`, distances of copies from their centre, or `"center"`, distances
            of centres from the origin.
        target: Float in (0, 1], the share of executed blocks that the cost weight is adapted to after every epoch;
            `None` keeps the weight.
        label_smoothing: Float in [0, 1), as for `Classification`.
        entries: `"execute"`, routes hold the share of running each block, or `"both"`, that of bypassing it too.
        target_blocks: Float, the mean number of executed blocks from which the cost term is the distance; `None` for
            Eq. 8.

    Raises:
        ValueError: If an argument is unknown or out of range.

    Example:

    >>> objective = DiverseRoutes(macs={"router_1": [3], "router_2": [1]}, copies=2)
    >>> routes = {"router_1": keras.ops.array([[1.0], [1.0]]), "router_2": keras.ops.array([[0.0], [0.0]])}
    >>> terms = objective(keras.ops.array([0, 0]), {"logits": keras.ops.zeros((2, 4)), **routes})
    >>> {name: round(float(term), 4) for name, term in terms.items() if name != "classification_loss"}
    {'consistency_loss': 0.0, 'diversity_loss': 0.0, 'cost_loss': 0.0375, 'regularization_loss': 0.0}

    Reference:
        Wang et al. (2020), *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*,
        arXiv:2005.14439, sections 3.2 to 3.4, Eq. 5, 6 and 8 to 10.
    """

    def __init__(
        self,
        macs: Mapping[str, Sequence[int]],
        copies: int = 1,
        consistency_weight: float = 0.2,
        diversity_weight: float = 0.2,
        cost_weight: float = 0.05,
        regularization_weight: float = 0.5,
        consistency_margin: float = 0.2,
        diversity_margin: float = 0.5,
        regularization: str = "within",
        target: float | None = None,
        label_smoothing: float = 0.0,
        entries: str = "execute",
        target_blocks: float | None = None,
    ) -> None:
        if target_blocks is not None and target is not None:
            raise ValueError(
                f"`target` adapts the weight of Eq. 8, which `target_blocks` replaces: give one of them. "
                f"Received: target={target!r}, target_blocks={target_blocks!r}"
            )
        if target is not None and not (is_number(target) and 0 < target <= 1):
            raise ValueError(f"`target` must be None or in (0, 1]. Received: target={target!r}")
        self.macs = {name: list(map(int, each)) for name, each in macs.items()}
        self.copies = positive_integer("copies", copies)
        self.consistency_weight = not_negative("consistency_weight", consistency_weight)
        self.diversity_weight = not_negative("diversity_weight", diversity_weight)
        self.cost_weight = not_negative("cost_weight", cost_weight)
        self.regularization_weight = not_negative("regularization_weight", regularization_weight)
        self.consistency_margin = not_negative("consistency_margin", consistency_margin)
        self.diversity_margin = not_negative("diversity_margin", diversity_margin)
        self.regularization = one_of("regularization", regularization, REGULARIZATIONS)
        self.entries = one_of("entries", entries, ENTRIES)
        self.target_blocks = None if target_blocks is None else positive_number("target_blocks", target_blocks)
        super().__init__(label_smoothing)
        self.target = plain(target)
        self.adapted_weight: Any = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the terms: classification, consistency, diversity, cost and regularisation losses."""
        return ("classification_loss", "consistency_loss", "diversity_loss", "cost_loss", "regularization_loss")

    @property
    def measured_names(self) -> tuple[str, ...]:
        """The names of the measures: `execution_rate`, and with a target the adapted `cost_weight`."""
        return ("execution_rate",) if self.target is None else ("execution_rate", "cost_weight")

    def build(self, outputs: dict[str, Any]) -> None:
        """Creates the adapted cost weight, if there is a target; `compile` called again keeps it."""
        if self.target is not None and self.adapted_weight is None:
            self.adapted_weight = keras.Variable(self.cost_weight, trainable=False, name="cost_weight")

    @property
    def state(self) -> list[Any]:
        """The adapted weight of the cost term, if there is a target."""
        return [] if self.adapted_weight is None else [self.adapted_weight]

    @property
    def starting_point(self) -> dict[str, Any]:
        """The initial cost weight, and the target it is adapted to."""
        return {"cost_weight": self.cost_weight, "target": self.target}

    def end_epoch(self, logs: Mapping[str, float]) -> None:
        """Raises the cost weight if the epoch executed more blocks than the target, and lowers it if fewer."""
        if self.target is None or self.adapted_weight is None or logs["execution_rate"] == self.target:
            return
        factor = _RAISE if logs["execution_rate"] > self.target else _LOWER
        # Not `float(variable)`: under a `tf.distribute` strategy it is a variable of several replicas.
        changed = float(ops.convert_to_numpy(self.adapted_weight)) * factor
        # Bounded: a weight of zero would never rise again, and one without limit would drown the classification.
        self.adapted_weight.assign(min(max(changed, _LEAST_WEIGHT), _MOST_WEIGHT))

    def at_evaluation(self) -> "DiverseRoutes":
        """Returns this objective for batches without copies, which shares the adapted cost weight."""
        ungrouped = copy.copy(self)
        ungrouped.copies = 1
        return ungrouped

    def grouped(self, copies: int) -> "DiverseRoutes":
        """Returns this objective for training batches with `copies` neighbouring rows per image."""
        return DiverseRoutes(**{**self.get_config(), "copies": copies})

    def __call__(
        self, labels: Array, outputs: dict[str, Tensor], sample_weight: Array | None = None
    ) -> dict[str, Tensor]:
        routes = self._compared_routes(outputs)
        groups = ops.reshape(routes, (-1, self.copies, routes.shape[-1]))
        centres = ops.mean(groups, axis=1)
        deviations = _norm(groups - ops.expand_dims(centres, 1))
        beyond = ops.mean(ops.square(ops.relu(deviations - self.consistency_margin)))
        spread = ops.mean(deviations if self.regularization == "within" else _norm(centres))
        regularization_weight = self.regularization_weight if self.consistency_weight else 0.0
        return {
            **self.classification(labels, outputs, sample_weight),
            "consistency_loss": self.consistency_weight * beyond,
            "diversity_loss": self.diversity_weight * self._closeness(rows_of_all_replicas(centres)),
            "cost_loss": self._current_cost_weight() * self._cost(outputs),
            # Not exactly zero for identical copies: a distance is at least the root of `_TINY`.
            "regularization_loss": regularization_weight * spread,
        }

    def measures(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns the share of blocks that hard decisions execute, and the current weight of the cost term."""
        rate = ops.mean(ops.cast(self._routes(outputs) >= 0.5, "float32"))
        values = {"execution_rate": rate, "cost_weight": self._current_cost_weight()}
        return {name: values[name] for name in self.measured_names}

    def _current_cost_weight(self) -> Any:
        return self.cost_weight if self.adapted_weight is None else ops.convert_to_tensor(self.adapted_weight)

    def _routes(self, outputs: dict[str, Any]) -> Any:
        return ops.concatenate([ops.cast(outputs[name], "float32") for name in self.macs], axis=-1)

    def _compared_routes(self, outputs: dict[str, Any]) -> Any:
        routes = self._routes(outputs)
        return routes if self.entries == "execute" else ops.concatenate([routes, 1 - routes], axis=-1)

    def _cost(self, outputs: dict[str, Any]) -> Any:
        if self.target_blocks is None:
            return self._expected_share(outputs)
        executed = mean_over_replicas(ops.mean(ops.sum(self._routes(outputs), axis=-1)))
        return ops.abs(executed - self.target_blocks)

    def _closeness(self, centres: Any) -> Any:
        """Returns the mean over pairs of images of the squared distance that is missing to the margin (Eq. 6)."""
        distances = _norm(ops.expand_dims(centres, 0) - ops.expand_dims(centres, 1))
        missing = ops.square(ops.relu(self.diversity_margin - distances))
        count = ops.shape(centres)[0]
        # At least one pair: a batch of one image has no other to be apart from, and a loss of zero, not NaN.
        pairs = ops.cast(ops.maximum(count * (count - 1), 1), "float32")
        return ops.sum(missing * (1 - ops.eye(count, dtype="float32"))) / pairs

    def _expected_share(self, outputs: dict[str, Any]) -> Any:
        total = sum(sum(each) for each in self.macs.values())
        shares = {name: np.array(each) / total for name, each in self.macs.items()}
        probabilities = {name: ops.cast(outputs[name], "float32") for name in self.macs}
        return ops.mean(cost.expected_macs(shares, probabilities))

    def get_config(self) -> dict[str, Any]:
        return {
            "macs": self.macs,
            "copies": self.copies,
            "consistency_weight": self.consistency_weight,
            "diversity_weight": self.diversity_weight,
            "cost_weight": self.cost_weight,
            "regularization_weight": self.regularization_weight,
            "consistency_margin": self.consistency_margin,
            "diversity_margin": self.diversity_margin,
            "regularization": self.regularization,
            "target": self.target,
            **super().get_config(),
            "entries": self.entries,
            "target_blocks": self.target_blocks,
        }


def _norm(vectors: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(vectors), axis=-1) + _TINY)
