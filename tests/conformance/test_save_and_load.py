"""Every layer and every net comes back from a `.keras` file with the same predictions, in a fresh process too."""

from copy import deepcopy
from pathlib import Path

import keras
import numpy as np
import pytest

import tf_routing
from tests.conformance.subjects import (
    ENDS_OF_TREES,
    LAYERS,
    PARTS_OF_STAGES,
    TRAINED,
    disturb,
    finish,
    images,
    labels,
    layer_batch,
    layer_model,
    rich_model,
    small,
    start_python,
)
from tf_routing import layers
from tf_routing.models import RoutedModel
from tf_routing.optimizers import DecayedSGD

_LOAD = """
import sys
import {first}
import {second}
import numpy as np
for path in sys.argv[1:]:
    model, expected = keras.saving.load_model(path + ".keras"), np.load(path + ".npz")
    np.testing.assert_allclose(np.asarray(model(expected["x"], training=False)), expected["y"], atol=1e-6)
    assert type(model) is tf_routing.RoutedModel, type(model)
    assert model.has_objective
    assert type(model.optimizer).__name__ == "DecayedSGD"
    assert model.decision_names == list(expected["decisions"])
"""


def _round_trip(model: keras.Model, path: Path) -> keras.Model:
    model.save(path)
    return keras.saving.load_model(path)


@pytest.mark.parametrize("name", LAYERS)
def test_layer_comes_back(name: str, tmp_path: Path) -> None:
    model, x = layer_model(LAYERS[name]), layer_batch(LAYERS[name])
    disturb(model)
    loaded = _round_trip(model, tmp_path / "model.keras")
    np.testing.assert_allclose(np.asarray(loaded(x)), np.asarray(model(x)), atol=1e-6)


@pytest.mark.parametrize("name", LAYERS)
def test_layer_comes_back_from_its_configuration(name: str) -> None:
    layer = LAYERS[name].build()
    config = layer.get_config()
    assert {key: config[key] for key in LAYERS[name].arguments} == LAYERS[name].arguments
    # Keras takes the configurations of models inside apart while it reads them.
    assert type(layer).from_config(deepcopy(config)).get_config() == config


@pytest.mark.parametrize("name", TRAINED)
def test_net_comes_back(name: str, tmp_path: Path) -> None:
    model, x = small(name), images(name)
    model.compile("sgd")
    disturb(model)
    loaded = _round_trip(model, tmp_path / "model.keras")
    assert type(loaded) is type(model)
    assert loaded.has_objective
    assert loaded.decision_names == model.decision_names
    assert loaded.static_cost == model.static_cost
    np.testing.assert_allclose(np.asarray(loaded(x)), np.asarray(model(x)), atol=1e-6)


def test_training_goes_on_where_it_was_saved(tmp_path: Path) -> None:
    model, x = small("basecnn_2cp"), images("basecnn_2cp")
    model.compile(DecayedSGD(0.01), run_eagerly=True)
    model.train_on_batch(x, labels())
    loaded = _round_trip(model, tmp_path / "model.keras")
    loaded.run_eagerly = True
    for each in (model, loaded):
        each.train_on_batch(x, labels())
    for expected, weight in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_allclose(np.asarray(weight), np.asarray(expected), atol=1e-6)


def test_the_rich_model_and_the_chain_hold_every_public_layer() -> None:
    elsewhere = ENDS_OF_TREES | PARTS_OF_STAGES
    assert set(layers.__all__) - elsewhere <= {type(layer).__name__ for layer in rich_model().layers}
    nets = small("short_chain"), small("short_sact"), tf_routing.cascade([small("basecnn")] * 2)
    assert {type(layer).__name__ for net in nets for layer in net.layers} >= elsewhere


def _save(name: str, folder: Path) -> Path:
    """Saves a net after a step of training, what it then answers, and the names of its decisions."""
    model, x = small(name), images(name)
    model.compile(DecayedSGD(0.01), run_eagerly=True)
    model.train_on_batch(x, labels())
    path = folder / name
    model.save(f"{path}.keras")
    np.savez(f"{path}.npz", x=x, y=np.asarray(model(x, training=False)), decisions=model.decision_names)
    return path


# By default `test_imports.py` checks that the order changes nothing in what is registered.
@pytest.mark.parametrize(
    ("first", "second"), [("keras", "tf_routing"), pytest.param("tf_routing", "keras", marks=pytest.mark.heavy)]
)
def test_a_fresh_process_loads_without_custom_objects(first: str, second: str, tmp_path: Path) -> None:
    assert tf_routing.RoutedModel is RoutedModel
    assert rich_model().decision_names == ["route_1", "route_2", "controller", "router"]
    paths = [_save(name, tmp_path) for name in ("rich", "short_chain")]
    finish(start_python(_LOAD.format(first=first, second=second), *paths))
