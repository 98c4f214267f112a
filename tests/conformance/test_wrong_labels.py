"""A label that fits no class raises on TensorFlow, and is a NaN where nothing can raise, in every objective."""

import importlib.util
import json
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.wrong_labels import (
    CLASSES,
    INDICES,
    LABELLED_TERMS,
    LABELS,
    NAMES,
    ROWS,
    SHAPES,
    objective,
    tensors,
)
from tests.snippets import run_snippet
from tf_routing import objectives
from tf_routing.objectives.labels import check_labels, class_distributions

_SHOWN = {
    "too_large": "label 5 in row 2",
    "negative": "label -1 in row 1",
    "wide": "label 4294967297 in row 3",
    "unsigned": "label 200 in row 2",
    "no_number": "label nan in row 2",
    "infinite": "label inf in row 2",
    "fraction": r"label 0\.5 in row 1",
    "several": "a sum of 2.* and a least number of 0.* in row 0",
    "none": "a sum of 0.* in row 0",
    "below_zero": "a sum of 1.* and a least number of -1.* in row 0",
    "row_without_number": "a sum of nan",
}


def test_every_objective_is_here() -> None:
    assert {type(objective(name)).__name__ for name in NAMES} == {
        name
        for name in objectives.__all__
        if isinstance(found := getattr(objectives, name), type) and found is not objectives.Objective
    }
    assert all(objective(name).reads_classes for name in NAMES)


@pytest.mark.parametrize("kind", [*INDICES, *ROWS])
def test_labels_are_named_in_eager_mode_and_in_arrays(kind: str) -> None:
    labels, predictions = {**INDICES, **ROWS}[kind], keras.ops.zeros((len(LABELS), CLASSES))
    accepted = "whole numbers from 0 to 4, for 5 classes" if kind in INDICES else "rows of at least 0 that sum to 1"
    message = rf"^`y` .*{accepted}\. Received: {_SHOWN[kind]}"
    with pytest.raises(ValueError, match=message):
        class_distributions(labels, predictions)
    with pytest.raises(ValueError, match=message):
        check_labels(labels, CLASSES)


@pytest.mark.parametrize("kind", SHAPES)
def test_shapes_are_named(kind: str) -> None:
    wanted = "as many rows" if kind == "other_rows" else r"shape \(batch,\) or \(batch, 1\), or .* \(batch, 5\)"
    with pytest.raises(ValueError, match=wanted) as error:
        class_distributions(SHAPES[kind], keras.ops.zeros((len(LABELS), CLASSES)))
    assert str(SHAPES[kind].shape) in str(error.value)


def test_rows_that_are_too_many_or_too_few_stop_a_graph_that_knew_no_number() -> None:
    found = tf.function(class_distributions, reduce_retracing=True).get_concrete_function(
        tf.TensorSpec((None,), tf.int32), tf.TensorSpec((None, CLASSES), tf.float32)
    )
    # One label would stand for all rows.
    with pytest.raises(tf.errors.InvalidArgumentError, match="as many rows as there are predictions"):
        found(tf.constant([1]), tf.zeros((4, CLASSES)))


@pytest.mark.parametrize("shape", [(0,), (0, 1), (0, CLASSES)])
@pytest.mark.parametrize("wrap", [lambda function: function, tf.function])
def test_no_rows_have_no_wrong_labels(wrap: Any, shape: tuple[int, ...]) -> None:
    assert wrap(class_distributions)(tf.zeros(shape), tf.zeros((0, CLASSES))).shape == (0, CLASSES)
    check_labels(np.zeros(shape), CLASSES)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_smoothed_and_mixed_labels_are_distributions_in_every_precision(dtype: str) -> None:
    rows = keras.ops.cast(keras.ops.one_hot(np.arange(4), 1000), dtype)
    smoothed = rows * keras.ops.cast(0.9, dtype) + keras.ops.cast(0.1 / 1000, dtype)
    mixed = smoothed * keras.ops.cast(0.3, dtype) + keras.ops.flip(smoothed, 0) * keras.ops.cast(0.7, dtype)
    targets = class_distributions(mixed, keras.ops.zeros((4, 1000)))
    np.testing.assert_array_equal(np.asarray(targets), np.asarray(mixed).astype("float32"))
    check_labels(np.asarray(mixed), 1000)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "int64", "float16", "float32", "float64"])
def test_right_labels_are_one_hot_rows_whatever_their_type(dtype: str) -> None:
    expected = np.eye(CLASSES)[LABELS]
    for shaped in (LABELS, LABELS[:, None]):
        targets = class_distributions(shaped.astype(dtype), keras.ops.zeros((len(LABELS), CLASSES), "float16"))
        np.testing.assert_array_equal(np.asarray(targets), expected)
        assert targets.dtype == "float16"


def _total(terms: dict[str, Any]) -> Any:
    return sum(terms.values())


@pytest.mark.parametrize("name", NAMES)
def test_objectives_raise_in_graphs(name: str) -> None:
    subject, read = objective(name), tensors(name)
    step = tf.function(lambda labels: _total(subject(labels, read)))
    assert np.isfinite(float(step(tf.constant(LABELS))))
    for kind in ("too_large", "negative"):
        with pytest.raises(tf.errors.InvalidArgumentError, match="`y` must hold class indices.*from 0 to 4"):
            step(tf.constant(INDICES[kind]))


@pytest.mark.parametrize("name", NAMES)
def test_xla_makes_every_term_that_reads_labels_nan(name: str) -> None:
    subject, read = objective(name), tensors(name)
    step = tf.function(lambda labels: subject(labels, read), jit_compile=True)
    right = {term: float(value) for term, value in step(tf.constant(LABELS)).items()}
    eager = {term: float(value) for term, value in subject(LABELS, read).items()}
    assert right == pytest.approx(eager, rel=1e-5)
    for kind in ("too_large", "negative"):
        wrong = {term: float(value) for term, value in step(tf.constant(INDICES[kind])).items()}
        lost = {term for term, value in wrong.items() if np.isnan(value)}
        assert lost == set(LABELLED_TERMS.get(name, ("classification_loss",)))


@pytest.mark.parametrize("kind", ["fraction", "wide", "several"])
def test_xla_knows_all_kinds(kind: str) -> None:
    step = tf.function(class_distributions, jit_compile=True)
    targets = np.asarray(step(tf.constant({**INDICES, **ROWS}[kind]), tf.zeros((len(LABELS), CLASSES))))
    wrong = {"fraction": [1], "wide": [3], "several": [0, 1, 2, 3]}[kind]
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(targets).any(axis=1)), wrong)


_JAX = """
import json
import sys

sys.modules["tensorflow"] = None
import jax
import keras
import numpy as np

from tests.conformance.wrong_labels import INDICES, LABELS, NAMES, ROWS, objective, tensors
from tests.models.labelled_model import IMAGES, labelled_model

assert keras.backend.backend() == "jax"
found = {}
for name in NAMES:
    subject, read = objective(name), tensors(name)
    step = jax.jit(lambda labels: sum(subject(labels, read).values()))
    right = float(step(LABELS))
    found[name] = [np.isfinite(right)] + [np.isnan(float(step(INDICES[kind]))) for kind in ("too_large", "negative")]


class Batches(keras.utils.PyDataset):
    labels = INDICES["too_large"]

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return IMAGES, self.labels


for loss in (None, "sparse_categorical_crossentropy"):
    model = labelled_model()
    model.compile("sgd", loss=loss)
    found[f"fit {loss}"] = [np.isnan(model.fit(Batches(), verbose=0).history["loss"][0])]
    try:
        model.fit(IMAGES, INDICES["too_large"], verbose=0)
    except ValueError as error:
        found[f"fit {loss}"].append("label 5 in row 2" in str(error))
print(json.dumps({key: [bool(each) for each in value] for key, value in found.items()}))
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_jax_makes_every_objective_nan_and_refuses_arrays() -> None:
    found = json.loads(run_snippet(_JAX, backend="jax").splitlines()[-1])
    expected = {name: [True] * 3 for name in NAMES}
    fits = {f"fit {loss}": [True] * 2 for loss in (None, "sparse_categorical_crossentropy")}
    assert found == {**expected, **fits}
