"""Accuracy by the rank of the right class, in which ties and NaN never count in favour."""

from typing import Any

import keras
from keras import ops

from tf_routing.core.private_apis import tell_better


def label_ranks(probabilities: Any, labels: Any) -> Any:
    """Returns the ranks of labels: one, and one more for every other class that is at least as probable.

    So ties never count in favour: of a constant prediction every label comes last. A prediction that is not a number,
    and a label that names no class, come behind all classes.

    Args:
        probabilities: Tensor `(batch, classes)`.
        labels: Class indices `(batch,)` or `(batch, 1)`, or distributions `(batch, classes)`, of which the most
            probable class is the label.

    Returns:
        Integer tensor `(batch,)`.

    Example:

    >>> label_ranks(ops.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2]]), ops.array([1, 0])).numpy().tolist()
    [2, 2]
    """
    probabilities, labels = ops.convert_to_tensor(probabilities), ops.convert_to_tensor(labels)
    classes = probabilities.shape[-1]
    if len(labels.shape) == 2 and labels.shape[-1] == classes and classes > 1:
        labels = ops.argmax(labels, axis=-1)
    labels = ops.reshape(labels, (-1, 1))
    is_label = labels == ops.cast(ops.arange(classes), labels.dtype)
    label_probability = ops.sum(ops.where(is_label, probabilities, ops.zeros_like(probabilities)), axis=-1)
    ranks = ops.sum(ops.cast(probabilities >= ops.expand_dims(label_probability, -1), "int32"), axis=-1)
    known = ops.any(is_label, axis=-1) & ~ops.any(ops.isnan(probabilities), axis=-1)
    return ops.where(known, ranks, classes + 1)


@keras.saving.register_keras_serializable(package="tf_routing")
class LabelAccuracy(keras.metrics.MeanMetricWrapper):
    """The share of labels whose class alone is the most probable: what `"accuracy"` means to a `RoutedModel`.

    That of Keras takes the first class where several are as probable, and where all are NaN.

    Args:
        name: String.
        dtype: As for every `keras.metrics.Metric`.

    Example:

    >>> metric = LabelAccuracy()
    >>> metric.update_state([0, 1], [[0.9, 0.1], [0.5, 0.5]])
    >>> float(metric.result())
    0.5
    """

    def __init__(self, name: str = "accuracy", dtype: Any = None) -> None:
        super().__init__(_is_first, name=name, dtype=dtype)
        tell_better(self, "up")

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}


def _is_first(labels: Any, probabilities: Any) -> Any:
    return ops.cast(label_ranks(probabilities, labels) == 1, "float32")


def with_label_accuracy(metrics: Any) -> Any:
    """Returns metrics, as `compile` takes them, with `LabelAccuracy` for `"accuracy"` and `"acc"`."""
    return keras.tree.map_structure(
        lambda each: LabelAccuracy(each) if isinstance(each, str) and each.lower() in ("accuracy", "acc") else each,
        metrics,
    )
