"""Labels and sample weights that come in arrays are checked whole, before any work is done."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tf_routing.core.tensors import Array, Images
from tf_routing.objectives.labels import check_labels, require_classes
from tf_routing.objectives.sample_weights import check_weights

_LOSSES = (
    keras.losses.SparseCategoricalCrossentropy,
    keras.losses.CategoricalCrossentropy,
    keras.losses.CategoricalFocalCrossentropy,
)
_FUNCTIONS = (
    keras.losses.sparse_categorical_crossentropy,
    keras.losses.categorical_crossentropy,
    keras.losses.categorical_focal_crossentropy,
)
# For these Keras chooses one of the above by the shape of the labels.
_CHOSEN_BY_SHAPE = ("crossentropy", "ce")


def reads_classes(loss: Any) -> bool:
    """Returns whether a Keras loss, as `compile` takes it, reads labels as class indices or distributions.

    Example:

    >>> reads_classes("sparse_categorical_crossentropy"), reads_classes("binary_crossentropy")
    (True, False)
    """
    losses = keras.tree.flatten(loss)
    if len(losses) != 1:
        return False
    if isinstance(losses[0], str) and losses[0].lower() in _CHOSEN_BY_SHAPE:
        return True
    found = keras.losses.get(losses[0])
    return isinstance(found, _LOSSES) or found in _FUNCTIONS


def ignored_label(loss: Any) -> int | None:
    """Returns the class index that a Keras loss leaves out, where it has one."""
    return next((each.ignore_class for each in keras.tree.flatten(loss) if hasattr(each, "ignore_class")), None)


class LabelChecks:
    """`fit`, `evaluate` and what takes a single batch: they refuse labels that fit no class of the model.

    Arrays are checked here, on every backend. Batches of datasets are checked by the steps themselves; see
    `objectives.labels`.
    """

    labels_are_classes = False
    ignored_label: int | None = None

    def fit(self: Any, x: Images | None = None, y: Array | None = None, *args: Any, **kwargs: Any) -> Any:
        """Trains the model; see `keras.Model.fit`."""
        self._check_given(y, kwargs.get("sample_weight"), kwargs.get("class_weight"))
        validation = kwargs.get("validation_data")
        if isinstance(validation, (tuple, list)):
            self._check_given(*validation[1:3], argument="validation_data")
        elif validation is not None:
            kwargs["validation_data"] = self._raising(validation)
        with _explained():
            return super().fit(self._raising(x), y, *args, **kwargs)  # type: ignore[misc]

    def evaluate(
        self: Any,
        x: Images | None = None,
        y: Array | None = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Array | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Measures the model; see `keras.Model.evaluate`."""
        self._check_given(y, sample_weight)
        with _explained():
            return super().evaluate(  # type: ignore[misc]
                self._raising(x), y, batch_size, verbose, sample_weight, *args, **kwargs
            )

    def train_on_batch(
        self: Any,
        x: Images,
        y: Array | None = None,
        sample_weight: Array | None = None,
        class_weight: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Takes one step; see `keras.Model.train_on_batch`."""
        self._check_given(y, sample_weight, class_weight)
        with _explained():
            return super().train_on_batch(x, y, sample_weight, class_weight, **kwargs)  # type: ignore[misc]

    def test_on_batch(
        self: Any, x: Images, y: Array | None = None, sample_weight: Array | None = None, **kwargs: Any
    ) -> Any:
        """Measures one batch; see `keras.Model.test_on_batch`."""
        self._check_given(y, sample_weight)
        with _explained():
            return super().test_on_batch(x, y, sample_weight, **kwargs)  # type: ignore[misc]

    def compute_loss(
        self: Any,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the loss of Keras, which is NaN where a label that it reads fits no class and nothing can raise."""
        if not (self.labels_are_classes and hasattr(y, "shape")):
            return super().compute_loss(x, y, y_pred, sample_weight, training)  # type: ignore[misc]
        y, fits = self._labels_raised_for(y, y_pred)
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)  # type: ignore[misc]
        return keras.ops.where(fits, loss, keras.ops.full_like(loss, np.nan))

    def _labels_raised_for(self: Any, labels: Any, predictions: Any) -> tuple[Any, Any]:
        """Returns the labels that a Keras loss reads, and whether all fit; on TensorFlow others raise."""
        rows = keras.ops.shape(predictions)[0]
        checked, fits = require_classes(labels, predictions.shape[-1], rows, self.ignored_label)
        return keras.ops.reshape(checked, keras.ops.shape(labels)), keras.ops.all(fits)

    def _loss_reads_classes(self: Any, loss: Any) -> bool:
        # A class for each pixel of a map, as in segmentation, is for Keras to check.
        return len(self.output_shape) == 2 and reads_classes(loss)

    def _check_labelled(self: Any, y: Any) -> None:
        if y is None and self.labels_are_classes:
            raise ValueError(
                "`y` must hold labels, which the loss reads. Received: y=None. Give them beside `x`, or pairs of "
                "images and labels in a dataset."
            )

    def _check_given(
        self: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        argument: str = "y",
    ) -> None:
        labels, weights = _array(y), _array(sample_weight)
        if not self.labels_are_classes:
            return
        classes = self.output_shape[-1]
        if labels is not None:
            check_labels(labels, classes, argument, self.ignored_label)
        if weights is not None:
            check_weights(weights.shape, None if labels is None else len(labels))
        unknown = sorted(set(class_weight or {}) - set(range(classes)), key=str)
        if unknown:
            raise ValueError(
                f"`class_weight` must name classes: whole numbers from 0 to {classes - 1}. Received: {unknown[0]!r}"
            )

    def _raising(self: Any, batches: Any) -> Any:
        """Returns batches that raise for their labels where the steps cannot: those of TensorFlow that XLA compiles."""
        if keras.backend.backend() != "tensorflow" or not (self.labels_are_classes and self.jit_compile):
            return batches
        from tf_routing.objectives.label_assertions import check_batches

        classes, ignored = self.output_shape[-1], self.ignored_label
        return check_batches(batches, lambda labels: require_classes(labels, classes, None, ignored)[0])


def _array(given: Any) -> np.ndarray | None:
    """The array that is given, by itself or as that of the only output; `None` for anything else."""
    if isinstance(given, Mapping):
        given = list(given.values())
    if isinstance(given, Sequence) and len(given) == 1:
        given = given[0]
    return np.asarray(given) if hasattr(given, "__array__") else None


def _explained() -> contextlib.AbstractContextManager[None]:
    if keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext()
    from tf_routing.objectives.label_assertions import translate_errors

    return translate_errors()
