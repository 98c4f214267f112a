"""Cross-entropy on the prediction, with label smoothing: the whole objective of multi-path networks."""

from typing import Any

import keras
from keras import ops

from tf_routing.core.tensors import Array, Tensor
from tf_routing.objectives.labels import class_distributions
from tf_routing.objectives.objective import Objective
from tf_routing.objectives.sample_weights import weighted_mean
from tf_routing.support.validation import is_number


@keras.saving.register_keras_serializable(package="tf_routing")
class Classification(Objective):
    """Cross-entropy of the model's prediction, computed from logits where the model has them.

    Equation:
        L = - mean_B sum_k q_k log(p_k)
        q_k = (1 - eps) y_k + eps / K

        with y (B, K) the `labels` as distributions over K classes, p the predicted probabilities in `outputs`, and
        eps = `label_smoothing`. With `sample_weight` the mean is over weighted samples. The paper on multi-path
        networks mentions neither smoothing nor losses of single paths: the prediction is the average over paths.

    Args:
        label_smoothing: Float in [0, 1), the share of a label that is spread evenly over all classes.

    Raises:
        ValueError: If `label_smoothing` is outside [0, 1).

    Example:

    >>> outputs = {"logits": keras.ops.zeros((2, 4))}
    >>> round(float(Classification()(keras.ops.array([0, 3]), outputs)["classification_loss"]), 4)
    1.3863

    Reference:
        Szegedy et al. (2015), *Rethinking the Inception Architecture for Computer Vision*, arXiv:1512.00567, section 7,
        for the smoothing. Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*,
        arXiv:2107.02450, section 6.
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        if not (is_number(label_smoothing) and 0 <= label_smoothing < 1):
            raise ValueError(f"`label_smoothing` must be in [0, 1). Received: label_smoothing={label_smoothing!r}")
        self.label_smoothing = label_smoothing

    @property
    def reads_classes(self) -> bool:
        """True: labels must be class indices or distributions over classes."""
        return True

    @property
    def names(self) -> tuple[str, ...]:
        """The name of the only term, `classification_loss`."""
        return ("classification_loss",)

    def __call__(
        self, labels: Array, outputs: dict[str, Tensor], sample_weight: Array | None = None
    ) -> dict[str, Tensor]:
        # A softmax and a logarithm in one are stable where probabilities underflow.
        from_logits = "logits" in outputs
        predictions = outputs["logits" if from_logits else "probabilities"]
        targets = class_distributions(labels, predictions)
        targets = targets * (1 - self.label_smoothing) + self.label_smoothing / predictions.shape[-1]
        losses = ops.categorical_crossentropy(targets, predictions, from_logits=from_logits)
        return {"classification_loss": weighted_mean(losses, sample_weight)}

    def get_config(self) -> dict[str, Any]:
        return {"label_smoothing": self.label_smoothing}
