"""A routed model shows its decisions and its cost, and trains as the textbook says."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_routing.layers import CrossConnection
from tf_routing.models import RoutedModel
from tf_routing.models.training import trained_objective
from tf_routing.objectives import Classification

CLASSES, COUNT = 5, 12

pytestmark = pytest.mark.usefixtures("eagerly")


def small_model(seed: int = 0, regularizer: Any = None) -> RoutedModel:
    keras.utils.set_random_seed(seed)
    image = keras.Input((6, 6, 3), name="image")
    paths, _ = CrossConnection(2, name="route_1")(image, return_gates=True)
    paths = [keras.layers.Conv2D(4, 3, padding="same", activation="relu")(path) for path in paths]
    features = [keras.layers.GlobalAveragePooling2D()(path) for path in paths]
    paths, _ = CrossConnection(3, name="route_2")(features, return_gates=True)
    heads = [keras.layers.Dense(CLASSES, kernel_regularizer=regularizer)(path) for path in paths]
    logits = keras.layers.Average(name="logits")(heads)
    return RoutedModel(image, keras.layers.Softmax(name="probabilities")(logits))


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(10)
    return rng.normal(size=(COUNT, 6, 6, 3)).astype("float32"), rng.integers(0, CLASSES, COUNT)


def cross_entropies(model: RoutedModel) -> np.ndarray:
    x, y = data()
    return -np.log(np.asarray(model(x))[range(COUNT), y])


def stepped_by_hand(model: RoutedModel, rate: float, weights: Any = 1.0) -> list[np.ndarray]:
    x, y = data()
    with tf.GradientTape() as tape:
        chosen = tf.gather(model(x, training=True), y, axis=1, batch_dims=1)
        loss = tf.reduce_mean(-tf.math.log(chosen) * weights)
    variables = [variable.value for variable in model.trainable_variables]
    gradients = tape.gradient(loss, variables)
    return [variable.numpy() - rate * gradient.numpy() for variable, gradient in zip(variables, gradients, strict=True)]


def assert_weights(model: RoutedModel, expected: list[np.ndarray], atol: float = 1e-6) -> None:
    for variable, value in zip(model.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(np.asarray(variable), value, rtol=1e-4, atol=atol)


def test_prediction_is_class_probabilities_and_nothing_else() -> None:
    x, _ = data()
    probabilities = small_model().predict(x, verbose=0)
    assert probabilities.shape == (COUNT, CLASSES)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_routes_have_names_shapes_and_sum_to_one() -> None:
    model, (x, _) = small_model(), data()
    routes = model.routes(x, batch_size=5)
    assert list(routes) == model.decision_names == ["route_1", "route_2"]
    assert [each.shape for each in routes.values()] == [(COUNT, 1, 2), (COUNT, 2, 3)]
    for gates in routes.values():
        assert isinstance(gates, np.ndarray) and (gates > 0).all()
        np.testing.assert_allclose(gates.sum(axis=-1), 1, rtol=1e-5)
        assert gates.std(axis=0).max() > 1e-4


def test_routes_are_the_gates_that_the_layers_compute() -> None:
    model, (x, _) = small_model(), data()
    layer = model.get_layer("route_1")
    np.testing.assert_allclose(model.routes(x)["route_1"], np.asarray(layer(x, return_gates=True)[1]), rtol=1e-5)


def test_routes_follow_the_weights() -> None:
    model, (x, _) = small_model(), data()
    model.routes(x)
    for gate in model.get_layer("route_2").gates:
        gate.choice_layer.kernel.assign(np.zeros((16, 3)))
        gate.choice_layer.bias.assign(np.log([0.5, 0.25, 0.25]))
    np.testing.assert_allclose(model.routes(x)["route_2"], np.tile([0.5, 0.25, 0.25], (COUNT, 2, 1)), rtol=1e-5)


def test_a_model_that_decides_nothing_has_no_routes() -> None:
    image = keras.Input((4,))
    assert RoutedModel(image, keras.layers.Dense(3, "softmax")(image)).routes(np.zeros((2, 4))) == {}


def test_outputs_that_objectives_read() -> None:
    model, (x, _) = small_model(), data()
    outputs = model(x, return_outputs=True)
    assert set(outputs) == {"probabilities", "logits", "route_1", "route_2"}
    np.testing.assert_allclose(keras.ops.softmax(outputs["logits"]), outputs["probabilities"], rtol=1e-5)
    np.testing.assert_allclose(outputs["probabilities"], model(x), rtol=1e-5)


def test_cost_is_the_static_cost_of_every_image() -> None:
    model, (x, _) = small_model(), data()
    by_hand = 16 * (3 + 2) + 2 * 36 * 4 * 27 + 2 * 16 * (4 + 3) + 3 * 4 * CLASSES
    assert model.static_cost == by_hand
    costs = model.cost(x)
    assert np.issubdtype(costs.dtype, np.integer)
    np.testing.assert_array_equal(costs, np.full(COUNT, by_hand))


def test_loss_and_objective_together_are_named() -> None:
    with pytest.raises(ValueError, match="`loss` or `objective`.*Received: loss='mse', objective=<.*Classification"):
        small_model().compile(loss="mse", objective=Classification())


@pytest.mark.parametrize("objective", ["mse", Classification])
def test_an_objective_that_is_none_is_named(objective: Any) -> None:
    with pytest.raises(ValueError, match="`objective` must be an Objective. Received: objective="):
        small_model().compile(objective=objective)


@pytest.mark.usefixtures("in_graphs")
@pytest.mark.parametrize("batch_size", [COUNT, 5])
def test_logged_term_and_loss_are_the_mean_cross_entropy(batch_size: int) -> None:
    model, (x, y) = small_model(), data()
    model.compile(metrics=["accuracy"])
    logs = model.evaluate(x, y, batch_size=batch_size, verbose=0, return_dict=True)
    assert set(logs) == {"loss", "classification_loss", "accuracy"}
    assert logs["loss"] == pytest.approx(cross_entropies(model).mean(), rel=1e-5)
    assert logs["classification_loss"] == pytest.approx(logs["loss"], rel=1e-6)
    assert logs["accuracy"] == pytest.approx((np.asarray(model(x)).argmax(axis=1) == y).mean(), rel=1e-6)


@pytest.mark.usefixtures("in_graphs")
def test_fit_logs_each_term() -> None:
    model, (x, y) = small_model(), data()
    model.compile(keras.optimizers.SGD(0.0))
    history = model.fit(x, y, batch_size=5, epochs=2, validation_data=(x[:7], y[:7]), verbose=0).history
    assert set(history) == {"loss", "classification_loss", "val_loss", "val_classification_loss"}
    losses = cross_entropies(model)
    np.testing.assert_allclose(history["classification_loss"], [losses.mean()] * 2, rtol=1e-5)
    np.testing.assert_allclose(history["loss"], [losses.mean()] * 2, rtol=1e-5)
    np.testing.assert_allclose(history["val_classification_loss"], [losses[:7].mean()] * 2, rtol=1e-5)


@pytest.mark.usefixtures("in_graphs")
@pytest.mark.parametrize("arguments", [{}, {"loss": "sparse_categorical_crossentropy"}], ids=["objective", "loss"])
@pytest.mark.parametrize("weights", [None, np.linspace(0, 2, COUNT).astype("float32")], ids=["plain", "weighted"])
def test_a_step_is_that_of_gradient_descent_by_hand(arguments: dict[str, Any], weights: Any) -> None:
    model, (x, y) = small_model(), data()
    before = model.get_weights()
    expected = stepped_by_hand(model, 0.5, 1.0 if weights is None else weights)
    assert max(np.abs(old - new).max() for old, new in zip(before, expected, strict=True)) > 1e-2
    model.compile(keras.optimizers.SGD(0.5), **arguments)
    model.fit(x, y, sample_weight=weights, batch_size=COUNT, epochs=1, verbose=0)
    assert_weights(model, expected)


def test_a_keras_loss_takes_the_objectives_place() -> None:
    model, (x, y) = small_model(), data()
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    logs = model.evaluate(x, y, batch_size=5, verbose=0, return_dict=True)
    assert set(logs) == {"loss", "accuracy"}
    assert logs["loss"] == pytest.approx(cross_entropies(model).mean(), rel=1e-5)


def test_sample_weights_in_the_log() -> None:
    model, (x, y), weights = small_model(), data(), np.linspace(0, 2, COUNT)
    model.compile()
    logs = model.evaluate(x, y, sample_weight=weights, batch_size=5, verbose=0, return_dict=True)
    expected = (weights * cross_entropies(model)).mean()
    assert abs(expected - cross_entropies(model).mean()) > 1e-3
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)
    assert logs["classification_loss"] == pytest.approx(expected, rel=1e-5)


def test_regularisation_is_in_the_loss_and_not_in_the_term() -> None:
    model, (x, y) = small_model(regularizer=keras.regularizers.L2(0.1)), data()
    model.compile()
    logs = model.evaluate(x, y, batch_size=5, verbose=0, return_dict=True)
    kernels = [layer.kernel for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    penalty = 0.1 * sum((np.asarray(kernel) ** 2).sum() for kernel in kernels)
    assert logs["classification_loss"] == pytest.approx(cross_entropies(model).mean(), rel=1e-5)
    assert logs["loss"] - logs["classification_loss"] == pytest.approx(penalty, rel=1e-4)


def test_the_shares_of_replicas_sum_to_the_loss_with_its_regularisation(monkeypatch: pytest.MonkeyPatch) -> None:
    model, (x, y) = small_model(regularizer=keras.regularizers.L2(0.1)), data()
    model.compile("sgd")
    outputs = model(x, training=False, return_outputs=True)
    whole = float(model.compute_loss(x, y, outputs, training=False))
    assert sum(map(float, model.losses)) > 0.01
    monkeypatch.setattr(trained_objective, "replicas_in_sync", lambda: 4)
    assert 4 * float(model.compute_loss(x, y, outputs, training=False)) == pytest.approx(whole, rel=1e-6)


def test_an_objectives_arguments_reach_the_loss() -> None:
    model, (x, y) = small_model(), data()
    model.compile(objective=Classification(0.5))
    targets = 0.5 * np.eye(CLASSES)[y] + 0.5 / CLASSES
    expected = -(targets * np.log(np.asarray(model(x)))).sum(axis=1).mean()
    assert model.evaluate(x, y, verbose=0, return_dict=True)["loss"] == pytest.approx(expected, rel=1e-5)


def test_compiling_again_starts_new_metrics() -> None:
    model, (x, y) = small_model(), data()
    model.compile()
    model.train_on_batch(x, y)
    assert [float(each.result()) > 0 for each in model.metrics if each.name == "classification_loss"] == [True]
    model.compile()
    assert [float(each.result()) for each in model.metrics if each.name == "classification_loss"] == [0.0]
    model.compile(loss="sparse_categorical_crossentropy")
    assert "classification_loss" not in model.evaluate(x, y, verbose=0, return_dict=True)


def test_evaluating_again_starts_from_zero() -> None:
    model, (x, y) = small_model(), data()
    model.compile()
    model.evaluate(x[:3], y[:3], verbose=0)
    logs = model.evaluate(x, y, verbose=0, return_dict=True)
    assert logs["classification_loss"] == pytest.approx(cross_entropies(model).mean(), rel=1e-5)


def test_a_saved_model_keeps_its_class_weights_and_objective(tmp_path: Path) -> None:
    model, (x, y) = small_model(), data()
    model.compile(keras.optimizers.SGD(0.5), objective=Classification(0.25))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again) is RoutedModel
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5)
    np.testing.assert_allclose(again.routes(x)["route_2"], model.routes(x)["route_2"], rtol=1e-5)
    for each in (model, again):
        each.fit(x, y, batch_size=COUNT, verbose=0)
    assert_weights(again, [np.asarray(variable) for variable in model.trainable_variables])
