"""Accuracies of class probabilities; a tie or NaN counts as wrong."""

import numpy as np

from tf_routing.models.training.label_accuracy import label_ranks

_TOP = 5


def accuracies(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Returns the accuracy, and the top-5 accuracy where there are more than five classes.

    A label is among the first k where fewer than k other classes are at least as probable; see `label_ranks`.

    Args:
        probabilities: Array `(images, classes)`.
        labels: Class indices `(images,)`.

    Returns:
        Dict of `accuracy`, `top5_accuracy` where there are more than five classes, and `nan_predictions` where there
        are any, the number of images whose prediction is NaN: they count as wrong.

    Example:

    >>> accuracies(np.eye(3), np.array([0, 1, 1]))
    {'accuracy': 0.6666666666666666}
    """
    first = float(np.mean(are_right(probabilities, labels)))
    return {"accuracy": first, **top5_accuracy(probabilities, labels), **nan_predictions(probabilities)}


def are_right(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns whether the label's class alone is the most probable, booleans `(images,)`."""
    return np.asarray(label_ranks(probabilities, labels)) == 1


def top5_accuracy(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Returns `top5_accuracy`, a dict that is empty where there are no more than five classes; see `accuracies`."""
    if probabilities.shape[-1] <= _TOP:
        return {}
    return {"top5_accuracy": float(np.mean(np.asarray(label_ranks(probabilities, labels)) <= _TOP))}


def nan_predictions(probabilities: np.ndarray) -> dict[str, int]:
    """Returns `nan_predictions`, a dict that is empty where there are none; see `accuracies`."""
    count = int(np.isnan(probabilities).any(axis=-1).sum())
    return {"nan_predictions": count} if count else {}
