"""A copy of a net is set as the net is: same objective, same execution, whichever way of Keras made it."""

from collections.abc import Callable

import keras
import pytest

from tests.conformance.subjects import SHORT, small
from tf_routing import execution
from tf_routing.models import RoutedModel

EVERY_WAY = ["rich", "short_chain"]
NAMES = [*EVERY_WAY, "basecnn_ensemble3", *(name for name in SHORT if name not in EVERY_WAY)]
WAYS: dict[str, Callable[[RoutedModel], RoutedModel]] = {
    "clone_function": lambda model: keras.models.clone_model(model, clone_function=_same),
    "call_function": lambda model: keras.models.clone_model(model, call_function=_called),
    "input_tensors": lambda model: keras.models.clone_model(model, keras.tree.map_structure(_input, model.input)),
    "from_config": lambda model: type(model).from_config(model.get_config()),
    "json": lambda model: keras.models.model_from_json(model.to_json()),
    "in_a_sequential": lambda model: keras.models.clone_model(keras.Sequential([model])).layers[0],
}


def _same(layer: keras.Layer) -> keras.Layer:
    return layer


def _called(layer: keras.Layer, *args: object, **kwargs: object) -> object:
    return layer(*args, **kwargs)


def _input(tensor: keras.KerasTensor) -> keras.KerasTensor:
    return keras.Input(tensor.shape[1:], name=tensor.name)


def _settings(model: RoutedModel) -> dict[str, object]:
    objective = model.default_objective()
    run = model.executor.begin_run()
    blocks = [(each.execution, each.method, run.settings_of(each), each.supports_jit) for each in _blocks(model)]
    own = model.executor.settings, run.image_size, model.name, type(model)
    return {"own": own, "blocks": blocks, "objective": (type(objective), objective.get_config())}


def _blocks(model: RoutedModel) -> list:
    return execution.gated_blocks(model)


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest) -> RoutedModel:
    """A net on which nothing is set as it comes."""
    model = small(request.param)
    model.set_execution("masked", method="rows", batch_method="chunks")
    if _blocks(model):
        _blocks(model)[0].method = "patterns"
    if request.param != "basecnn_ensemble3":
        model.set_default_objective(model.default_objective().smoothed(0.125))
    return model


def test_a_clone_is_set_as_the_net_is(model: RoutedModel) -> None:
    assert _settings(keras.models.clone_model(model)) == _settings(model)


@pytest.mark.parametrize("model", EVERY_WAY, indirect=True)
@pytest.mark.parametrize("way", WAYS)
def test_a_copy_is_set_as_the_net_is_whichever_way_it_was_made(way: str, model: RoutedModel) -> None:
    assert _settings(WAYS[way](model)) == _settings(model)


@pytest.mark.parametrize("model", EVERY_WAY, indirect=True)
def test_a_configuration_builds_the_same_net_twice(model: RoutedModel) -> None:
    config = model.get_config()
    first, second = (type(model).from_config(config) for _ in range(2))
    assert _settings(first) == _settings(second) == _settings(model)


@pytest.mark.parametrize("model", ["rich"], indirect=True)
def test_a_model_called_as_a_layer_hands_on_nothing(model: RoutedModel) -> None:
    inputs = keras.tree.map_structure(_input, model.input)
    assert RoutedModel(inputs, model(inputs)).execution == "auto"
