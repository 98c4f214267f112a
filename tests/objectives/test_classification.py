"""Cross-entropy by hand: from logits, from probabilities, smoothed and weighted."""

from typing import Any

import keras
import numpy as np
import pytest

from tests import numpy_reference as reference
from tf_routing.objectives import Classification

LABELS = np.array([0, 2, 1])
LOGITS = np.random.default_rng(9).normal(size=(3, 4)).astype("float32")
PROBABILITIES = reference.softmax(LOGITS)


def value(objective: Classification, labels: Any, outputs: dict[str, Any], weights: Any = None) -> float:
    terms = objective(labels, {name: keras.ops.array(each) for name, each in outputs.items()}, weights)
    assert list(terms) == ["classification_loss"]
    return float(terms["classification_loss"])


def cross_entropies(targets: np.ndarray) -> np.ndarray:
    return -(targets * np.log(PROBABILITIES)).sum(axis=1)


def test_by_hand() -> None:
    outputs = {"logits": np.log([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]]).astype("float32")}
    expected = -(np.log(0.25) + np.log(0.75)) / 2
    assert value(Classification(), [2, 1], outputs) == pytest.approx(expected, rel=1e-6)


def test_probabilities_where_there_are_no_logits() -> None:
    outputs = {"probabilities": np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]], "float32")}
    expected = -(np.log(0.25) + np.log(0.75)) / 2
    assert value(Classification(), [2, 1], outputs) == pytest.approx(expected, rel=1e-6)


def test_logits_are_preferred_to_probabilities() -> None:
    misleading = np.full((3, 4), 0.25, "float32")
    expected = cross_entropies(np.eye(4)[LABELS]).mean()
    outputs = {"probabilities": misleading, "logits": LOGITS}
    assert value(Classification(), LABELS, outputs) == pytest.approx(expected, rel=1e-5)
    assert abs(expected - np.log(4)) > 1e-2


def test_large_logits_stay_finite() -> None:
    outputs = {"logits": np.array([[200.0, 0.0]], "float32"), "probabilities": np.array([[1.0, 0.0]], "float32")}
    assert value(Classification(), [1], outputs) == pytest.approx(200.0)


@pytest.mark.parametrize("smoothing", [0.1, 0.5])
def test_label_smoothing(smoothing: float) -> None:
    targets = np.full((3, 4), smoothing / 4)
    targets[range(3), LABELS] += 1 - smoothing
    expected = cross_entropies(targets).mean()
    assert value(Classification(smoothing), LABELS, {"logits": LOGITS}) == pytest.approx(expected, rel=1e-5)
    assert value(Classification(smoothing), np.eye(4)[LABELS], {"logits": LOGITS}) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("outputs", [{"logits": LOGITS}, {"probabilities": PROBABILITIES}], ids=["logits", "probs"])
def test_label_smoothing_is_that_of_keras(outputs: dict[str, np.ndarray]) -> None:
    loss = keras.losses.CategoricalCrossentropy(from_logits="logits" in outputs, label_smoothing=0.2)
    expected = float(loss(np.eye(4)[LABELS], next(iter(outputs.values()))))
    assert value(Classification(0.2), LABELS, outputs) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "labels",
    [LABELS, LABELS[:, None], LABELS.astype("float32"), LABELS.astype("uint8"), np.eye(4, dtype="float32")[LABELS]],
    ids=["indices", "column", "floats", "bytes", "one-hot"],
)
def test_forms_of_labels(labels: np.ndarray) -> None:
    expected = cross_entropies(np.eye(4)[LABELS]).mean()
    assert value(Classification(), labels, {"logits": LOGITS}) == pytest.approx(expected, rel=1e-5)


def test_labels_may_be_distributions() -> None:
    targets = np.array([[0.5, 0.5, 0, 0], [0, 0, 0.25, 0.75], [0.1, 0.2, 0.3, 0.4]])
    expected = cross_entropies(targets).mean()
    assert value(Classification(), targets, {"logits": LOGITS}) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_sample_weights_multiply_before_the_mean_over_the_batch(shape: tuple[int, ...]) -> None:
    weights = np.array([2.0, 0.0, 0.5])
    expected = (weights * cross_entropies(np.eye(4)[LABELS])).sum() / 3
    actual = value(Classification(), LABELS, {"logits": LOGITS}, weights.reshape(shape))
    assert actual == pytest.approx(expected, rel=1e-5)


def test_name_and_config_round_trip() -> None:
    objective = Classification(0.25)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(objective))
    assert type(again) is Classification and again.label_smoothing == 0.25
    assert again.names == ("classification_loss",)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, 2, None, "a"])
def test_a_smoothing_out_of_range_is_named(smoothing: Any) -> None:
    with pytest.raises(ValueError, match=rf"`label_smoothing` must be in .* Received: label_smoothing={smoothing!r}"):
        Classification(smoothing)
