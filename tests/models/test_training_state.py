"""A model that Keras saved and loaded goes on training as if it had never been saved."""

import copy
import pickle
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

from tests import exit_net, gated_net, skip_net
from tf_routing.models import Ensemble, RoutedModel
from tf_routing.models.training.training_state import seed_states


class Family(NamedTuple):
    """Nets of a family, and what they train on."""

    build: Callable[[], RoutedModel]
    images: Callable[[], np.ndarray]
    labels: Callable[[], np.ndarray]


# One junction is enough: the state is the temperature, whose share in a loss it scales.
_TREE = {"channels": [4], "sinks": ["classify", {"channels": [6], "sinks": ["classify"]}]}


def _exits(half_life: float = 2.0) -> RoutedModel:
    model = exit_net.exit_model(_TREE)
    # So that a step or two count.
    model.set_default_objective(model.default_objective().changed(temperature_half_life=half_life))
    return model


FAMILIES = {
    # Heads with slots of the optimizer, and noise.
    "category_heads": Family(gated_net.gated_model, gated_net.images, gated_net.labels),
    "cost_weight": Family(lambda: skip_net.skip_model(target=0.01), skip_net.images, skip_net.labels),
    "temperature": Family(_exits, exit_net.images, exit_net.labels),
    "members": Family(lambda: Ensemble.of([_exits(2.0), _exits(3.0)]), exit_net.images, exit_net.labels),
}


def compiled(family: Family) -> RoutedModel:
    model = family.build()
    model.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
    return model


def train(model: RoutedModel, family: Family, epochs: int, **arguments: Any) -> list[float]:
    fit = {"batch_size": len(family.labels()), "shuffle": False, "verbose": 0, **arguments}
    return model.fit(family.images(), family.labels(), epochs=epochs, **fit).history["loss"]


def from_keras(model: RoutedModel, family: Family, folder: Path) -> RoutedModel:
    model.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras")


def from_weights(model: RoutedModel, family: Family, folder: Path) -> RoutedModel:
    model.save_weights(folder / "model.weights.h5")
    again = compiled(family)
    # As `BackupAndRestore` does.
    if not again.optimizer.built:
        again.optimizer.build(again.trainable_variables)
    again.load_weights(folder / "model.weights.h5")
    return again


WAYS: dict[str, Callable[[RoutedModel, Family, Path], RoutedModel]] = {
    "keras": from_keras,
    "weights": from_weights,
    "deepcopy": lambda model, family, folder: copy.deepcopy(model),
    "pickle": lambda model, family, folder: pickle.loads(pickle.dumps(model)),
}


# The first loss shows weights, heads, noise and what cools; the second one the optimizer's slots, and what adapts.
def assert_losses_go_on(family: Family, ways: Iterable[str], folder: Path) -> None:
    model = compiled(family)
    before = train(model, family, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        copies = {way: WAYS[way](model, family, folder) for way in ways}
    expected = train(model, family, 2)
    # What is not brought back shows: a fresh net gives the losses of before.
    assert all(np.abs(np.subtract(expected, before)) > 1e-6)
    for way, each in copies.items():
        each.run_eagerly = True
        assert train(each, family, 2) == expected, way


# Members have the state of other families twice, and take longest: `test_ensemble.py` trains and saves an ensemble.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.heavy) if name == "members" else name for name in FAMILIES]
)
def test_the_next_losses_are_those_of_the_model_that_was_saved(name: str, tmp_path: Path) -> None:
    assert_losses_go_on(FAMILIES[name], ("keras", "weights"), tmp_path)


# Keras copies and pickles a model by its `.keras` file, so one family stands for all.
@pytest.mark.parametrize(
    "name", [name if name == "cost_weight" else pytest.param(name, marks=pytest.mark.heavy) for name in FAMILIES]
)
def test_the_next_losses_are_those_of_the_model_that_was_copied(name: str, tmp_path: Path) -> None:
    assert_losses_go_on(FAMILIES[name], ("deepcopy", "pickle"), tmp_path)


@pytest.fixture(scope="module")
def trained() -> RoutedModel:
    model = compiled(FAMILIES["category_heads"])
    train(model, FAMILIES["category_heads"], 2)
    return model


def heads(model: RoutedModel) -> list[np.ndarray]:
    return [np.asarray(each) for each in model.objective_variables]


def test_a_checkpoint_of_keras_brings_everything_back(tmp_path: Path) -> None:
    family = FAMILIES["category_heads"]
    model = compiled(family)
    kept = keras.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.weights.h5"), save_weights_only=True)
    train(model, family, 1, callbacks=[kept])
    again = compiled(family)
    again.load_weights(tmp_path / "1.weights.h5")
    assert train(again, family, 2) == train(model, family, 2)


def test_a_run_that_keras_backs_up_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    family = FAMILIES["category_heads"]
    whole = train(compiled(family), family, 3)

    class Killed(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 0:
                raise KeyboardInterrupt

    def backup() -> keras.callbacks.Callback:
        return keras.callbacks.BackupAndRestore(str(tmp_path))

    with pytest.raises(KeyboardInterrupt):
        train(compiled(family), family, 3, callbacks=[backup(), Killed()])
    assert train(compiled(family), family, 3, callbacks=[backup()]) == whole[1:]


def test_a_loaded_net_draws_what_the_saved_one_would(tmp_path: Path) -> None:
    model = compiled(FAMILIES["category_heads"])
    x = gated_net.images()
    model(x, training=True)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert len(seed_states(again)) == 2
    drawn, other = (each(x, training=True, return_outputs=True) for each in (model, again))
    for name in model.decision_names:
        np.testing.assert_array_equal(np.asarray(drawn[name]), np.asarray(other[name]))
    fresh = gated_net.gated_model()(x, training=True, return_outputs=True)
    assert any(np.any(np.asarray(fresh[name]) != np.asarray(drawn[name])) for name in model.decision_names)


def test_a_model_that_is_not_compiled_saves_nothing_of_an_objective(trained: RoutedModel, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    uncompiled = gated_net.gated_model()
    for model, name in ((trained, "trained"), (uncompiled, "uncompiled")):
        model.save_weights(tmp_path / f"{name}.weights.h5")
    found = {}
    for name in ("trained", "uncompiled"):
        with h5py.File(tmp_path / f"{name}.weights.h5") as file:
            found[name] = sorted(file["_training_state/vars"])
    seeds = ["seed_state_000", "seed_state_001"]
    assert found == {"uncompiled": seeds, "trained": [f"objective_variable_00{n}" for n in range(4)] + seeds}


def test_a_file_of_before_loads_and_says_that_heads_begin_anew(trained: RoutedModel, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "old.weights.h5"
    trained.save_weights(path)
    with h5py.File(path, "a") as file:
        del file["_training_state"]
    model = compiled(FAMILIES["category_heads"])
    before = heads(model)
    with pytest.warns(UserWarning, match="holds nothing of what the objective of this model learns.*stays as it is"):
        model.load_weights(path)
    for weight, expected in zip(model.weights, trained.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), np.asarray(expected))
    for head, expected in zip(heads(model), before, strict=True):
        np.testing.assert_array_equal(head, expected)


def test_a_file_of_another_objective_says_so(trained: RoutedModel, tmp_path: Path) -> None:
    trained.save_weights(tmp_path / "model.weights.h5")
    model = gated_net.gated_model(categories=[0, 1, 1, 1])
    model.compile("sgd")
    with pytest.warns(UserWarning, match="holds something else than what the objective"):
        model.load_weights(tmp_path / "model.weights.h5")


def test_a_plain_model_of_the_same_layers_reads_the_weights(trained: RoutedModel, tmp_path: Path) -> None:
    trained.save_weights(tmp_path / "model.weights.h5")
    fresh = gated_net.gated_model(seed=9)
    plain = keras.Model(fresh.inputs, fresh.outputs)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        plain.load_weights(tmp_path / "model.weights.h5")
    x = gated_net.images()
    np.testing.assert_array_equal(np.asarray(plain(x)), np.asarray(trained(x)))
