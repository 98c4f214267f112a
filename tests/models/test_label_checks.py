"""Labels and weights that fit no class stop every way to train and to measure, before a weight moves."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.wrong_labels import INDICES, LABELS, ROWS
from tests.models.labelled_model import IMAGES, labelled_model
from tests.snippets import run_snippet
from tf_routing.models import RoutedModel
from tf_routing.objectives import Objective
from tf_routing.train.epochs import EpochRange
from tf_routing.train.loop import train

WRONG = INDICES["too_large"]

pytestmark = pytest.mark.usefixtures("eagerly")

_INDEX, _ROW = "class indices: whole numbers from 0 to 4.*label 5 in row 2", "must hold distributions.*a sum of 2"


def batches(labels: np.ndarray) -> Any:
    return tf.data.Dataset.from_tensor_slices((IMAGES, labels)).batch(4)


WAYS: dict[str, Callable[[RoutedModel, np.ndarray], Any]] = {
    "fit": lambda model, y: model.fit(IMAGES, y, verbose=0),
    "fit_tensors": lambda model, y: model.fit(tf.constant(IMAGES), tf.constant(y), verbose=0),
    "fit_dataset": lambda model, y: model.fit(batches(y), verbose=0),
    "evaluate": lambda model, y: model.evaluate(IMAGES, y, verbose=0),
    "evaluate_dataset": lambda model, y: model.evaluate(batches(y), verbose=0),
    "train_on_batch": lambda model, y: model.train_on_batch(IMAGES, y),
    "test_on_batch": lambda model, y: model.test_on_batch(IMAGES, y),
    "loop": lambda model, y: train(model, batches(y), EpochRange(epochs=1, steps_per_epoch=1)),
}


@pytest.fixture(scope="module")
def compiled() -> RoutedModel:
    model = labelled_model()
    model.compile("sgd", metrics=["accuracy"])
    return model


@pytest.mark.usefixtures("in_graphs")
@pytest.mark.parametrize("way", WAYS)
def test_every_way_refuses_wrong_labels_and_moves_nothing(way: str, compiled: RoutedModel) -> None:
    before = compiled.get_weights()
    with pytest.raises(ValueError, match=rf"^`y` must hold {_INDEX}.*Count labels from 0"):
        WAYS[way](compiled, WRONG)
    for value, expected in zip(compiled.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, expected)
    WAYS[way](compiled, LABELS)


@pytest.mark.usefixtures("in_graphs")
@pytest.mark.parametrize(
    "settings", [{"run_eagerly": True}, {"jit_compile": True}, {"steps_per_execution": 2}], ids=str
)
def test_datasets_are_refused_however_steps_run(settings: dict[str, Any]) -> None:
    model = labelled_model()
    model.compile("sgd", **settings)
    for way in ("fit_dataset", "evaluate_dataset"):
        with pytest.raises(ValueError, match=_INDEX):
            WAYS[way](model, WRONG)
    with pytest.raises(ValueError, match=_INDEX):
        model.fit(IMAGES, LABELS, validation_data=batches(WRONG), verbose=0)
    assert np.isfinite(model.fit(batches(LABELS), verbose=0).history["loss"]).all()


def test_validation_arrays_are_checked_before_training(compiled: RoutedModel) -> None:
    before = compiled.get_weights()
    with pytest.raises(ValueError, match="`validation_data` must hold class indices"):
        compiled.fit(IMAGES, LABELS, validation_data=(IMAGES, WRONG), verbose=0)
    np.testing.assert_array_equal(compiled.get_weights()[0], before[0])


_SPARSE = keras.losses.SparseCategoricalCrossentropy


@pytest.mark.parametrize(
    ("loss", "right", "wrong", "message"),
    [
        ("sparse_categorical_crossentropy", LABELS, WRONG, _INDEX),
        (_SPARSE(), LABELS, WRONG, _INDEX),
        ("crossentropy", LABELS, WRONG, _INDEX),
        ("categorical_crossentropy", np.eye(5)[LABELS], ROWS["several"], _ROW),
        (keras.losses.CategoricalCrossentropy(label_smoothing=0.1), np.eye(5)[LABELS], ROWS["several"], _ROW),
        (_SPARSE(ignore_class=255), np.array([0, 255, 3, 1]), WRONG, _INDEX),
    ],
)
def test_losses_of_keras_that_read_classes_refuse_them_too(
    loss: Any, right: np.ndarray, wrong: np.ndarray, message: str
) -> None:
    model = labelled_model()
    model.compile("sgd", loss=loss)
    assert np.isfinite(WAYS["fit_dataset"](model, right).history["loss"]).all()
    for way in ("fit", "fit_dataset", "test_on_batch"):
        with pytest.raises(ValueError, match=message):
            WAYS[way](model, wrong)


def test_losses_and_objectives_that_read_no_classes_take_what_they_like() -> None:
    class Distance(Objective):
        names = ("distance_loss",)

        def __call__(self, labels: Any, outputs: dict[str, Any], sample_weight: Any = None) -> dict[str, Any]:
            return {"distance_loss": keras.ops.mean(keras.ops.square(outputs["probabilities"] - labels))}

    for settings in ({"loss": "mse"}, {"objective": Distance()}):
        model = labelled_model()
        model.compile("sgd", **settings)
        assert np.isfinite(model.fit(IMAGES, ROWS["below_zero"], verbose=0).history["loss"]).all()


@pytest.mark.parametrize("shape", [(4, 5), (4, 1, 1), (3,)])
def test_weights_of_another_shape_are_refused(shape: tuple[int, ...], compiled: RoutedModel) -> None:
    with pytest.raises(
        ValueError, match="`sample_weight` must hold one number for each sample.*Received: sample_weight"
    ):
        compiled.evaluate(IMAGES, LABELS, sample_weight=np.ones(shape), verbose=0)
    with pytest.raises(ValueError, match="`sample_weight` must hold one number for each sample"):
        compiled.compute_loss(
            IMAGES,
            LABELS,
            {"probabilities": keras.ops.ones((4, 5)) / 5},
            sample_weight=keras.ops.ones(shape),
        )


WEIGHTED: dict[str, Callable[[RoutedModel, np.ndarray], Any]] = {
    "fit": lambda model, w: model.fit(IMAGES, LABELS, sample_weight=w, verbose=0),
    "validation_data": lambda model, w: model.fit(IMAGES, LABELS, validation_data=(IMAGES, LABELS, w), verbose=0),
    "train_on_batch": lambda model, w: model.train_on_batch(IMAGES, LABELS, w),
    "test_on_batch": lambda model, w: model.test_on_batch(IMAGES, LABELS, w),
}


@pytest.mark.parametrize("way", WEIGHTED)
def test_weights_are_checked_before_a_weight_of_the_network_moves(way: str, compiled: RoutedModel) -> None:
    before = compiled.get_weights()
    with pytest.raises(ValueError, match="`sample_weight` must hold one number for each sample"):
        WEIGHTED[way](compiled, np.ones((4, 5)))
    for value, expected in zip(compiled.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, expected)
    WEIGHTED[way](compiled, np.ones(4))


def test_weights_count_as_they_did_in_both_shapes(compiled: RoutedModel) -> None:
    weights = np.array([2.0, 0.0, 0.0, 1.0], "float32")
    answers = np.asarray(compiled(IMAGES))[range(4), LABELS]
    expected = (weights * -np.log(answers)).mean()
    for shaped in (weights, weights[:, None]):
        assert compiled.evaluate(IMAGES, LABELS, sample_weight=shaped, verbose=0)[0] == pytest.approx(expected, 1e-5)


@pytest.mark.parametrize("loss", [None, "sparse_categorical_crossentropy"])
def test_no_labels_are_named(loss: str | None) -> None:
    model = labelled_model()
    model.compile("sgd", loss=loss)
    unlabelled = tf.data.Dataset.from_tensor_slices(IMAGES).batch(4)
    for ask in (model.fit, model.evaluate, model.train_on_batch):
        for x in (IMAGES, unlabelled)[: 1 if ask == model.train_on_batch else 2]:
            with pytest.raises(ValueError, match="`y` must hold labels.*Received: y=None"):
                ask(x)


def test_a_class_for_each_pixel_of_a_map_is_left_to_keras() -> None:
    image = keras.Input((2, 2, 3), name="image")
    model = RoutedModel(image, keras.layers.Dense(5, "softmax")(image))
    model.compile("sgd", loss="sparse_categorical_crossentropy", metrics=["sparse_categorical_accuracy"])
    labels = np.arange(4 * 2 * 2).reshape(4, 2, 2) % 5
    for given in ((IMAGES, labels), (tf.data.Dataset.from_tensor_slices((IMAGES, labels)).batch(2),)):
        assert np.isfinite(model.fit(*given, verbose=0).history["loss"]).all()


def test_weights_of_classes_that_there_are_not_are_refused(compiled: RoutedModel) -> None:
    with pytest.raises(ValueError, match="`class_weight` must name classes: whole numbers from 0 to 4. Received: 5"):
        compiled.fit(IMAGES, LABELS, class_weight={0: 1.0, 5: 2.0}, verbose=0)
    with pytest.raises(ValueError, match="`class_weight` must name classes: whole numbers from 0 to 4. Received: 5"):
        compiled.train_on_batch(IMAGES, LABELS, class_weight={0: 1.0, 5: 2.0})


@pytest.mark.usefixtures("in_graphs")
def test_another_kind_of_labels_needs_another_compile() -> None:
    model = labelled_model()
    model.compile("sgd")
    model.fit(IMAGES, LABELS, verbose=0)
    rows = np.eye(5, dtype=LABELS.dtype)[LABELS]
    with pytest.raises(ValueError, match="call `compile` between labels of shape"):
        model.fit(IMAGES, rows, verbose=0)
    model.compile("sgd")
    assert np.isfinite(model.fit(IMAGES, rows, verbose=0).history["loss"]).all()


_REPLICAS = """
import keras
import numpy as np
import tensorflow as tf

device = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(device, [tf.config.LogicalDeviceConfiguration()] * 2)
from tests.models.test_label_checks import WAYS, WRONG, LABELS, labelled_model

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())
with strategy.scope():
    model = labelled_model()
    model.compile("sgd", metrics=["accuracy"])
for way in ("fit_dataset", "evaluate_dataset"):
    WAYS[way](model, LABELS)
    try:
        WAYS[way](model, WRONG)
    except ValueError as error:
        # Of the second replica's own rows.
        assert "label 5 in row 0" in str(error), error
    else:
        raise AssertionError(way)
"""


def test_replicas_refuse_them() -> None:
    run_snippet(_REPLICAS)
