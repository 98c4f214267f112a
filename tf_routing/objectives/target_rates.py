"""The objective of convolutional networks with adaptive inference graphs: classification at a target rate per block."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from tf_routing.core.replicas import mean_over_replicas
from tf_routing.core.tensors import Array, Tensor
from tf_routing.objectives.classifying_objective import ClassifyingObjective
from tf_routing.support.validation import is_number, not_negative, plain


@keras.saving.register_keras_serializable(package="tf_routing")
class TargetRates(ClassifyingObjective):
    """Classification, and the distance of every block's execution rate from a target of its own.

    Terms are logged as they enter the sum, together with `execution_rate`, the share of blocks that run.

    Equation:
        z_l = mean_B(g_l)
        L_rate = 1 / L sum_l (z_l - t_l)^2
        L = L_cls + alpha L_rate

        with g_l (B, 1) the gates of block l = 1..L in `outputs`, by the names in `targets`, 0 or 1; t_l its target;
        alpha = `rate_weight`; and L_cls the cross-entropy of `labels` with `label_smoothing`.

        The mean over the batch is that of the gates as they were drawn. The authors' public code weighs the term by 2
        on CIFAR-10 and by 1 on ImageNet.

    Args:
        targets: Dict from decision name to the share of images in [0, 1] for which the block should run.
        rate_weight: Float alpha, weight of the rate term.
        label_smoothing: Float in [0, 1), as for `Classification`.

    Raises:
        ValueError: If there is no target, one is out of range, or the weight is negative.

    Example:

    >>> objective = TargetRates({"controller_1": 1.0, "controller_2": 0.5}, rate_weight=2.0)
    >>> gates = {"controller_1": keras.ops.array([[1.0], [0.0]]), "controller_2": keras.ops.array([[1.0], [0.0]])}
    >>> terms = objective(keras.ops.array([0, 3]), {"logits": keras.ops.zeros((2, 4)), **gates})
    >>> {name: round(float(term), 4) for name, term in terms.items()}
    {'classification_loss': 1.3863, 'target_rate_loss': 0.25}

    Reference:
        Veit and Belongie (2017), *Convolutional Networks with Adaptive Inference Graphs*, arXiv:1711.11503, section 3,
        and their public code.
    """

    def __init__(self, targets: Mapping[str, float], rate_weight: float = 1.0, label_smoothing: float = 0.0) -> None:
        if not targets:
            raise ValueError("`targets` must name a rate for one decision at least. Received: none")
        for name, rate in targets.items():
            if not (is_number(rate) and 0 <= rate <= 1):
                raise ValueError(f"`targets` must hold rates in [0, 1]. Received: {name!r}: {rate!r}")
        self.targets = {name: float(plain(rate)) for name, rate in targets.items()}
        self.rate_weight = not_negative("rate_weight", rate_weight)
        super().__init__(label_smoothing)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the terms: classification and target-rate losses."""
        return ("classification_loss", "target_rate_loss")

    @property
    def measured_names(self) -> tuple[str, ...]:
        """The name of the measure, `execution_rate`."""
        return ("execution_rate",)

    def __call__(
        self, labels: Array, outputs: dict[str, Tensor], sample_weight: Array | None = None
    ) -> dict[str, Tensor]:
        # A mean over the batch is squared: replicas need that of the whole batch.
        rates = mean_over_replicas(self._rates(outputs))
        targets = ops.convert_to_tensor(list(self.targets.values()), dtype="float32")
        return {
            **self.classification(labels, outputs, sample_weight),
            "target_rate_loss": self.rate_weight * ops.mean(ops.square(rates - targets)),
        }

    def measures(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns the share of blocks that run."""
        return {"execution_rate": ops.mean(self._rates(outputs))}

    def _rates(self, outputs: dict[str, Any]) -> Any:
        """Returns the share of images for which each block runs, `(blocks,)`."""
        gates: Sequence[Any] = [ops.cast(outputs[name], "float32") for name in self.targets]
        return ops.mean(ops.concatenate(gates, axis=-1), axis=0)

    def get_config(self) -> dict[str, Any]:
        return {
            "targets": self.targets,
            "rate_weight": self.rate_weight,
            **super().get_config(),
        }
