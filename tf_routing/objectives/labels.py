"""Class labels turned into distributions, and the check that they are within a model's classes.

`one_hot` maps a label outside of the classes to a row of zeros, whose loss is zero: training would ignore the mistake
silently. On TensorFlow such a label raises; where a compiled step cannot raise (JAX, XLA), its target is NaN, and so is
the loss.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tf_routing.core.tensors import Array

# How far the sum of a distribution may be from 1: label smoothing and mixup, computed in bfloat16, stay below it.
TOLERANCE = 0.01


def class_distributions(labels: Array, predictions: Any) -> Any:
    """Returns labels as distributions `(batch, classes)`, whether they are indices or distributions already.

    Args:
        labels: Class indices `(batch,)` or `(batch, 1)`, or distributions `(batch, classes)`.
        predictions: Tensor `(batch, classes)`; the result has its dtype.

    Returns:
        Tensor `(batch, classes)`; the row of a label outside of the classes is NaN where nothing can be raised.

    Raises:
        ValueError: If the labels have another shape; and on TensorFlow if one of them fits no class. There a graph
            raises a `tf.errors.InvalidArgumentError`, which `RoutedModel.fit` and `evaluate` turn into this one.

    Example:

    >>> class_distributions(keras.ops.array([2, 0]), keras.ops.zeros((2, 3))).numpy().tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    labels, classes = ops.convert_to_tensor(labels), predictions.shape[-1]
    labels, fits = require_classes(labels, classes, ops.shape(predictions)[0])
    if _are_distributions(labels.shape, classes):
        targets = ops.cast(labels, predictions.dtype)
    else:
        targets = ops.one_hot(ops.cast(labels, "int32"), classes, dtype=predictions.dtype)
    return ops.where(ops.expand_dims(fits, -1), targets, ops.full_like(targets, np.nan))


def require_classes(labels: Array, classes: int, rows: Any, ignored: int | None = None) -> tuple[Any, Any]:
    """Returns labels, and which are within the classes; on TensorFlow, reading the labels raises if one is not.

    Args:
        labels: Tensor, as for `class_distributions`.
        classes: Integer, number of classes.
        rows: Integer or integer tensor, rows of the predictions; `None` where that is unknown.
        ignored: Integer, an index that is accepted although it is none of the classes.

    Returns:
        Pair of the labels, indices as `(batch,)`, and booleans `(batch,)`.

    Raises:
        ValueError: If the labels have another shape, and in eager mode of TensorFlow.
    """
    check_shape(labels.shape, classes, rows if isinstance(rows, int) else None)
    distributions = _are_distributions(labels.shape, classes)
    shown: tuple[Any, ...]
    if distributions:
        numbers = ops.cast(labels, "float32")
        # `initial`: Keras refuses the minimum of an empty batch without it.
        least, total = ops.min(numbers, axis=-1, initial=np.inf), ops.sum(numbers, axis=-1)
        fits, shown = _distributions_fit(least, total), (total, least)
    else:
        labels = ops.reshape(labels, (-1,))
        numbers = ops.cast(labels, _comparable(labels.dtype))
        fits, shown = _indices_fit(numbers, classes, ignored), (numbers,)
    if keras.backend.backend() == "tensorflow":
        from tf_routing.objectives.label_assertions import assert_labels

        labels = assert_labels(labels, fits, rows, shown, _sentence(classes, distributions))
    return labels, fits


def check_labels(labels: Array, classes: int, argument: str = "y", ignored: int | None = None) -> None:
    """Raises a `ValueError` if one of the labels is outside of the classes.

    Args:
        labels: Array, as for `class_distributions`.
        classes: Integer, number of classes.
        argument: Name of the labels in the message.
        ignored: Integer, an index that is accepted although it is none of the classes.

    Raises:
        ValueError: Names the first wrong label.

    Example:

    >>> check_labels(np.array([0, 2, 3]), classes=3)
    Traceback (most recent call last):
        ...
    ValueError: `y` must hold class indices: whole numbers from 0 to 2, for 3 classes. Received: label 3 in row 2. ...
    """
    labels = np.asarray(labels)
    check_shape(labels.shape, classes, argument=argument)
    if labels.dtype.kind not in "biufV":
        raise ValueError(f"`{argument}` must hold numbers. Received: {argument} of type {labels.dtype}")
    distributions = _are_distributions(labels.shape, classes)
    shown: tuple[np.ndarray, ...]
    if distributions:
        shown = np.asarray(labels.sum(axis=-1, dtype="float64")), np.asarray(labels.min(axis=-1))
        fits = _distributions_fit(shown[1], shown[0])
    else:
        shown = (labels.reshape(-1),)
        with np.errstate(invalid="ignore"):
            fits = _indices_fit(shown[0].astype(_comparable(labels.dtype)), classes, ignored)
    wrong = np.flatnonzero(~fits)
    if len(wrong):
        start, between, end = _sentence(classes, distributions, argument)
        first = wrong[0]
        values = "".join(f"{word}{each[first]!s}" for word, each in zip(between, shown, strict=True))
        raise ValueError(f"{start}{values} in row {first}{end}")


def check_shape(shape: Sequence[int | None], classes: int, rows: int | None = None, argument: str = "y") -> None:
    """Raises a `ValueError` if no labels for this number of classes (and of rows, where known) have this shape."""
    if getattr(shape, "rank", 0) is None:
        # TensorFlow relaxes a step that it traced for indices and for distributions to tensors of any rank.
        raise ValueError(
            f"`{argument}` must keep its kind of shape: call `compile` between labels of shape (batch,), (batch, 1) "
            f"and (batch, {classes}). Received: {argument} of unknown shape"
        )
    if len(shape) not in (1, 2) or (len(shape) == 2 and shape[-1] not in (1, classes)):
        raise ValueError(
            f"`{argument}` must be class indices of shape (batch,) or (batch, 1), or distributions of shape (batch, "
            f"{classes}), for {classes} classes. Received: {argument} of shape {tuple(shape)}"
        )
    if rows is not None and shape[0] is not None and shape[0] != rows:
        raise ValueError(
            f"`{argument}` must have as many rows as there are predictions. Received: {argument} of shape "
            f"{tuple(shape)} for {rows} predictions"
        )


def _are_distributions(shape: Sequence[int | None], classes: int) -> bool:
    return len(shape) == 2 and shape[-1] == classes and classes > 1


def _indices_fit(labels: Any, classes: int, ignored: int | None) -> Any:
    fits = (labels >= 0) & (labels < classes) & (labels % 1 == 0)
    return fits if ignored is None else fits | (labels == ignored)


def _distributions_fit(least: Any, total: Any) -> Any:
    # False for NaN too, which is why this is no test for wrong rows.
    return (least >= 0) & (abs(total - 1) <= TOLERANCE)


def _comparable(dtype: Any) -> str:
    """Returns a dtype for comparisons: int8 cannot hold 1000 classes, and float32 would round labels of int64."""
    name = keras.backend.standardize_dtype(dtype)
    if name in ("int64", "uint64"):
        return "int64"
    return name if name == "float64" else "float32" if "float" in name else "int32"


def _sentence(classes: int, distributions: bool, argument: str = "y") -> tuple[str, tuple[str, ...], str]:
    """Returns the error message in parts: its start, the words before each number, and its end."""
    if distributions:
        start = (
            f"`{argument}` of shape (batch, {classes}) must hold distributions: rows of at least 0 that sum to 1. "
            "Received: "
        )
        end = (
            f". Divide rows by their sums; a network that knows {classes} classes gives one of them to each image, not "
            "several."
        )
        return start, ("a sum of ", " and a least number of "), end
    accepted = f"whole numbers from 0 to {classes - 1}, for {classes} classes"
    start = f"`{argument}` must hold class indices: {accepted}. Received: "
    return start, ("label ",), ". Count labels from 0, or build the model with as many classes as there are."
