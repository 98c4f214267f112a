"""The objective of dynamic multi-path networks: classification at a target share of sub-blocks and operations."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tf_routing import cost
from tf_routing.core.replicas import mean_over_replicas
from tf_routing.core.tensors import Array, Tensor
from tf_routing.objectives.categories import validate_categories
from tf_routing.objectives.classifying_objective import ClassifyingObjective
from tf_routing.objectives.labels import class_distributions
from tf_routing.objectives.sample_weights import weighted_mean
from tf_routing.support.validation import is_number, plain


@keras.saving.register_keras_serializable(package="tf_routing")
class DynamicMultipath(ClassifyingObjective):
    """Classification, category, execution-rate and FLOPs terms of dynamic multi-path networks.

    Terms are logged as they enter the sum. The category heads, a linear layer per controller, belong to the objective:
    they train with the model but are no part of it.

    Equation:
        L_l = - sum_k y_k log(softmax(V_l h_l)_k)                  (Eq. 9)
        L_ctg = mean_B sum_l alpha_l L_l                           (Eq. 10)
        z_l = 1 / (B N) sum_B sum_i s_li                           (Eq. 11)
        L_exec = sum_l (r - z_l)^2                                 (Eq. 12)
        f = sum_l sum_i mean_B(s_li) f_li                          (Eq. 13)
        L_flops = (f / f_total - r)^2                              (Eq. 14)
        L_res = L_exec + L_flops                                   (Eq. 15)
        L = alpha_1 L_ctg + alpha_2 L_res + alpha_3 L_cls          (Eq. 16)

        with s_li the switch of sub-block i = 1..N of block l and h_l the state of its controller, both in `outputs`; r
        = `target_rate`; f_li the `macs` of the sub-block and f_total = `total_macs`; y_k the share of `labels` in
        category k by the table `categories`; V_l the category head; alpha_l the `category_weights`; alpha_1 =
        `category_scale`, alpha_2 = `resource_scale`, alpha_3 = `classification_scale`; and L_cls the cross-entropy of
        `labels` with `label_smoothing`.

        Eq. 9 lacks its minus sign. Eq. 12 writes e for its target, which the paper sets to r. Eq. 14 can be read with
        f_total the operations of all sub-blocks or of the whole network; only with the former can f reach it.

    Args:
        target_rate: Float r in (0, 1], the share of sub-blocks and of their operations that training aims at.
        macs: Dict from decision name to the multiply-accumulates of its sub-blocks.
        total_macs: Number, the multiply-accumulates of which r is a share: those of all sub-blocks, or of the whole
            network.
        categories: Categories by class, integers counted from 0, or `None` for no category term.
        category_weights: Dict from decision name to the weight of the category loss of its controller.
        category_scale: Float, weight of the category term.
        resource_scale: Float, weight of the execution-rate and the FLOPs terms.
        classification_scale: Float, weight of the classification term.
        label_smoothing: Float in [0, 1), as for `Classification`.

    Raises:
        ValueError: If `target_rate` is outside (0, 1], categories are given without weights, or they are no integers
            counted from 0; in `build`, if their number is not that of the classes.

    Example:

    >>> objective = DynamicMultipath(0.5, macs={"controller_1": [3, 1]}, total_macs=4)
    >>> outputs = {"logits": keras.ops.zeros((2, 4)), "controller_1": keras.ops.array([[1.0, 0.0], [1.0, 0.0]])}
    >>> {name: round(float(term), 4) for name, term in objective(keras.ops.array([0, 3]), outputs).items()}
    {'classification_loss': 1.3863, 'execution_rate_loss': 0.0, 'flops_loss': 0.0625}

    Reference:
        Su et al. (2019), *Dynamic Multi-path Neural Network*, arXiv:1902.10949, sections 3.2 and 3.3, Eq. 9 to 16.
    """

    def __init__(
        self,
        target_rate: float,
        macs: Mapping[str, Sequence[int]],
        total_macs: float,
        categories: Sequence[int] | None = None,
        category_weights: Mapping[str, float] | None = None,
        category_scale: float = 1.0,
        resource_scale: float = 1.0,
        classification_scale: float = 1.0,
        label_smoothing: float = 0.0,
    ) -> None:
        if not is_number(target_rate) or not 0 < target_rate <= 1:
            raise ValueError(f"`target_rate` must be in (0, 1]. Received: target_rate={target_rate!r}")
        if categories is not None and not category_weights:
            raise ValueError("`category_weights` must name a weight per decision where `categories` are given.")
        self.target_rate, self.total_macs = plain(target_rate), plain(total_macs)
        self.macs = {name: list(map(int, each)) for name, each in macs.items()}
        self.categories = None if categories is None else validate_categories(categories)
        self.category_weights = dict(category_weights or {})
        self.category_scale, self.resource_scale = category_scale, resource_scale
        self.classification_scale = classification_scale
        self.category_count = max(self.categories) + 1 if self.categories else 0
        super().__init__(label_smoothing)
        self.heads: dict[str, keras.layers.Dense] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the terms; `category_loss` is one of them only if there are categories."""
        category = ("category_loss",) if self.categories is not None else ()
        return ("classification_loss", *category, "execution_rate_loss", "flops_loss")

    def build(self, outputs: dict[str, Any]) -> None:
        """Creates the category heads for the shapes of `outputs`; `compile` called again keeps them as they are."""
        if self.categories is None or self.heads:
            return
        validate_categories(self.categories, outputs["probabilities"].shape[-1])
        for name in self.category_weights:
            # In float32 under every policy, as a loss needs; heads have no part in what the network computes.
            self.heads[name] = keras.layers.Dense(self.category_count, name=f"{name}_category", dtype="float32")
            self.heads[name].build(outputs[f"{name}_state"].shape)

    @property
    def variables(self) -> list[Any]:
        """The weights of the category heads, which train with the model."""
        return [weight for head in self.heads.values() for weight in head.weights]

    @property
    def starting_point(self) -> dict[str, Any]:
        """The categories that the heads predict, and the controllers that have a head."""
        return {"categories": self.categories, "category_weights": list(self.category_weights)}

    def __call__(
        self, labels: Array, outputs: dict[str, Tensor], sample_weight: Array | None = None
    ) -> dict[str, Tensor]:
        classification = self.classification(labels, outputs, sample_weight)["classification_loss"]
        terms = {"classification_loss": self.classification_scale * classification}
        if self.categories is not None:
            terms["category_loss"] = self.category_scale * self._category_loss(labels, outputs, sample_weight)
        rates = self._rates(outputs)
        executed = sum((self.target_rate - ops.mean(rate)) ** 2 for rate in rates.values())
        shares = {name: np.array(macs) / self.total_macs for name, macs in self.macs.items()}
        terms["execution_rate_loss"] = self.resource_scale * executed
        terms["flops_loss"] = self.resource_scale * (cost.expected_macs(shares, rates) - self.target_rate) ** 2
        return terms

    def _rates(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns the share of the whole batch for which sub-blocks are on, `(sub_blocks,)` by decision (b_i / B)."""
        means = [ops.mean(ops.cast(outputs[name], "float32"), axis=0) for name in self.macs]
        # Eq. 12 and 14 square a mean over the batch, so replicas need that of the whole batch: one all-reduce for all.
        whole = mean_over_replicas(ops.concatenate(means))
        ends = np.cumsum([len(macs) for macs in self.macs.values()])
        return {name: whole[end - len(macs) : end] for (name, macs), end in zip(self.macs.items(), ends, strict=True)}

    def _category_loss(self, labels: Any, outputs: dict[str, Any], sample_weight: Any) -> Any:
        predictions = outputs.get("logits", outputs["probabilities"])
        members = np.eye(self.category_count, dtype="float32")[self.categories]
        # Distributions over classes become distributions over categories, so mixed and smoothed labels work too.
        targets = ops.matmul(ops.cast(class_distributions(labels, predictions), "float32"), members)
        scores = {name: self.heads[name](outputs[f"{name}_state"]) for name in self.category_weights}
        losses = [
            weight * weighted_mean(ops.categorical_crossentropy(targets, scores[name], True), sample_weight)
            for name, weight in self.category_weights.items()
        ]
        return sum(losses[1:], start=losses[0])

    def get_config(self) -> dict[str, Any]:
        return {
            "target_rate": self.target_rate,
            "macs": self.macs,
            "total_macs": self.total_macs,
            "categories": self.categories,
            "category_weights": self.category_weights,
            "category_scale": self.category_scale,
            "resource_scale": self.resource_scale,
            "classification_scale": self.classification_scale,
            **super().get_config(),
        }
