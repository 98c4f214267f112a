"""What Keras offers for training works on routed models, with the numbers that one would compute by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import exit_net, gated_net, skip_net
from tf_routing.layers import CrossConnection
from tf_routing.models import RoutedModel
from tf_routing.models.training.squared_kernels import squared_kernels
from tf_routing.objectives import Critic, Objective

CLASSES, COUNT, RATE = 3, 8, 0.5

pytestmark = pytest.mark.usefixtures("eagerly")


def net(seed: int = 0) -> RoutedModel:
    """A routed net without noise or normalisation, whose logits are a dense layer of its features."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((4, 4, 2), name="image")
    paths, _ = CrossConnection(2, name="route_1")(image, return_gates=True)
    features = [keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(path)) for path in paths]
    features = keras.layers.Average(name="features")(features)
    logits = keras.layers.Dense(CLASSES, name="logits")(features)
    return RoutedModel(image, keras.layers.Softmax(name="probabilities")(logits))


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.normal(size=(COUNT, 4, 4, 2)).astype("float32"), np.arange(COUNT) % CLASSES


def entropies(model: RoutedModel) -> np.ndarray:
    x, y = data()
    return -np.log(np.asarray(model(x))[range(COUNT), y])


# LoRA


def test_lora_trains_its_factors_by_their_gradient_and_is_saved(tmp_path: Path) -> None:
    model, (x, y) = net(), data()
    before = np.asarray(model(x))
    dense = model.get_layer("logits")
    dense.enable_lora(2, lora_alpha=4)
    np.testing.assert_array_equal(np.asarray(model(x)), before)
    kernel, down, up = (np.asarray(each).copy() for each in (dense._kernel, dense.lora_kernel_a, dense.lora_kernel_b))
    features = np.asarray(keras.Model(model.input, model.get_layer("features").output)(x))
    slopes = (before - np.eye(CLASSES)[y]) / COUNT
    model.compile(keras.optimizers.SGD(RATE), run_eagerly=True)
    model.fit(x, y, batch_size=COUNT, shuffle=False, verbose=0)
    np.testing.assert_array_equal(np.asarray(dense._kernel), kernel)
    # The second factor starts with zeros, so that the first has no gradient yet.
    np.testing.assert_array_equal(np.asarray(dense.lora_kernel_a), down)
    moved = -RATE * (4 / 2) * (features @ down).T @ slopes
    assert np.abs(moved).max() > 1e-4
    np.testing.assert_allclose(np.asarray(dense.lora_kernel_b), up + moved, rtol=1e-4, atol=1e-7)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(np.asarray(again(x)), np.asarray(model(x)), rtol=1e-5)


# Averaged weights


def _stepped(build: Callable[[], RoutedModel], module: Any, steps: int, **arguments: Any) -> list[np.ndarray]:
    """All that trains, after so many steps of gradient descent."""
    model = build()
    model.compile(keras.optimizers.SGD(RATE, **arguments), run_eagerly=True)
    x, y = module.images(), module.labels()
    model.fit(x, y, batch_size=len(y), epochs=steps, shuffle=False, verbose=0)
    return [np.asarray(each) for each in (*model.trainable_variables, *model.objective_variables)]


def test_an_average_of_weights_takes_those_of_the_objective_with_it() -> None:
    build = gated_net.gated_model
    first, second = (_stepped(build, gated_net, steps) for steps in (1, 2))
    averaged = _stepped(build, gated_net, 2, use_ema=True, ema_momentum=0.25)
    for one, two, mean in zip(first, second, averaged, strict=True):
        np.testing.assert_allclose(mean, 0.25 * one + 0.75 * two, rtol=1e-4, atol=1e-6)
    assert max(np.abs(one - two).max() for one, two in zip(first[-4:], second[-4:], strict=True)) > 1e-3


def test_weights_of_the_objective_are_the_models_during_fit_alone() -> None:
    model = gated_net.gated_model()
    model.compile("sgd", run_eagerly=True)
    own = len(model.trainable_weights)
    model.fit(gated_net.images(), gated_net.labels(), verbose=0)
    assert len(model.trainable_weights) == own


# Several steps at once


@pytest.mark.usefixtures("in_graphs")
@pytest.mark.parametrize("temperature", [False, True])
def test_several_steps_per_execution_are_the_same_steps(temperature: bool) -> None:
    tree = {"channels": [4, 6], "sinks": ["classify", {"channels": [8], "sinks": ["classify"]}]}
    x, y = (exit_net.images(8), exit_net.labels(8)) if temperature else data()
    weights, losses = [], []
    for steps in (1, 2):
        model = exit_net.exit_model(tree) if temperature else net()
        model.compile(keras.optimizers.SGD(0.05), steps_per_execution=steps)
        losses.append(model.fit(x, y, batch_size=2, epochs=1, shuffle=False, verbose=0).history["loss"])
        weights.append(model.get_weights())
        assert [int(each) for each in model.objective_state] == ([4] if temperature else [])
    np.testing.assert_allclose(*losses, rtol=1e-5)
    for one, two in zip(*weights, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)


# Weights of samples and classes


def test_class_weights_weigh_the_samples_of_their_class() -> None:
    model, (x, y) = net(), data()
    by_class = {0: 0.0, 1: 1.0, 2: 5.0}
    expected = np.mean([by_class[label] * entropy for label, entropy in zip(y, entropies(model), strict=True)])
    assert abs(expected - entropies(model).mean()) > 0.1
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    history = model.fit(x, y, batch_size=COUNT, class_weight=by_class, verbose=0).history
    assert history["loss"] == history["classification_loss"] == [pytest.approx(expected, rel=1e-5)]


def _critic() -> RoutedModel:
    return exit_net.exit_model(strategy="pragmatic_critic")


# By objective: nets, and the terms that labels have no part in.
TERMS: dict[str, tuple[Callable[[], RoutedModel], Any, set[str]]] = {
    "classification": (net, None, set()),
    "dynamic_multipath": (gated_net.gated_model, gated_net, {"execution_rate_loss", "flops_loss"}),
    "diverse_routes": (
        skip_net.skip_model,
        skip_net,
        {"consistency_loss", "diversity_loss", "cost_loss", "regularization_loss"},
    ),
    "actor": (exit_net.exit_model, exit_net, {"computation_loss", "kernel_loss", "decisiveness_loss"}),
    "critic": (_critic, exit_net, {"kernel_loss"}),
}


def _terms(model: RoutedModel, objective: Objective, x: Any, y: Any, weights: Any) -> dict[str, float]:
    outputs = {**model(x, training=False, return_outputs=True), **squared_kernels(model, objective.decayed_layers)}
    return {name: float(term) for name, term in objective(keras.ops.array(y), outputs, weights).items()}


@pytest.mark.parametrize("name", TERMS)
def test_weights_weigh_every_term_that_reads_labels_and_no_other(name: str) -> None:
    build, module, unlabelled = TERMS[name]
    model = build()
    x, y = data() if module is None else (module.images(), module.labels())
    objective = model.default_objective()
    assert name != "critic" or isinstance(objective, Critic)
    objective.build(model.symbolic_outputs())
    weights = np.arange(len(y)) % 2 * 2.0
    plain, weighted = (_terms(model, objective, x, y, each) for each in (None, weights))
    assert set(plain) - set(unlabelled) == {each for each in plain if plain[each] != weighted[each]}
    # A sample of no weight could have any label.
    others = np.where(weights, y, (y + 1) % 3)
    assert _terms(model, objective, x, others, weights) == pytest.approx(weighted, rel=1e-6)
    # And each sample counts by its weight: those of both halves make up the whole.
    halves = [_terms(model, objective, x, y, each) for each in (weights / 2, 1 - weights / 2)]
    for term in set(plain) - set(unlabelled):
        assert halves[0][term] + halves[1][term] == pytest.approx(plain[term], rel=1e-5), term


# Datasets of dicts


def test_datasets_of_dicts_may_follow_arrays_and_hold_numbers_per_image() -> None:
    model = exit_net.exit_model(dynamic_cost=True)
    images = np.random.default_rng(0).uniform(size=(6, *model.input["image"].shape[1:])).astype("float32")
    given = {"image": images, "cost": np.linspace(0, 1e-8, 6, dtype="float32")}
    expected = model.predict(given, verbose=0)
    inputs = tf.data.Dataset.from_tensor_slices(given).batch(4)
    np.testing.assert_allclose(model.predict(inputs, verbose=0), expected, atol=1e-6)
    labels = np.arange(6) % exit_net.CLASSES
    pairs = tf.data.Dataset.from_tensor_slices((given, labels)).batch(4)
    np.testing.assert_allclose(model.predict(pairs, verbose=0), expected, atol=1e-6)
    model.compile(keras.optimizers.SGD(0.0))
    losses = [model.evaluate(given, labels, batch_size=4, verbose=0), model.evaluate(pairs, verbose=0)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)


# Nothing to train


def test_fit_of_a_frozen_network_measures_and_says_that_nothing_trains() -> None:
    model = net()
    model.trainable = False
    model.compile(keras.optimizers.Adam(0.1))
    before, loss = model.get_weights(), entropies(model).mean()
    x, y = data()
    with pytest.warns(UserWarning, match="no weights that train.*Set trainable = True"):
        logs = model.fit(x, y, batch_size=COUNT, epochs=2, verbose=0).history
    np.testing.assert_allclose(logs["loss"], [loss, loss], rtol=1e-5)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
    model.trainable = True
    model.compile(keras.optimizers.SGD(0.1))
    assert model.fit(x, y, batch_size=COUNT, epochs=2, verbose=0).history["loss"][1] < loss
