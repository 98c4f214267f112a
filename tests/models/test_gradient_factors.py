"""A training step multiplies gradients by what the objective says, before momentum, on either backend."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import exit_reference
from tests.exit_net import BRANCHES, exit_model, images, labels, vary
from tests.snippets import run_snippet
from tf_routing import data
from tf_routing.models import RoutedModel
from tf_routing.models.training.squared_kernels import squared_kernels
from tf_routing.objectives import Objective

RATE, MOMENTUM, STEPS = 0.05, 0.9, 2
# So fast that the temperature of each step differs.
ARGUMENTS: dict[str, Any] = {"computation_cost": 1e-5, "kernel_decay": 0.01, "temperature_half_life": 2.0}


def model(**arguments: Any) -> RoutedModel:
    built = exit_model(BRANCHES, **{**ARGUMENTS, **arguments})
    vary(built)
    return built


def trained(built: RoutedModel, **compiled: Any) -> RoutedModel:
    built.compile(keras.optimizers.SGD(RATE, momentum=MOMENTUM), **compiled)
    for _ in range(STEPS):
        built.train_on_batch(images(), labels())
    return built


def factors(built: RoutedModel, outputs: dict[str, Any], temperature: float) -> dict[int, float]:
    """One over the root mean square of the reach, by `id` of the weight."""
    tree = built.get_layer("probabilities").tree
    scores = {name: np.asarray(outputs[f"{name}_scores"], "float64") for name in exit_reference.junctions(tree)}
    reach = exit_reference.reach(tree, scores, temperature)
    return {
        id(weight): float(1 / np.sqrt((each**2).mean()))
        for name, each in reach.items()
        for weight in built.get_layer(name).trainable_weights
    }


def gradients(built: RoutedModel, temperature: float) -> tuple[list[np.ndarray], dict[str, Any]]:
    """The gradient of the whole loss, and what the objective read."""
    objective = built.default_objective().changed(temperature=temperature, temperature_half_life=None)
    with tf.GradientTape() as tape:
        outputs = built(images(), training=True, return_outputs=True)
        read = {**outputs, **squared_kernels(built, objective.decayed_layers)}
        loss = tf.add_n(list(objective(labels(), read).values()))
    return [np.asarray(each) for each in tape.gradient(loss, built.trainable_variables)], outputs


def by_hand(built: RoutedModel, talr: bool) -> tuple[RoutedModel, list[float]]:
    """The steps without the model's own training, and the factors that were seen."""
    velocities = [np.zeros(weight.shape) for weight in built.trainable_variables]
    seen: list[float] = []
    for step in range(STEPS):
        temperature = 0.5 ** (step / ARGUMENTS["temperature_half_life"])
        slopes, outputs = gradients(built, temperature)
        found = factors(built, outputs, temperature) if talr else {}
        seen += found.values()
        for n, (weight, slope) in enumerate(zip(built.trainable_variables, slopes, strict=True)):
            velocities[n] = MOMENTUM * velocities[n] - RATE * found.get(id(weight), 1.0) * slope
            weight.assign_add(velocities[n].astype("float32"))
    return built, seen


def largest_difference(one: RoutedModel, other: RoutedModel) -> float:
    pairs = zip(one.trainable_variables, other.trainable_variables, strict=True)
    return max(float(np.abs(np.asarray(a) - np.asarray(b)).max()) for a, b in pairs)


@pytest.fixture(scope="module")
def adjusted() -> RoutedModel:
    # Eagerly: that graphs multiply gradients too, the small net below shows.
    return trained(model(), run_eagerly=True)


def test_steps_are_those_made_by_hand(adjusted: RoutedModel) -> None:
    start = model()
    expected, seen = by_hand(model(), talr=True)
    assert min(seen) == 1 and max(seen) > 1.5
    assert largest_difference(expected, start) > 1e-2
    assert largest_difference(adjusted, expected) < 1e-4
    assert [int(variable) for variable in adjusted.objective_state] == [STEPS]


def test_without_talr_no_gradient_is_multiplied(adjusted: RoutedModel) -> None:
    plain = trained(model(talr=False), run_eagerly=True)
    expected, seen = by_hand(model(talr=False), talr=False)
    assert seen == []
    assert largest_difference(plain, expected) < 1e-4
    assert largest_difference(adjusted, plain) > 1e-3


class Scaled(Objective):
    """Classification, with gradients of one layer multiplied."""

    names = ("classification_loss",)

    def __call__(self, labels: Any, outputs: dict[str, Any], sample_weight: Any = None) -> dict[str, Any]:
        losses = keras.losses.sparse_categorical_crossentropy(labels, outputs["probabilities"])
        return {"classification_loss": keras.ops.mean(losses)}

    def gradient_factors(self, outputs: dict[str, Any]) -> dict[str, Any]:
        return {"scaled": keras.ops.convert_to_tensor(3.0), "frozen": keras.ops.convert_to_tensor(0.0)}


def stepped(objective: Objective | None) -> dict[str, np.ndarray]:
    """How far one step moves the weights of each layer."""
    keras.utils.set_random_seed(0)
    image = x = keras.Input((4,), name="image")
    for name in ("scaled", "frozen"):
        x = keras.layers.Dense(4, "tanh", name=name)(x)
    built = RoutedModel(image, keras.layers.Dense(3, "softmax", name="free")(x))
    before = {layer.name: layer.get_weights() for layer in built.layers}
    built.compile(keras.optimizers.SGD(0.1), objective=objective)
    built.train_on_batch(np.random.default_rng(0).normal(size=(6, 4)).astype("float32"), np.arange(6) % 3)
    return {
        layer.name: np.concatenate(
            [(new - old).ravel() for new, old in zip(layer.get_weights(), before[layer.name], strict=True)]
        )
        for layer in built.layers
        if layer.weights
    }


def assert_named_layers_are_multiplied() -> None:
    plain, scaled = stepped(None), stepped(Scaled())
    np.testing.assert_allclose(scaled["scaled"], 3 * plain["scaled"], rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(scaled["free"], plain["free"], rtol=1e-3, atol=1e-7)
    assert np.abs(plain["frozen"]).max() > 1e-4 and (scaled["frozen"] == 0).all()


def test_kernels_and_biases_of_named_layers_are_multiplied_and_no_others() -> None:
    assert_named_layers_are_multiplied()


# JAX

_TRAIN = """
import json
import sys

import keras
import numpy as np

from tests.exit_net import COUNT, images, labels
from tests.models.test_gradient_factors import MOMENTUM, RATE, STEPS, model

assert keras.backend.backend() == "jax"
stored = np.load(sys.argv[1])
built = model()
built.set_weights([stored[f"start_{n}"] for n in range(len(built.weights))])
built.compile(keras.optimizers.SGD(RATE, momentum=MOMENTUM))
history = built.fit(images(), labels(), batch_size=COUNT, epochs=STEPS, verbose=0).history
differences = [
    float(np.abs(own - stored[f"end_{n}"]).max()) for n, own in enumerate(built.get_weights())
]
print(json.dumps({
    "difference": max(differences),
    "steps": [int(variable) for variable in built.objective_state],
    "losses": history["loss"],
    "measured": history["executed_macs"],
}))
"""


_MULTIPLY = """
import keras
from tests.models.test_gradient_factors import assert_named_layers_are_multiplied

assert keras.backend.backend() == "jax"
assert_named_layers_are_multiplied()
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_jax_multiplies_gradients_of_named_layers_too() -> None:
    run_snippet(_MULTIPLY, backend="jax")


# By default JAX multiplies the gradients of the small model above: a whole tree takes it half a minute.
@pytest.mark.heavy
def test_jax_trains_to_the_same_weights(adjusted: RoutedModel, tmp_path: Path) -> None:
    if importlib.util.find_spec("jax") is None:
        pytest.skip("JAX is not installed")
    start, end = model().get_weights(), adjusted.get_weights()
    stored = {f"start_{n}": each for n, each in enumerate(start)} | {f"end_{n}": each for n, each in enumerate(end)}
    np.savez(tmp_path / "tensorflow.npz", **stored)
    report = json.loads(run_snippet(_TRAIN, tmp_path / "tensorflow.npz", backend="jax").splitlines()[-1])
    # Moving statistics among them.
    assert max(float(np.abs(a - b).max()) for a, b in zip(start, end, strict=True)) > 1e-2
    assert report["difference"] < 1e-4
    assert report["steps"] == [STEPS]
    assert len(report["losses"]) == STEPS and np.isfinite(report["losses"] + report["measured"]).all()


# What training brings about


_CRITIC = {"strategy": "pragmatic_critic", "regression_weight": 0.1, "temperature": 1}


# Learned behaviour: the steps that lead there are proved above, and the gradients of the cost in
# `tests/objectives/test_actor.py` and `test_critic.py`.
@pytest.mark.heavy
@pytest.mark.parametrize("arguments", [{}, _CRITIC])
def test_dear_computation_is_avoided(arguments: dict[str, Any]) -> None:
    digits = data.load("digits")
    # The digits are 8x8 enlarged.
    x, unseen = (np.float32(part.images[:, ::4, ::4] / 255) for part in (digits.train, digits.test))
    trained_macs, executed = [], []
    for computation_cost in (0.0, 3e-5):
        built = exit_model(drawn=False, classes=10, computation_cost=computation_cost, **arguments)
        built.compile(keras.optimizers.SGD(0.1, momentum=0.9), jit_compile=False)
        history = built.fit(x[:1024], digits.train.labels[:1024], 64, epochs=2, verbose=0, shuffle=False).history
        trained_macs.append(history["executed_macs"][-1])
        executed.append(built.cost(unseen[:200]).mean())
        assert history["classification_loss"][-1] < history["classification_loss"][0]
    assert trained_macs[1] < 0.95 * trained_macs[0]
    assert executed[1] < executed[0]
