"""Ranks against counting in NumPy, and the accuracies made of them: ties and NaN never count in favour."""

import keras
import numpy as np
import pytest

from tests.models.labelled_model import IMAGES, labelled_model
from tf_routing import zoo
from tf_routing.evaluation.accuracies import accuracies, are_right
from tf_routing.models.training.label_accuracy import LabelAccuracy, label_ranks

CLASSES = 7

pytestmark = pytest.mark.usefixtures("eagerly")


def counted(probabilities: np.ndarray, labels: np.ndarray) -> list[int]:
    """One, and one for each other class that is as probable or more so."""
    return [
        1 + sum(other >= row[label] for n, other in enumerate(row) if n != label)
        for row, label in zip(probabilities, labels, strict=True)
    ]


@pytest.mark.parametrize("shape", ["indices", "column", "floats", "one_hot"])
def test_ranks_are_those_counted(shape: str) -> None:
    random = np.random.default_rng(0)
    # Few values, so that there are ties of all kinds.
    probabilities, labels = random.integers(0, 4, (200, CLASSES)) / 4, random.integers(0, CLASSES, 200)
    given = {"column": labels[:, None], "floats": labels.astype("float32"), "one_hot": np.eye(CLASSES)[labels]}
    ranks = np.asarray(label_ranks(probabilities, given.get(shape, labels)))
    assert ranks.tolist() == counted(probabilities, labels)
    assert {1, CLASSES} <= set(ranks.tolist())


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_constant_prediction_knows_nothing(dtype: str) -> None:
    constant = np.full((10, 10), 0.1, dtype)
    assert accuracies(constant, np.arange(10)) == {"accuracy": 0.0, "top5_accuracy": 0.0}
    # Four before it, and one beside it: the sixth place at worst.
    probabilities = np.array([[0.2, 0.2, 0.2, 0.2, 0.1, 0.1, 0.0]] * 2, dtype)
    assert accuracies(probabilities, np.array([4, 3]))["top5_accuracy"] == 0.5


@pytest.mark.parametrize("place", [0, 3, slice(None)])
def test_what_is_nan_is_wrong_and_counted(place: object) -> None:
    probabilities = np.eye(CLASSES)[[0, 1, 2, 0]]
    probabilities[2, place] = np.nan
    probabilities[3] = np.nan
    found = accuracies(probabilities, np.array([0, 0, 2, 0]))
    assert found == {"accuracy": 0.25, "top5_accuracy": 0.25, "nan_predictions": 2}
    assert are_right(probabilities, np.array([0, 0, 2, 0])).tolist() == [True, False, False, False]


def test_labels_that_name_no_class_are_wrong() -> None:
    ranks = label_ranks(np.eye(3), np.array([3, -1, 0.5]))
    assert np.asarray(ranks).tolist() == [4, 4, 4]


@pytest.mark.parametrize("name", ["accuracy", "acc"])
def test_models_count_so_too(name: str) -> None:
    model = labelled_model()
    model.compile("sgd", metrics=[name], weighted_metrics=[name])
    kernel, bias = model.layers[-1].weights
    kernel.assign(np.zeros(kernel.shape))
    measure = {"verbose": 0, "return_dict": True}
    # All classes alike: Keras's own finds the first one right.
    tied = model.evaluate(IMAGES, np.zeros(4, int), **measure)
    assert tied[name] == 0.0
    bias.assign([1.0, 0.0, 0.0, 0.0, 0.0])
    right = model.evaluate(IMAGES, np.array([0, 0, 0, 1]), sample_weight=np.array([1.0, 0.0, 0.0, 1.0]), **measure)
    assert right[name] == 0.75 and right[f"weighted_{name}"] == 0.5
    bias.assign([np.nan] * 5)
    lost = model.evaluate(IMAGES, np.zeros(4, int), **measure)
    assert lost[name] == 0.0 and np.isnan(lost["loss"])


def test_the_metric_is_saved_with_the_model(tmp_path: object) -> None:
    model = labelled_model()
    model.compile("sgd", metrics=["accuracy"])
    model.fit(IMAGES, np.zeros(4, int), verbose=0)
    model.save(f"{tmp_path}/model.keras")
    loaded = keras.saving.load_model(f"{tmp_path}/model.keras")
    measured = [each.evaluate(IMAGES, np.arange(4), verbose=0, return_dict=True) for each in (model, loaded)]
    assert measured[0] == measured[1] and "accuracy" in measured[0]


BETTER = {"val_accuracy": np.greater, "accuracy": np.greater, "val_loss": np.less}


@pytest.mark.parametrize("monitor", BETTER)
def test_callbacks_know_what_is_better(monitor: str) -> None:
    is_better = BETTER[monitor]
    model = zoo.get("basecnn", width_multiplier=0.125, input_shape=(8, 8, 3), classes=4)
    model.compile("sgd", metrics=["accuracy"])
    x, y = np.zeros((4, 8, 8, 3), "float32"), np.arange(4)
    callbacks = [
        keras.callbacks.EarlyStopping(monitor),
        keras.callbacks.ReduceLROnPlateau(monitor),
        keras.callbacks.ModelCheckpoint("unused.weights.h5", monitor, save_best_only=True, save_freq=10**9),
    ]
    model.fit(x, y, validation_data=(x, y), callbacks=callbacks, verbose=0)
    stop, _, keep = callbacks
    assert bool(stop.monitor_op(2.0, 1.0)) == bool(is_better(2, 1)) == bool(keep.monitor_op(2.0, 1.0))


def test_other_metrics_stay() -> None:
    model = labelled_model()
    own = LabelAccuracy(name="mine")
    model.compile("sgd", metrics=["sparse_top_k_categorical_accuracy", own])
    found = model.evaluate(IMAGES, np.zeros(4, int), verbose=0, return_dict=True)
    assert {"sparse_top_k_categorical_accuracy", "mine"} <= found.keys()
