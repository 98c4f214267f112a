"""Accuracies of class probabilities, as Keras counts them."""

from typing import Any

import keras
import numpy as np

_TOP = 5


def accuracies(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Returns the accuracy, and the top-5 accuracy where that says something.

    Args:
        probabilities: Array `(images, classes)`.
        labels: Class indices `(images,)`.

    Returns:
        Dict of `accuracy`, and `top5_accuracy` where there are more than five classes.

    Example:

    >>> accuracies(np.eye(3), np.array([0, 1, 1]))
    {'accuracy': 0.6666666666666666}
    """
    correct = probabilities.argmax(axis=-1) == labels
    return {"accuracy": float(np.mean(correct)), **top5_accuracy(probabilities, labels)}


def top5_accuracy(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Returns `top5_accuracy`, a dict that is empty where there are no more than five classes; see `accuracies`."""
    if probabilities.shape[-1] <= _TOP:
        return {}
    metric: Any = keras.metrics.SparseTopKCategoricalAccuracy(_TOP)
    # TensorFlow ranks float32 alone; networks of other precisions answer in theirs.
    metric.update_state(labels, probabilities.astype("float32"))
    return {"top5_accuracy": float(metric.result())}
